"""The public suite, on every driver of the package: in a gateway each is ok, failed when pulled, and ok again."""

import pytest

from drivers import kinds
from edge.testing import driver_suite
from tests.drivers.test_every_driver import NEEDED


@pytest.mark.parametrize("kind", kinds())
def test_each_driver_of_the_package_passes(kind: str) -> None:
    assert driver_suite.problems(kind, **NEEDED.get(kind, {})) == []


def test_where_it_is_and_its_options_are_written_as_in_the_configuration() -> None:
    assert driver_suite.problems("mcp3008", where={"bus": "spi-0", "select": 1}, reference=5.0) == []
    assert driver_suite.problems("bme280", where={"bus": "i2c-1", "address": 0x77}, every="30s") == []
    [problem] = driver_suite.problems("mcp3008", where={"bus": "i2c-1"})
    assert "mcp3008 is a chip on an SPI bus, and i2c-1 is none" in problem
    [problem] = driver_suite.problems("mcp3008", refrence=5.0)
    assert "did you mean 'reference'?" in problem
