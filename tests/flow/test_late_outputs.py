"""An output that could not be used at the start: it is said, and made safe as soon as it is there."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drivers import SimBus, World
from drivers.gpio import pin_factory
from edge.config import load
from edge.devices import Wires
from edge.ids import Minter
from edge.instruments import Instruments
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock


class Ground:
    """One expander with a valve, and nobody who asks it anything."""

    def __init__(self, folder: Path) -> None:
        file = folder / "edge.yaml"
        file.write_text(
            "edge: {id: pi, backend: sim}\njournal: {path: ./journal}\n"
            'devices: {panel: {driver: mcp23017, bus: i2c-1, outputs: b0, safe: "on"}}'
        )
        self.clock = VirtualClock()
        self.world = World(self.clock.monotonic)
        nobody: Any = pytest.fail
        wires = Wires(
            open_bus=nobody,
            open_pins=nobody,
            open_sim_pins=lambda: pin_factory("sim", now=self.clock.monotonic),
            open_tree=nobody,
            open_serial=nobody,
            world=self.world,
            wait=self.clock.advance,
        )
        self.instruments = Instruments(
            load(file),
            wires,
            clock=self.clock,
            inbox=self,  # type: ignore[arg-type]
            minter=Minter("pi", self.clock, random.Random(1)),
            telemetry=Telemetry(),
            show=lambda device, values: None,
        )
        bus = self.instruments.wiring.bus("i2c-1", "sim")
        assert isinstance(bus, SimBus)
        self.bus = bus

    def push(self, item: object) -> None: ...

    def live(self, seconds: float) -> None:
        """Turn by turn, as the wire's thread does."""
        end = self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < end:
            due = min(part.turn(block=False) for part in self.instruments.parts)
            self.clock.advance(min(max(due, 1e-3), end - now))

    @property
    def state(self) -> str:
        return dict(self.instruments.states())["panel"].state


@pytest.fixture
def ground(tmp_path: Path) -> Any:
    made = Ground(tmp_path)
    with closing(made.instruments):
        yield made


def test_an_output_that_was_not_there_at_the_start_is_made_safe_when_it_comes(ground: Ground) -> None:
    ground.bus.stuck = True
    ground.instruments.start_outputs()
    ground.live(60)
    assert ground.state == "failed"

    ground.bus.stuck = False
    ground.live(31)

    assert ground.state == "ok"
    assert ground.world["panel.b0"] is True


def test_what_a_task_has_told_it_meanwhile_stands(ground: Ground) -> None:
    ground.bus.stuck = True
    ground.instruments.start_outputs()
    ground.bus.stuck = False
    ground.instruments.handles["panel"].set("b0=off")
    ground.live(61)

    assert ground.state == "ok"
    assert ground.world["panel.b0"] is False
