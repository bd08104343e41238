"""A pipeline on a workbench: a journal that is a list, a clock that stands still, tasks from source text."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from edge.config.tasks import RunsSection, TaskSettings
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.ingest.tally import Tally
from edge.model import Delivery, Event, EventKind, Outcome, Record, RecordClass, RecordKind, Start, Stored
from edge.pipeline import Pipeline
from edge.runs.inline import Inline
from edge.runs.load import Task, load_task
from edge.runs.observers import Observers
from edge.runs.surroundings import Surroundings
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock


class Receipt(NamedTuple):
    """Good when the journal's `durable` reaches `due`."""

    due: int


class ListJournal:
    """Keeps frames in a list; `sync` makes them durable."""

    def __init__(self) -> None:
        self.frames: list[tuple[list[Record], Delivery | None]] = []
        self.durable = 0
        self.stalled = False
        self.full: set[RecordClass] = set()
        self.left: list[Stored] = []
        self.on_durable: Callable[[int], None] = lambda sequence: None

    def append(self, records: Sequence[Record], delivery: Delivery | None = None) -> Receipt:
        self.frames.append((list(records), delivery))
        return Receipt(len(self.frames))

    def takes(self, klass: RecordClass) -> bool:
        return klass not in self.full and not self.stalled

    def unfinished(self) -> Iterable[Stored]:
        return self.left

    def sync(self) -> None:
        self.durable = len(self.frames)
        self.on_durable(self.durable)

    @property
    def records(self) -> list[Record]:
        return [record for records, _ in self.frames for record in records]

    @property
    def outcomes(self) -> list[Outcome]:
        return [
            Outcome.from_envelope(orjson.loads(record.body))
            for record in self.records
            if record.kind is RecordKind.OUTCOME
        ]


class EveryEvent:
    """Triggers that start the tasks they were given for every event."""

    deadline = None

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def match(self, event: Event) -> tuple[Sequence[Start], str | None]:
        return [Start(name, event) for name in self.names], None

    def due(self) -> Sequence[Start]:
        return []


class Letter:
    """An incoming message that remembers whether it was settled."""

    def __init__(self, *events: Event) -> None:
        self._events = events
        self.settled = 0
        self.delivery = Delivery("edge-bench", 1, 42)

    def events(self) -> Sequence[Event]:
        return self._events

    def settle(self) -> None:
        self.settled += 1


class Switch:
    """A device that remembers what it was set to."""

    def __init__(self) -> None:
        self.history: list[Any] = []

    def set(self, value: Any) -> None:
        self.history.append(value)

    def read(self) -> dict[str, float | bool]:
        return {"state": self.history[-1]}


class Workbench:
    def __init__(self, folder: Path, tasks: Mapping[str, dict[str, Any]], source: str) -> None:
        self.clock = VirtualClock()
        self.telemetry = Telemetry()
        self.journal = ListJournal()
        self.fan = Switch()
        self.observers = Observers()
        self.minter = Minter("bench", self.clock, random.Random(7))
        self.inbox = Inbox(dropped=self.telemetry.counter("dropped"))
        (folder / "app.py").write_text(
            "from dataclasses import dataclass\nfrom edge import Context, Event, task\n" + textwrap.dedent(source)
        )
        self.tasks: dict[str, Task] = {
            name: load_task(
                name,
                TaskSettings.model_validate({"when": {"source": "s"}, "run": f"./app.py:{name}", **settings}),
                folder,
                Inline(),
            )
            for name, settings in tasks.items()
        }
        self.chance = random.Random(7)
        self.runs = RunsSection()
        self.pipeline = self.build()
        self.count = 0

    def build(self) -> Pipeline:
        pipeline = Pipeline(
            edge_id="bench",
            inbox=self.inbox,
            triggers=EveryEvent(list(self.tasks)),
            tasks=self.tasks,
            journal=self.journal,
            around=Surroundings(
                clock=self.clock,
                mint=self.minter.mint,
                matches=lambda granted, topic: granted == topic,
                devices={"fan": self.fan},
                random=self.chance.random,
                observers=self.observers,
            ),
            tally=Tally(self.telemetry),
            telemetry=self.telemetry,
            runs=self.runs,
        )
        self.journal.on_durable = pipeline.on_durable
        return pipeline

    def event(self, values: Mapping[str, Any] | None = None, **fields: Any) -> Event:
        self.count += 1
        return Event(
            id=f"e{self.count}",
            source="s",
            kind=EventKind.MESSAGE,
            values=values or {},
            time=self.clock.wall(),
            monotonic=self.clock.monotonic(),
            **fields,
        )

    def send(self, values: Mapping[str, Any] | None = None, **fields: Any) -> Letter:
        letter = Letter(self.event(values, **fields))
        assert self.inbox.offer(letter)
        return letter

    def pump(self) -> None:
        while self.pipeline.step():
            pass

    def settle(self) -> None:
        """Work and sync until nothing moves."""
        self.pump()
        while self.journal.durable < len(self.journal.frames):
            self.journal.sync()
            self.pump()


Make = Callable[..., Workbench]


@pytest.fixture
def workbench(tmp_path: Path) -> Make:
    def make(source: str, **tasks: dict[str, Any]) -> Workbench:
        return Workbench(tmp_path, tasks, source)

    return make
