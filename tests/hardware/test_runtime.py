"""`edge run` on buses, pins and files of a real kernel, with faults while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from drivers import SimBus, World
from drivers.bme280 import SimBME280
from drivers.lm75 import SimLM75
from edge.control import ControlError, ask
from edge.errors import RuntimeUnreachable
from edge.journal import read_journal
from edge.model import Outcome
from tests.hardware.gpio_sim import TICK, GpioSim
from tests.hardware.interfaces import Adapter
from tests.hardware.waiting import until

pytestmark = pytest.mark.hardware

EDGE = shutil.which("edge", path=str(Path(sys.executable).parent)) or "edge is not installed beside this Python"
ROUNDS = int(os.environ.get("EDGE_HARDWARE_ROUNDS", "3"))

CONFIG = """
edge: {{id: bench, backend: real}}
devices:
  air:   {{driver: bme280, bus: {bus}, address: 0x76, every: 200ms}}
  board: {{driver: hwmon, id: lm75, every: 200ms}}
  door:  {{driver: contact, pin: 17, debounce: 100ms}}
  fan:   {{driver: relay, pin: 27}}
tasks:
  hot:
    run: "./tasks.py:hot"
    when: {{source: air, channel: temperature, above: 30}}
    grant: {{devices: [fan]}}
  cool:
    run: "./tasks.py:cool"
    when: {{source: board, channel: temp1, below: 10}}
    grant: {{devices: [fan]}}
  opened:
    run: "./tasks.py:opened"
    when: {{source: door, channel: open, equals: true}}
journal: {{path: ./journal}}
"""

TASKS = """
from edge import Context, Event, task

@task
def hot(event: Event, ctx: Context) -> float:
    ctx.device("fan").on()
    return event.values["temperature"]

@task
def cool(event: Event, ctx: Context) -> float:
    ctx.device("fan").off()
    return event.values["temp1"]

@task
def opened(event: Event, ctx: Context) -> bool:
    return event.values["open"]
"""


class Running:
    """The process, asked over its socket."""

    def __init__(self, folder: Path, bus: str) -> None:
        (folder / "edge.yaml").write_text(CONFIG.format(bus=bus))
        (folder / "tasks.py").write_text(TASKS)
        self.folder = folder
        self.journal = str(folder / "journal")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([EDGE, "run", "-c", "edge.yaml"], cwd=folder, stdout=log, stderr=log)

    def state(self, part: str) -> str:
        try:
            parts: list[dict[str, Any]] = ask(
                Path(self.journal + ".sock"), "status", {}, journal=self.journal, timeout=20
            )["parts"]
        except (RuntimeUnreachable, ControlError):
            assert self.process.poll() is None, self.log
            return "not running"
        return next(str(one["state"]) for one in parts if one["name"] == part)

    @property
    def accepted(self) -> int:
        """Outcomes that the journal has taken."""
        stats = ask(Path(self.journal + ".sock"), "journal_stats", {}, journal=self.journal, timeout=20)
        return int(stats["accepted"])

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def results(self, task: str) -> list[Any]:
        records = read_journal(self.journal).records()
        outcomes = [Outcome.from_envelope(orjson.loads(stored.record.body)) for stored in records]
        return [outcome.result for outcome in outcomes if outcome.task == task]


@pytest.fixture
def header() -> Iterator[GpioSim]:
    chip = GpioSim.make(label="pinctrl-bcm2711", lines=54)
    yield chip
    chip.remove()


@pytest.fixture
def edge(tmp_path: Path, header: GpioSim, user: Adapter, sim: SimBus, world: World) -> Iterator[Running]:
    world["air.temperature"], world["board.temperature"] = 21.0, 40.0
    sim.attach(0x76, SimBME280(world, "air"))
    sim.attach(0x4F, SimLM75(world, "board"))
    user.bind("lm75", 0x4F)
    header.drive(17, False)
    running = Running(tmp_path, user.name)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    user.release(0x4F)


@pytest.mark.timeout(600)
def test_the_runtime_measures_switches_counts_and_recovers_on_a_real_kernel(
    edge: Running, header: GpioSim, sim: SimBus, world: World
) -> None:
    for part in ("air", "board", "door", "fan"):
        until(lambda part=part: edge.state(part) == "ok", 60)  # type: ignore[misc]
    assert header.level(27) is False
    header.drive(17, False)
    for number in range(ROUNDS):
        world["air.temperature"] = 35.0
        until(lambda: header.level(27))
        world["air.temperature"], world["board.temperature"] = 21.0, 5.0
        until(lambda: not header.level(27))
        world["board.temperature"] = 40.0

        chip = sim.detach(0x76)
        assert chip is not None
        until(lambda: edge.state("air") != "ok", 60)
        sim.attach(0x76, chip)
        until(lambda: edge.state("air") == "ok", 60)

        for level in (True, False, True, False, True):  # a door that chatters when it opens
            header.drive(17, level, hold=TICK)
        until(lambda number=number: edge.accepted == 3 * (number + 1))  # type: ignore[misc]
        header.drive(17, False)
    world["air.temperature"] = 35.0
    until(lambda: header.level(27))
    assert edge.stop() == 0, edge.log

    assert header.level(27) is False, "the relay went to its safe state"
    assert edge.results("hot") == [pytest.approx(35.0, abs=0.02)] * (ROUNDS + 1)
    assert edge.results("cool") == [5.0] * ROUNDS
    assert edge.results("opened") == [True] * ROUNDS
    assert "Traceback" not in edge.log, edge.log
