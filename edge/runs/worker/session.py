"""One run in one process: what it is given, its calls, and how it ended."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from edge.context import Context
from edge.model import Status
from edge.runs.bridge import Bridge
from edge.runs.run import Cause, Ending, Run, returned
from edge.runs.text import MESSAGE
from edge.runs.worker.frames import CALL_ROOM, SHORT_ROOM, Garbled, Kind
from edge.runs.worker.process import Process
from edge.runs.worker.remote import dump_error

_ENDED = (Status.FAILURE, Status.TIMEOUT, Status.CANCELLED)


class Session:
    """Belongs to the thread that runs it."""

    def __init__(self, process: Process, run: Run, bridge: Bridge, until: float) -> None:
        self._process = process
        self._run = run
        self._bridge = bridge
        self._until = until

    def run(self, start: bytes) -> Ending | None:
        """Until its end; None where the process had left before it began. Raises `Late`, `Died`, `Garbled`."""
        process, until = self._process, self._until
        process.send(Kind.RUN, start, until)
        while True:
            kind, body = process.next(self._room, until)
            match kind:
                case Kind.CALL:
                    process.send(*self._answer(body), until)
                case Kind.LAST:
                    process.last = True
                case Kind.RESULT:
                    return self._success(body)
                case Kind.FAILED:
                    return _failure(body)
                case Kind.LEFT:
                    return None

    def _room(self, kind: Kind) -> int:
        rooms = {Kind.CALL: CALL_ROOM, Kind.RESULT: self._run.task.settings.limits.output, Kind.FAILED: SHORT_ROOM}
        if kind in (Kind.LAST, Kind.LEFT):
            return 0
        if kind not in rooms:
            raise Garbled(f"{kind.name} in the middle of a run")
        return rooms[kind]

    def _success(self, body: bytes) -> Ending:
        try:
            return returned(self._run, self._run.task.program.check(body))
        except ValueError as error:
            raise Garbled(f"a result that is no JSON: {error}") from None

    def _answer(self, body: bytes) -> tuple[Kind, bytes]:
        method, _, text = body.decode(errors="replace").partition("\n")
        try:
            return Kind.REPLY, self._bridge.call(method, text).encode()
        except Exception as error:  # noqa: BLE001 - it is the task's to catch
            return Kind.ERROR, dump_error(error)


def given(run: Run, ctx: Context) -> bytes:
    """What a run is given at its start. Raises what `ctx` raises, and TypeError for what is not JSON."""
    event = run.event._asdict()
    event["values"] = dict(run.event.values)
    if run.event.payload is not None:
        event["payload"] = base64.b64encode(run.event.payload).decode()
    return orjson.dumps(
        {
            "id": run.id,
            "event": event,
            "remaining": ctx.remaining(),
            "readings": ctx.readings,
            "recalled": ctx.recalled,
            "resumed": ctx.resumed,
        }
    )


def _failure(body: bytes) -> Ending:
    try:
        data: dict[str, Any] = orjson.loads(body)
        error = {key: str(data["error"][key])[:MESSAGE] for key in ("type", "message", "where")}
        status, cause = Status(data["status"]), Cause(data["cause"])
    except (ValueError, KeyError, TypeError) as wrong:
        raise Garbled(f"a failure that says nothing: {wrong}") from None
    if status not in _ENDED:
        raise Garbled(f"a failure that is a {status}")
    return Ending(status, error=error, cause=cause)
