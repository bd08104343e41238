"""`edge bench drivers`: both sides do the same work, and the sums are right; how large they are is the machine's
affair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers import SimBus, SimChip, World, find
from edge.bench import drivers as bench
from edge.bench import wires
from edge.cli import main
from edge.config import load


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_CALLS", 2)
    monkeypatch.setattr(bench, "_ROUNDS", 30)
    monkeypatch.setattr(bench, "_SECONDS", 1.0)
    monkeypatch.setattr(bench, "_EDGES", 100)
    monkeypatch.setattr(bench, "_DAYS", 10)


def test_the_driver_and_the_bare_library_make_the_same_transfers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    ioctl = wires.Adapter._ioctl

    def heard(self: wires.Adapter, descriptor: int, request: int, argument: object) -> int:
        if hasattr(argument, "msgs"):
            asked.append(argument.msgs[0].buf[: argument.msgs[0].len])
        return ioctl(self, descriptor, request, argument)

    monkeypatch.setattr(wires.Adapter, "_ioctl", heard)
    with wires.one_chip() as pair:
        asked.clear()
        read = pair.ours()
        ours = asked.copy()
        asked.clear()
        pair.bare()

    assert ours == asked != []
    entry = find("bme280")
    assert issubclass(entry.sim, SimChip)
    with entry.build(SimBus({0x76: entry.sim(World(), "bme280")}), 0x76) as chip:
        assert read == chip.read()


def test_the_fifty_are_spread_over_four_buses_and_no_two_at_one_place(tmp_path: Path) -> None:
    config = load(wires.fleet(tmp_path, 50, "1s"))

    found = [(settings.bus, settings.address) for settings in config.devices.values()]
    assert len(set(found)) == 50
    assert {bus for bus, _ in found} == {"i2c-1", "i2c-2", "i2c-3", "i2c-4"}
    assert len({settings.driver for settings in config.devices.values()}) == 4


def test_every_edge_arrives_and_is_counted_once(tmp_path: Path) -> None:
    found = wires.edges(tmp_path, 20)

    assert len(found) == 20
    assert min(found) > 0


@pytest.mark.parametrize("form", [["--json"], []])
def test_each_figure_stands_beside_its_baseline(capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    assert main(["bench", "drivers", "--quick", *form]) == 0

    told = capsys.readouterr().out
    if not form:
        assert "a BME280 read, us" in told
        assert "smbus2 alone" in told
        return
    found = json.loads(told)
    assert set(found) == {"read_us", "sampling", "edge_us", "virtual"}
    assert found["sampling"]["devices"] == 50
    assert found["virtual"]["days"] == 1
    assert found["virtual"]["days_speed"] > 0
