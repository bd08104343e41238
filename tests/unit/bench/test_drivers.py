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


def test_every_figure_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "drivers", "--quick", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"read_us", "sampling", "edge_us", "virtual"}
    assert found["sampling"]["devices"] == 50
    assert found["virtual"]["days"] == 1
    assert found["virtual"]["days_speed"] > 0


def test_a_person_sees_each_figure_beside_its_baseline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {
        "read_us": {"ours": 17.9, "bare": 12.4, "over": 5.3},
        "sampling": {"devices": 50, "cpu_percent": 0.51, "bare_cpu_percent": 0.08},
        "edge_us": {"p50": 11.4, "p99": 520.6, "bare_p50": 14.3, "bare_p99": 19.9},
        "virtual": {"demo_speed": 2970, "days": 30, "days_took_s": 8.4, "days_speed": 308571},
    }
    monkeypatch.setattr(bench, "_measure", lambda folder, part: figures)

    assert main(["bench", "drivers"]) == 0

    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "a BME280 read, us 17.9 smbus2 alone 12.4 5.3 <= 150" in told
    assert "50 devices at 1 Hz, CPU % 0.51 the transfers alone 0.08 < 3" in told
