"""Runs that a crash does not begin anew: after each call that acts, the whole session is kept, and the run's own side.

    b'{"run": ..., "program": ..., "version": ..., "answer": ..., "side": ...}\\n' + the session as the library dumps it

Only what this gateway wrote itself may be taken up: the library does not judge what it loads. Whoever keeps the bytes
signs them; this looks that they belong to this run, this source and this version of the library.
"""

from __future__ import annotations

import base64
import builtins
import hashlib
import logging
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import orjson

from edge import errors
from edge.errors import LimitExceeded, SnapshotRefused
from edge.model import Record, RecordClass, RecordKind
from edge.runs.bridge import METHODS, Bridge
from edge.runs.limits import Usage
from edge.runs.run import Run

log = logging.getLogger(__name__)

LARGEST = 256_000  # bytes of one snapshot

_TOLD: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (errors.NotGranted, errors.LimitExceeded, errors.ToolError, errors.RunTimeout, errors.RunCancelled)
}


class Snapshots(Protocol):
    """Where they are kept, signed, one a run; it goes with the run's outcome. Any thread."""

    def save_snapshot(self, run_id: str, data: bytes) -> None:
        """Keep it in place of the one before; durable on return."""
        ...

    def load_snapshot(self, run_id: str) -> bytes | None:
        """The one kept last, None where there is none. Raises ValueError for one that is not as it was written."""
        ...


class Answer(NamedTuple):
    """What a call gave: JSON text, or the builtin error that the task sees and the kind that the runtime knows."""

    text: str = ""
    error: str = ""
    message: str = ""
    told: str = ""

    def result(self) -> dict[str, Any]:
        """As the library takes it."""
        if not self.error:
            return {"return_value": self.text}
        kind = getattr(builtins, self.error, RuntimeError)
        known = isinstance(kind, type) and issubclass(kind, Exception)
        return {"exception": kind(self.message) if known else RuntimeError(self.message)}


class Keeper:
    """Belongs to one run: answers the calls of its session, and keeps the session before an acting call is answered."""

    def __init__(self, run: Run, bridge: Bridge, snapshots: Snapshots, program: str, version: str) -> None:
        self._run = run
        self._bridge = bridge
        self._snapshots = snapshots
        self._ours = {"run": run.id, "program": program, "version": version}

    def __call__(self, arguments: tuple[Any, ...], named: dict[str, Any], dump: Callable[[], bytes]) -> Any:
        answer = self._ask(arguments, named)
        method = METHODS.get(arguments[0]) if arguments and type(arguments[0]) is str else None
        if method is None or not method.acts:
            return answer.result()
        try:
            self._snapshots.save_snapshot(self._run.id, self._sealed(answer, dump()))
        except LimitExceeded as error:
            self._bridge.told[str(error)] = LimitExceeded
            return {"exception": Exception(str(error))}
        except Exception as error:  # noqa: BLE001 - what the disk says may name files
            log.error("a run's state could not be kept: %s", error, extra={"action": "snapshot_failed"})
            return {"exception": RuntimeError(f"the run's state could not be kept: {type(error).__name__}")}
        return answer.result()

    def resumed(self) -> tuple[bytes, dict[str, Any]] | None:
        """What the session was, and the answer that it waited for; the run has its own side back. None where nothing
        was kept. Raises `SnapshotRefused`."""
        try:
            data = self._snapshots.load_snapshot(self._run.id)
        except ValueError as error:
            raise SnapshotRefused(f"what was kept of this run cannot be trusted: {error}") from None
        if data is None:
            return None
        head, _, dump = data.partition(b"\n")
        try:
            kept = orjson.loads(head)
            for what, ours in self._ours.items():
                if kept[what] != ours:
                    raise SnapshotRefused(f"what was kept is of another {what}: the run cannot go on from it")
            answer = Answer(*map(str, kept["answer"]))
            _give_back(self._run, kept["side"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, SnapshotRefused):
                raise
            raise SnapshotRefused(f"what was kept of this run is damaged: {type(error).__name__}") from None
        if answer.told in _TOLD:
            self._bridge.told[answer.message] = _TOLD[answer.told]
        return dump, answer.result()

    def _ask(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Answer:
        try:
            return Answer(self._bridge(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - the bridge raises what the task may see
            told = self._bridge.told.get(str(error))
            return Answer("", type(error).__name__, str(error), told.__name__ if told is not None else "")

    def _sealed(self, answer: Answer, dump: bytes) -> bytes:
        head = orjson.dumps({**self._ours, "answer": list(answer), "side": _side(self._run)})
        size = len(head) + 1 + len(dump)
        if size > LARGEST:
            raise LimitExceeded(f"the run's state has {size} bytes; at most {LARGEST} are kept for on_crash: resume")
        return head + b"\n" + dump


def fingerprint(text: str, memory: int) -> str:
    """What a snapshot's program is known by: the text that runs, and the heap that its session was given."""
    return hashlib.sha256(f"{memory}\n{text}".encode()).hexdigest()


def _side(run: Run) -> dict[str, Any]:
    """What of a run is not in its session."""
    published = [(it.id, it.topic, base64.b64encode(it.body).decode()) for it in run.publishes]
    usage = {**run.usage._asdict(), "tools": dict(run.usage.tools)}
    return {"usage": usage, "notes": run.notes, "partial": run.partial, "published": published,
            "scratch": run.scratch.all()}  # fmt: skip


def _give_back(run: Run, side: dict[str, Any]) -> None:
    usage = side["usage"]
    run.usage = Usage(**{**usage, "tools": MappingProxyType(usage["tools"])})
    run.notes[:] = side["notes"]
    run.partial = side["partial"]
    run.publishes[:] = [
        Record(RecordKind.PUBLISH, RecordClass.PUBLISH, id, base64.b64decode(body), topic)
        for id, topic, body in side["published"]
    ]
    for key, value in side["scratch"].items():
        run.scratch.put(key, value)
