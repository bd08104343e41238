"""All that runs leave behind in the journal's tables: memories, checkpoints, snapshots; and the upkeep of the three."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from edge.clock import Clock
from edge.config.models import JournalSection
from edge.config.tasks import TaskSettings
from edge.runs.checkpoints import Checkpoints
from edge.runs.keyfile import Files, KeyFile
from edge.runs.memory import Memories
from edge.runs.snapshots import Snapshots
from edge.runs.tables import Tables

log = logging.getLogger(__name__)

_SANDBOX = "pydantic-monty"


class Stores:
    """Made once, over an open journal with these `settings`. What the disk refuses is done later."""

    def __init__(self, journal: Tables, clock: Clock, files: Files, settings: JournalSection) -> None:
        self.memories = Memories(journal, clock, settings.tables)
        self.checkpoints = Checkpoints(journal)
        self.snapshots = Snapshots(journal, _version(), KeyFile(files, settings.path, "snapshot-key"))

    def start(self, tasks: Mapping[str, TaskSettings]) -> None:
        """Before the first run, with all tasks there are: give up what nobody will ask for."""
        for chore in (lambda: self.memories.tidy(tasks), self.checkpoints.sweep, self.snapshots.sweep):
            _do(chore)

    def tick(self) -> None:
        """Often, by one thread; costs nothing where nothing is due."""
        _do(self.memories.tick)

    def stop(self) -> None:
        """Before the journal is closed."""
        _do(lambda: self.memories.tick(last=True))


def _do(chore: Callable[[], None]) -> None:
    try:
        chore()
    except OSError as error:  # of the journal, which says in its own state what is wrong with it
        log.warning("the upkeep of what runs keep waits: %s", error, extra={"action": "upkeep_waits"})


def _version() -> str:
    try:
        return version(_SANDBOX)
    except PackageNotFoundError:
        return "none"
