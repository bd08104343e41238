"""What tasks remember across runs: a table `memory.TASK` each, the newest entries within `memory:` of edge.yaml.

Invariants
- An append is one frame: what it adds and what goes for it. It is durable on return, or it raises.
- Age is seconds that the runtime ran, so neither a wall clock that steps nor a time without power makes an entry old.
  How long it ran is written down now and then: a crash forgets at most a sixteenth of the shortest time to live, or a
  minute where that is more, and so keeps an entry longer by as much.
- What a removed task remembered is there when the task comes back, as long as few others were removed since.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from edge.clock import Clock
from edge.config.tasks import MemorySection, TaskSettings
from edge.context import Memory
from edge.errors import LimitExceeded
from edge.runs.entries import Entries
from edge.runs.run import Run
from edge.runs.tables import Tables, plain

log = logging.getLogger(__name__)

AGE = "memory"  # the table that says how long the runtime ran; those of tasks have a dot
_PREFIX = "memory."
_REMOVED = 8  # memories of removed tasks that stay
_PART = 16
_SHORTEST, _LONGEST = 60.0, 3600.0  # seconds between two words on how long the runtime ran


class Memories:
    """Those of all tasks. `most`: how many state tables the journal keeps. Any thread; `tidy` and `tick` one."""

    def __init__(self, journal: Tables, clock: Clock, most: int) -> None:
        self._journal = journal
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._entries: dict[str, Entries] = {}
        told = journal.table(AGE) if AGE in journal.tables() else ()
        self._before = self._said = max((float(document["age"]) for document in told), default=0.0)
        self._opened = clock.monotonic()
        self._pace = _LONGEST

    def age(self) -> float:
        """Seconds that the runtime ran, over all boots."""
        return self._before + self._clock.monotonic() - self._opened

    def of(self, run: Run) -> TaskMemory:
        """That of the run's task, within its `memory:`. Raises ValueError where it has none."""
        settings = run.task.settings.memory
        if settings is None:
            raise ValueError(f"tasks.{run.task.name} has no memory:")
        return TaskMemory(run.task.name, settings, self._entries_of(run.task.name), self.age, self._expect)

    def recall(self, run: Run) -> Sequence[Any]:
        """The newest values, as many as `memory.recall`, newest first."""
        settings = run.task.settings.memory
        return self.of(run).read(settings.recall) if settings is not None and settings.recall else ()

    def forget(self, task: str) -> None:
        """Everything that this task remembers. Raises JournalError."""
        with self._lock:
            self._entries.pop(task, None)
        if _PREFIX + task in self._journal.tables():
            self._journal.drop_table(_PREFIX + task)

    def tidy(self, tasks: Mapping[str, TaskSettings]) -> None:
        """At the start, with all tasks there are: of what removed ones remembered, that which was used last stays, and
        less where the tables are needed. Raises JournalError."""
        tables = self._journal.tables()
        remembering = {name: settings.memory for name, settings in tasks.items() if settings.memory is not None}
        for settings in remembering.values():
            self._expect(settings.ttl)
        used = {name: self._survey(name) for name in tables if name.startswith(_PREFIX)}
        removed = [name for name in used if name.removeprefix(_PREFIX) not in tasks]
        wanted = {_PREFIX + name for name in remembering} | ({AGE} if remembering else set())
        free = self._most - len({*tables, *wanted})
        stay = max(0, min(_REMOVED, len(removed) + min(free, 0)))
        for name in sorted(removed, key=used.__getitem__, reverse=True)[stay:]:
            task = name.removeprefix(_PREFIX)
            self.forget(task)
            log.info("what the removed task %s remembered is gone", task, extra={"action": "memory_gone"})

    def _survey(self, table: str) -> float:
        """The age at which it was used last; and expect the times to live of what is in it."""
        used = 0.0
        for document in self._journal.table(table):
            used = max(used, document["at"])
            self._expect(document.get("ttl"))
        return used

    def tick(self, *, last: bool = False) -> None:
        """Write down how long the runtime ran where that is due, or for the `last` time; costs nothing where it is
        not. Raises JournalError."""
        age = self.age()
        if age - self._said < (1e-3 if last else self._pace):
            return
        if any(name.startswith(_PREFIX) for name in self._journal.tables()):
            table = self._journal.table(AGE)
            table.exchange([document.doc_id for document in table], [{"age": round(age, 3)}])
        self._said = age

    def _expect(self, ttl: float | None) -> None:
        if ttl is not None:
            self._pace = min(self._pace, max(ttl / _PART, _SHORTEST))

    def _entries_of(self, task: str) -> Entries:
        with self._lock:
            if task not in self._entries:
                self._entries[task] = Entries(self._journal.table(_PREFIX + task))
            return self._entries[task]


class TaskMemory(Memory):
    """One task's. `age`: seconds that the runtime ran; `expect` is told of every time to live. Any thread."""

    def __init__(
        self,
        task: str,
        settings: MemorySection,
        entries: Entries,
        age: Callable[[], float],
        expect: Callable[[float], None],
    ) -> None:
        self._task = task
        self._settings = settings
        self._entries = entries
        self._age = age
        self._expect = expect

    def append(self, value: Any, ttl: float | None = None) -> None:
        """Raises LimitExceeded, TypeError, ValueError, JournalError."""
        if ttl is not None:
            ttl = _seconds(ttl)
            self._expect(ttl)
        made, size = plain(value)
        if size > self._settings.size:
            where = f"tasks.{self._task}.memory.size"
            raise LimitExceeded(f"memory: an entry of {size} bytes, {where} is {self._settings.size}")
        with self._entries.lock:
            age = self._age()
            self._entries.mind(self._settings, age)
            self._entries.append(self._settings, made, size, age, ttl)

    def read(self, limit: int = 100) -> list[Any]:
        """Raises ValueError."""
        return self._newest("", limit)

    def search(self, text: str, limit: int = 100) -> list[Any]:
        """Raises ValueError. Looks at one entry after the other until it has as many."""
        return self._newest(text.casefold(), limit)

    def _newest(self, text: str, limit: int) -> list[Any]:
        if limit < 0:
            raise ValueError(f"limit is how many values you want at most, not {limit}")
        with self._entries.lock:
            self._entries.mind(self._settings, self._age())
            values = self._entries.newest()
            return list(islice((value for value in values if _contains(value, text)), limit))


def _contains(value: Any, text: str) -> bool:
    return not text or text in orjson.dumps(value).decode().casefold()


def _seconds(ttl: float) -> float:
    if not isinstance(ttl, int | float) or isinstance(ttl, bool) or not 0 < ttl < math.inf:
        raise ValueError(f"ttl is a number of seconds, more than 0, not {ttl!r}")
    return max(round(float(ttl), 3), 1e-3)
