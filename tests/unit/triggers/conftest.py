"""Triggers on a clock that only the test moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from edge.config.tasks import TaskSettings
from edge.ids import Minter
from edge.model import Event, EventKind, Start
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock
from edge.triggers import Triggers


class Bench:
    """Tasks as they stand in edge.yaml, and events that happen at a time."""

    def __init__(self, **tasks: dict[str, Any]) -> None:
        self.clock = VirtualClock()
        self.telemetry = Telemetry()
        settings = {name: TaskSettings.model_validate(task) for name, task in tasks.items()}
        minter = Minter("test", self.clock, random.Random(1))
        self.triggers = Triggers(settings, clock=self.clock, minter=minter, telemetry=self.telemetry)
        self.reason: str | None = None
        self._count = 0

    def event(self, values: Any, *, source: str = "s", kind: EventKind = EventKind.READING) -> Event:
        self._count += 1
        if not isinstance(values, dict):
            values = {"value": values}
        now = self.clock.monotonic()
        return Event(id=str(self._count), source=source, kind=kind, values=values, time=0.0, monotonic=now)

    def see(self, values: Any, **options: Any) -> list[str]:
        """The tasks that an event with these values starts at once."""
        starts, self.reason = self.triggers.match(self.event(values, **options))
        return [start.task for start in starts]

    def wait(self, seconds: float) -> list[Start]:
        """Let time pass, asking at every deadline, as the runtime does."""
        end = self.clock.monotonic() + seconds
        starts: list[Start] = []
        while (deadline := self.triggers.deadline) is not None and deadline <= end:
            self.clock.advance(max(0.0, deadline - self.clock.monotonic()))
            starts += self.triggers.due()
        self.clock.advance(end - self.clock.monotonic())
        return starts

    def suppressed(self, task: str, reason: str) -> int:
        return self.telemetry.counter("edge_starts_suppressed_total", task=task, reason=reason).value


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench
