"""The life of a worker's child: load one task's file, then one run after the other, until the host goes away.

Runs go through the `inline` engine itself, in this process, so a file does the same in both. A run that leaves threads,
processes or much memory behind was its process's last: nothing of a run goes on after it.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from edge.clock import SystemClock
from edge.config.tasks import TaskSettings
from edge.errors import TaskLoadError
from edge.model import Event, EventKind
from edge.runs.engine import Program
from edge.runs.inline import Inline
from edge.runs.load import Task, import_program
from edge.runs.run import Ending, Run
from edge.runs.worker.frames import Frames, Kind, frame
from edge.runs.worker.remote import Remote
from edge.runs.worker.wall import Wall

_CHUNK = 65536
_REASON = 4000  # characters of why a file cannot be loaded


class Channel:
    """The way to the host. It ends with EOFError when the host did."""

    def __init__(self, talk: socket.socket) -> None:
        self._talk = talk
        self._frames = Frames(self._more)

    def _more(self) -> bytes:
        try:
            chunk = self._talk.recv(_CHUNK)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise EOFError
        return chunk

    def send(self, kind: Kind, body: bytes = b"") -> None:
        try:
            self._talk.sendall(frame(kind, body))
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def next(self) -> tuple[Kind, bytes]:
        return self._frames.next(lambda kind: sys.maxsize)  # the host is trusted, not the other way round

    def ask(self, body: bytes) -> tuple[Kind, bytes]:
        self.send(Kind.CALL, body)
        return self.next()

    def silent(self, seconds: float) -> bool:
        """Whether the host says nothing for so long."""
        poll = select.poll()
        poll.register(self._talk, select.POLLIN)
        return not poll.poll(seconds * 1000)


def live(talk: socket.socket) -> None:
    """Does not return. What a task registered to happen at exit does not happen: most children are killed."""
    code = 0
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.register_at_fork(after_in_child=talk.close)  # a run that forks has one result: its own, not its child's
    try:
        _serve(Channel(talk))
    except EOFError:
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the host says that it ended, the log at debug why
        traceback.print_exc()
        code = 1
    finally:
        os._exit(code & 0xFF)


def _serve(channel: Channel) -> None:
    order = orjson.loads(channel.next()[1])
    settings, idle = TaskSettings.model_validate(order["settings"]), order["idle"]
    try:
        program = import_program(order["name"], settings, Path(order["folder"]))
    except TaskLoadError as error:
        channel.send(Kind.REFUSED, str(error)[:_REASON].encode(errors="replace"))
        return
    channel.send(Kind.READY, orjson.dumps({"file": program.file, "raw": program.raw}))
    wall = Wall(settings.heap)
    at_rest = _company()
    task = _inside(wall, order["name"], settings, program)
    while True:
        if idle is not None and channel.silent(idle):
            channel.send(Kind.LEFT)
            return
        ending = _run(task, orjson.loads(channel.next()[1]), channel, wall)
        last = wall.outgrown or any(now > before for now, before in zip(_company(), at_rest, strict=True))
        if last:
            channel.send(Kind.LAST)
        channel.send(*_said(ending))
        if last:
            return


def _company() -> tuple[int, bool]:
    """How many threads there are, and whether there are processes whose end nobody has waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return threading.active_count(), False
    return threading.active_count(), True


def _inside(wall: Wall, name: str, settings: TaskSettings, program: Program) -> Task:
    bounded = replace(program, entry=wall.inside(program.entry), check=wall.inside(program.check))
    return Task(name, settings, Inline(), bounded, orjson.Fragment(b"{}"))


def _run(task: Task, given: Mapping[str, Any], channel: Channel, wall: Wall) -> Ending:
    event = _event(given["event"])
    ctx = Remote(event, task.settings.config, given, channel.ask, SystemClock())
    wall.put()
    try:
        return task.engine.run(Run(given["id"], task, event, b""), ctx)
    finally:
        wall.lift()
        ctx.end()


def _event(data: dict[str, Any]) -> Event:
    payload = data["payload"]
    data["kind"] = EventKind(data["kind"])
    data["payload"] = None if payload is None else base64.b64decode(payload)
    return Event(**data)


def _said(ending: Ending) -> tuple[Kind, bytes]:
    if ending.result is not None:
        return Kind.RESULT, ending.result
    return Kind.FAILED, orjson.dumps({"status": ending.status, "error": ending.error, "cause": ending.cause})
