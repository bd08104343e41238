"""A journal on files in memory, and records to put into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge.journal import Journal, Limits, open_journal
from edge.model import Record, RecordClass, RecordKind
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

FOLDER = "/journal"
Opener = Callable[..., Journal]


def record(
    number: int,
    kind: RecordKind = RecordKind.OUTCOME,
    klass: RecordClass = RecordClass.TELEMETRY,
    size: int = 100,
) -> Record:
    """A record whose id and body follow from its number."""
    if kind is RecordKind.PUBLISH:
        return Record(kind, RecordClass.PUBLISH, f"box:{number:026d}", b"%0*d" % (size, number), "plant/fan")
    name = f"box:{number:026d}"
    return Record(kind, klass, name, b'{"id":"' + name.encode() + b'"}' + b"%0*d" % (size, number))


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def opened(files: MemoryFiles, clock: VirtualClock) -> Opener:
    """Open the journal in `files`, with one upstream called `cloud` unless told otherwise."""

    def open_it(**settings: Any) -> Journal:
        upstreams = settings.pop("upstreams", ("cloud",))
        on_durable = settings.pop("on_durable", lambda sequence: None)
        formerly = settings.pop("formerly", {})
        keys = settings.pop("keys", None)
        return open_journal(
            FOLDER,
            clock=clock,
            files=files,
            upstreams=upstreams,
            limits=Limits(**settings),
            formerly=formerly,
            keys=keys,
            on_durable=on_durable,
        )

    return open_it
