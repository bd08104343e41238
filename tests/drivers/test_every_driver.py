"""What holds for every driver in the package."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from drivers import Driver, Entry, Reading, Seconds, SimBus, World, find, kinds, options_of
from drivers.base import Identity
from drivers.errors import BadData, DriverError, WrongChip
from drivers.silicon import RegisterChip
from drivers.suite import problems
from edge.config.units import parse_duration
from tests.drivers.kernel import Kernel
from tests.drivers.needed import BUS_KINDS, CHIPS, NEEDED, address_of, build, bus_with, chip

HARDWARE = (Path(__file__).parents[2] / "hardware.md").read_text()

# Chips without any id, and the answers that cannot be told from theirs; hardware.md says so.
ANONYMOUS = {"bh1750": {0x00}, "tca9548a": {0x00}, "pcf8574": set(range(256))}


@pytest.mark.parametrize("kind", kinds())
def test_it_conforms(kind: str) -> None:
    assert problems(find(kind), NEEDED.get(kind)) == []


@pytest.mark.parametrize("kind", kinds())
def test_it_has_a_row_and_an_example_in_hardware_md(kind: str) -> None:
    assert f"| `{kind}` |" in HARDWARE
    assert f"driver: {kind}," in HARDWARE


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", HARDWARE, re.DOTALL))
def test_the_examples_in_hardware_md_are_what_the_drivers_accept(example: str) -> None:
    common = {"driver", "bus", "address", "select", "pin", "pins", "port", "id", "topic", "every", "debounce"}
    for name, device in YAML(typ="safe").load(example)["devices"].items():
        driver = find(device["driver"]).driver
        accepted = options_of(driver)
        assert {option.name for option in accepted.values() if option.required} <= set(device)
        for option in set(device) - common:
            value = device[option]
            if Seconds in (accepted[option].type, *get_args(accepted[option].type)):
                value = parse_duration(value)
            assert accepted[option].problem(value) is None, f"{name}.{option}"
        assert ("pin" in device or "pins" in device) == (driver.wire == "pin")
        if issubclass(driver, Driver) and driver.addresses:
            assert device["address"] in driver.addresses


@pytest.mark.parametrize("kind", CHIPS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_the_world_has_is_what_the_driver_says(kind: str, data: st.DataObject) -> None:
    """Over the whole range, all channels of one sample together, within the chip's resolution."""
    entry = find(kind)
    world, driver = World(), entry.driver
    assert issubclass(driver, Driver)
    wanted = {
        channel: data.draw(st.floats(low + driver.resolution[channel], high - driver.resolution[channel]))
        for channel, (low, high) in driver.ranges.items()
        if channel in driver.channels_of({})
    }
    for channel, value in wanted.items():
        world[f"it.{channel}"] = value
    bus = SimBus({driver.address: entry.sim(world, "it")})

    with driver(bus) as device:
        got = device.read().values

    for channel, value in wanted.items():
        assert got[channel] == pytest.approx(value, abs=driver.resolution[channel])


@pytest.mark.parametrize("kind", BUS_KINDS)
def test_it_reads_the_same_through_smbus2_and_the_kernel(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bare reads, two-byte commands and long bursts are transfers that the real library can make."""
    kernel = Kernel(tmp_path, monkeypatch)
    kernel.sim.attach(address_of(kind), chip(kind))

    with build(kind, kernel.open()) as device:
        got = device.read().values

    with build(kind, bus_with(kind)) as device:
        assert device.read().values == got


class Blank(RegisterChip):
    """Some other chip: every register holds the same byte and none can be written."""

    def __init__(self, byte: int) -> None:
        super().__init__(World(), "blank")
        self.registers[:] = bytes([byte]) * 256

    def store(self, register: int, value: int) -> None:
        return


@pytest.mark.parametrize("kind", CHIPS)
def test_another_chip_at_the_address_never_becomes_a_reading(kind: str) -> None:
    driver = find(kind).driver
    assert issubclass(driver, Driver)
    for byte in set(range(256)) - ANONYMOUS.get(kind, set()):
        with pytest.raises((WrongChip, BadData)):
            driver(SimBus({driver.address: Blank(byte)})).start()


@pytest.mark.parametrize("kind", kinds())
def test_a_reading_outside_the_range_is_an_error_and_names_the_range(kind: str) -> None:
    driver = find(kind).driver
    device = object.__new__(driver)
    for channel, (low, high) in driver.ranges.items():
        for value in (low - 0.1, high + 0.1, float("nan"), float("inf")):
            with pytest.raises(DriverError, match=f"{channel}.*outside {low:g} .. {high:g}"):
                device.reading(**{channel: value})


def test_the_suite_finds_what_is_wrong() -> None:
    """A suite that cannot fail proves nothing: break one rule at a time."""
    good = find("tmp102")

    class TalksTooEarly(good.driver):  # type: ignore[name-defined,misc]
        """Starts in its constructor."""

        def __init__(self, bus, address=None):  # type: ignore[no-untyped-def]
            super().__init__(bus, address)
            bus.wait(0)
            bus.log.append(None)

    class ForgetsAChannel(good.driver):  # type: ignore[name-defined,misc]
        """Declares more than it reads."""

        channels: ClassVar = {"temperature": "degC", "humidity": "%"}

    class OffByHalfADegree(good.driver):  # type: ignore[name-defined,misc]
        """Decodes wrongly."""

        def read(self) -> Reading:
            return Reading({"temperature": super().read().values["temperature"] + 0.5})

    class NoUnit(good.driver):  # type: ignore[name-defined,misc]
        """Has a channel without a unit."""

        channels: ClassVar = {"temperature": ""}

    class AnotherIdentity(good.driver):  # type: ignore[name-defined,misc]
        """Declares an id that its chip has not."""

        identity = (Identity(0x01, (0x1234,), size=2),)

    def found(driver: type) -> str:
        return " / ".join(problems(replace(good, driver=driver)))

    assert "constructor" in found(TalksTooEarly)
    assert "channels says" in found(ForgetsAChannel)
    assert "the driver says" in found(OffByHalfADegree)
    assert "needs a unit" in found(NoUnit)
    assert "is not what identity says" in found(AnotherIdentity)
    assert "SIM must be" in " ".join(problems(Entry("x", good.driver, find("contact").sim, "here")))


def test_naming_the_package_loads_no_vendor_library() -> None:
    """A laptop without I2C and GPIO pays nothing for them."""
    vendors = {"smbus2", "gpiozero", "lgpio", "serial"}
    code = f"import sys, drivers, drivers.bus, drivers.gpio, drivers.uart; print({vendors} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
