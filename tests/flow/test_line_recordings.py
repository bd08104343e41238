"""What was said on 1-Wire, IIO, serial ports and SPI is recorded like a bus, and played back to the same drivers."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers import World
from drivers.simulation.recording import Recorder, read_recording
from drivers.simulation.signals import diurnal
from edge.config import Config, load
from edge.devices import Wires
from edge.ids import Minter
from edge.instruments import Instruments
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock
from tests.flow.test_lines import DEVICES, ON_LINES

Told = dict[str, list[dict[str, Any]]]


class Heard:
    """Events by device, in place of an inbox."""

    def __init__(self) -> None:
        self.told: Told = {name: [] for name in DEVICES}

    def push(self, happened: Any) -> None:
        self.told[happened.event.source].append(dict(happened.event.values))


def configured(folder: Path, backend: str, **edge: str) -> Config:
    keys = "".join(f", {key}: {value}" for key, value in edge.items())
    (folder / "edge.yaml").write_text(f"edge: {{id: hut, backend: {backend}{keys}}}\n{ON_LINES}")
    return load(folder / "edge.yaml")


def lived(config: Config, seconds: float, recorder: Any = None, spoil: Any = None) -> tuple[Told, dict[str, str]]:
    """The devices sampled for so long: what each said, and the last error of each."""
    clock, heard, refuse = VirtualClock(), Heard(), lambda *_: pytest.fail("nothing real here")
    world = World(clock.monotonic)
    wires = Wires(
        open_bus=refuse,
        open_pins=refuse,
        open_sim_pins=refuse,
        open_tree=refuse,
        open_serial=refuse,
        world=world,
        wait=lambda pause: world.elapse(pause, clock.advance),
        seed=4,
    )
    if recorder is not None:
        wires = replace(wires, recorder=recorder(clock.monotonic))
    instruments = Instruments(
        config,
        wires,
        clock=clock,
        inbox=heard,  # type: ignore[arg-type]
        minter=Minter("hut", clock, random.Random(1)),
        telemetry=Telemetry(),
        show=lambda device, values: None,
    )
    with closing(instruments):
        if spoil is not None:
            spoil(world, instruments)
        while clock.monotonic() < seconds:
            due = min(part.turn(block=False) for part in instruments.parts)
            clock.advance(max(due, 1e-6))
            world.refresh()
        return heard.told, {name: state.last_error or "" for name, state in instruments.states()}


def storm(world: World, instruments: Instruments) -> None:
    """The world moves and the lines are bad."""
    for name in DEVICES:
        for channel, unit in instruments.handles[name].channels.items():
            if unit != "bool":
                low = {"V": 1.0, "A": 1.0, "ppm": 600.0}.get(unit, 20.0)
                world[f"{name}.{channel}"] = diurnal(low, low * 1.5, day=400)
        line: Any = instruments.wiring.line(instruments.handles[name])
        rates = {"silence": 12, "unplug": 6, "nack": 20, "flip": 20, "crc": 20, "reset": 10}
        line.faults.weather({kind: rate for kind, rate in rates.items() if kind in line.faults.kinds})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """Ten minutes of bad weather, and what the drivers made of it then."""
    folder = tmp_path_factory.mktemp("hut")
    with (folder / "bug.rec").open("wb") as file:
        made: list[Recorder] = []

        def recorder(now: Any) -> Recorder:
            made.append(Recorder(file.write, now=now))
            return made[0]

        told, errors = lived(configured(folder, "sim"), 600, recorder, storm)
        made[0].close()
    assert all(errors.values()), "the weather was bad for each of them"
    return folder / "bug.rec", told


def test_played_back_the_same_drivers_say_the_same(recorded: tuple[Path, Told]) -> None:
    path, told = recorded
    replayed, errors = lived(configured(path.parent, "replay", recording=path.name), 900)

    assert sum(len(values) for values in told.values()) > 300
    for name in DEVICES:
        assert replayed[name] == told[name], name
        assert "the recording has nothing more of this line" in errors[name]


def test_the_file_is_small(recorded: tuple[Path, Told]) -> None:
    path, _ = recorded
    lines = read_recording(path).lines

    one_each = {"w1 28-00000a1b2c3d", "iio bme280", "iio", "soc", "hwmon ina219", "/dev/ttyUSB0", "/dev/ttyAMA0"}
    assert set(lines) == one_each | {"spi-0.0", "spi-0.1"}
    exchanges = sum(map(len, lines.values()))
    assert exchanges > 1_500
    assert path.stat().st_size < 20 * exchanges


def test_a_recording_that_is_cut_off_plays_as_far_as_it_goes(recorded: tuple[Path, Told]) -> None:
    path, told = recorded
    torn = path.parent / "torn.rec"
    torn.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    replayed, errors = lived(configured(path.parent, "replay", recording=torn.name), 900)

    for name in DEVICES:
        there = len(replayed[name])
        assert 0 < there < len(told[name]), name
        assert replayed[name] == told[name][:there], name
        assert "torn.rec: " in errors[name]


def test_another_driver_option_is_off_the_script_and_told_so(recorded: tuple[Path, Told]) -> None:
    path, _ = recorded
    config = configured(path.parent, "replay", recording=path.name)
    text = (path.parent / "edge.yaml").read_text().replace("abc: false", "abc: true")
    (path.parent / "edge.yaml").write_text(text)
    _, errors = lived(load(path.parent / "edge.yaml"), 30)

    assert config.devices["air"].options == {"abc": False}
    assert errors["air"].startswith(
        "bug.rec: /dev/ttyAMA0: the driver asks `write ff0179a000000000e6`, where it asks `write ff01790000000000"
    )
    assert "(exchange 1, at 3.5 s): another driver, option or version made it" in errors["air"]


def test_a_line_that_was_not_recorded_is_told_with_those_that_were(recorded: tuple[Path, Told]) -> None:
    path, _ = recorded
    configured(path.parent, "replay", recording=path.name)
    text = (path.parent / "edge.yaml").read_text().replace("/dev/ttyAMA0", "/dev/ttyUSB7")
    (path.parent / "edge.yaml").write_text(text)
    _, errors = lived(load(path.parent / "edge.yaml"), 30)

    assert "bug.rec has nothing of /dev/ttyUSB7; the lines in it: " in errors["air"]
