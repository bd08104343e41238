"""What a person, or a command for them, may ask of a running gateway. Any thread; plain data out.

A name that does not exist is an `EdgeError` with the nearest one; what a device refuses is its driver's error.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from drivers import SimBus
from drivers.wires.rescue import CLOCKS
from edge.clock import Clock, iso
from edge.config import Config
from edge.config.tasks import shown
from edge.errors import EdgeError
from edge.handles import Handle, find, urgent_first
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.ingest.tally import Tally
from edge.instruments import Instruments
from edge.journal import Journal
from edge.model import Event, EventKind, Fired, Start
from edge.pipeline import Pipeline
from edge.roster import Roster
from edge.scanning import Scanner, UnknownBus
from edge.telemetry import Telemetry
from edge.traffic import Traffic


class Gateway(Protocol):
    """What the desk needs of the runtime it stands in."""

    config: Config
    clock: Clock
    telemetry: Telemetry
    minter: Minter
    tally: Tally
    inbox: Inbox
    journal: Journal
    instruments: Instruments
    traffic: Traffic
    pipeline: Pipeline
    roster: Roster

    def status(self) -> list[dict[str, Any]]: ...

    def let_run(self, answered: threading.Event, timeout: float) -> None:
        """Wait until `answered`, or for `timeout` seconds."""
        ...


class UnknownTask(EdgeError, KeyError):
    """No task of that name is configured."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotFired(EdgeError, RuntimeError):
    """The task did not run, or did not end in the time that the caller would wait."""


class Desk:
    """The questions, and the few commands."""

    def __init__(self, runtime: Gateway) -> None:
        self._runtime = runtime
        self._handles = runtime.instruments.handles

    # -- devices ----------------------------------------------------------------------------------------------------

    def devices(self) -> list[dict[str, Any]]:
        """Every device with its last values and how it is doing."""
        states = dict(self._runtime.instruments.states())
        return [self._device(handle, states[handle.name].state) for handle in self._handles.values()]

    def _device(self, handle: Handle, state: str) -> dict[str, Any]:
        last = self._runtime.instruments.last.get(handle.name)
        settings = handle.settings
        return {
            "name": handle.name,
            "driver": settings.driver,
            "bus": settings.bus,
            "address": settings.address if settings.address is not None else getattr(handle.kind, "address", None),
            "pin": settings.pin,
            "pins": settings.pins,
            "place": handle.place,
            "backend": handle.backend,
            "channels": dict(handle.channels),
            "output": handle.output,
            "state": state,
            "time": None if last is None else iso(last.time),
            "values": {} if last is None else last.values,
            "told": handle.told,
            "doubt": (last.doubt if last is not None else "") or None,
        }

    def read(self, device: str) -> dict[str, Any]:
        """Sample it now. Raises DriverError when it does not answer."""
        return read_now(find(self._handles, device), self._runtime.clock.wall(), self._runtime.clock.quality())

    def set(self, device: str, value: Any) -> dict[str, Any]:
        """Set an output now."""
        find(self._handles, device).set(value)
        return {"device": device, "value": value}

    def scan(self, bus: str | None = None) -> Any:
        """Who is on a bus; without one, which buses can be scanned. Asks questions only."""
        scanner = Scanner(self._runtime.instruments.wiring, self._runtime.config)
        return scanner.buses() if bus is None else scanner.bus(bus)

    def recover(self, bus: str) -> dict[str, Any]:
        """Give a simulated bus the clocks that free it; a real one is for the command, which has root's pins."""
        scanner = Scanner(self._runtime.instruments.wiring, self._runtime.config)
        simulated = [one["bus"] for one in scanner.buses() if one["backend"] == "sim" and "/" not in one["bus"]]
        if bus not in simulated:
            raise UnknownBus(f"no simulated bus {bus!r} to free; there are {', '.join(simulated) or 'none'}")
        wire = self._runtime.instruments.wiring.bus(bus, "sim")
        assert isinstance(wire, SimBus)
        hung = wire.hung
        wire.clock_out()
        return {"bus": bus, "clocks": CLOCKS if hung else 0}

    def outputs_safe(self) -> list[dict[str, Any]]:
        """Every output into its safe state; one that fails does not stop the others."""
        return make_safe(self._handles)

    # -- tasks ------------------------------------------------------------------------------------------------------

    def tasks(self) -> list[dict[str, Any]]:
        """Every task: what starts it, what it may do, how its runs ended, `blocked`: why its breaker is not closed, and
        `app`: which version of an app it is."""
        counts: dict[str, dict[str, int]] = {}
        for labels, number in self._runtime.telemetry.counts("edge_runs_total").items():
            label = dict(labels)
            if number:
                counts.setdefault(label["task"], {})[label["status"]] = number
        blocked = {one.task: f"{one.state}: {one.reason}" for one in self._runtime.pipeline.broken()}
        return [
            {
                "name": name,
                "run": task.settings.run or name,
                "file": task.program.file,
                "counts": counts.get(name, {}),
                "blocked": blocked.get(name),
                "app": None if task.life is None else dict(task.life.mark),
                **shown(task.settings),
            }
            for name, task in self._runtime.roster.tasks.items()
        ]

    def reset(self, task: str) -> dict[str, Any]:
        """Close the task's breaker, if it is not closed, and let what waits for it run."""
        if self._runtime.roster.tasks[self._known(task)].settings.breaker is None:
            raise EdgeError(f"{task} is never left alone: it has no breaker")
        self._runtime.pipeline.reset(task)
        return {"task": task}

    def _known(self, task: str) -> str:
        known = self._runtime.roster.tasks
        if task not in known:
            near = difflib.get_close_matches(task, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"configured: {', '.join(known) or 'none'}"
            raise UnknownTask(f"no task called {task!r}; {hint}")
        return task

    def fire(self, task: str, values: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
        """Run one task now, past its trigger, for an event with these values; returns the outcome's envelope once it
        is durable. Raises `NotFired`."""
        self._known(task)
        answered = threading.Event()
        answers: list[tuple[bytes | None, str]] = []

        def answer(body: bytes | None, why: str) -> None:
            answers.append((body, why))
            answered.set()

        self._runtime.inbox.push(Fired(Start(task, self._event(values)), answer))
        self._runtime.let_run(answered, timeout)
        if not answers:
            raise NotFired(f"{task} did not end within {timeout:g} s; its outcome will be in the journal")
        body, why = answers[0]
        if body is None:
            raise NotFired(f"{task} did not run: {why}")
        self._runtime.journal.commit()
        envelope: dict[str, Any] = orjson.loads(body)
        return envelope

    def _event(self, values: dict[str, Any]) -> Event:
        clock = self._runtime.clock
        return Event(
            id=self._runtime.minter.mint(),
            source="manual",
            kind=EventKind.MANUAL,
            values=values,
            time=clock.wall(),
            monotonic=clock.monotonic(),
            quality=clock.quality(),
            topic=None,
        )

    # -- the rest ---------------------------------------------------------------------------------------------------

    def sync(self, action: str, upstream: str | None = None) -> list[dict[str, Any]]:
        """`status`, `now`, `pause`, `resume`, of one upstream or of all."""
        return self._runtime.traffic.sync(action, upstream)

    def journal_stats(self) -> dict[str, Any]:
        """The counts that must add up, events included."""
        return {**self._runtime.journal.stats(), "events": self._runtime.tally.data()}

    def status(self) -> list[dict[str, Any]]:
        """Every part: name, kind, state, since, last_error."""
        return self._runtime.status()


def read_now(handle: Handle, wall: float, quality: str) -> dict[str, Any]:
    """A device's sample in the shape of `edge read --json`. Raises DriverError."""
    values = handle.read()
    return {
        "device": handle.name,
        "time": iso(wall),
        "values": values,
        "units": dict(handle.channels),
        "quality": quality,
    }


def make_safe(handles: Mapping[str, Handle]) -> list[dict[str, Any]]:
    """Every output that has a safe state into it: name, whether it worked, and why not."""
    acting = {name: handle for name, handle in handles.items() if handle.output and not handle.keeps}
    for handle in acting.values():
        handle.halt()
    errors = {handle.name: _attempt(handle.make_safe) for handle in urgent_first(acting.values())}
    return [{"device": name, "safe": errors[name] is None, "error": errors[name]} for name in acting]


def _attempt(act: Callable[[], None]) -> str | None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - reported: the next output must still be made safe
        return str(error)
    return None
