"""The control socket: how a second `edge` command reaches the runtime that runs.

Invariants
- A client costs one of `CLIENTS` threads, a bounded time and a bounded number of bytes. Whatever it does, the data
  path does not notice.
- Only root, the runtime's own user and members of its group are answered: the socket's mode is 0660, and the kernel is
  asked who calls (unix(7), SO_PEERCRED and SO_PEERGROUPS).
- A socket file that nobody listens on is replaced; one that somebody listens on is left alone. `close` removes it.

Format: one request and one answer a connection, each one line of JSON.
    {"verb": "read", "args": {"device": "workshop"}, "journal": "/var/lib/edge/journal"}
    {"result": {...}}   or   {"error": "no device called 'shop'; did you mean 'workshop'?", "kind": "mistake"}
`journal` says which runtime is meant; another one answers with kind `other`. Kind `fault` is not the caller's doing.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from drivers import DriverError
from edge.clock import Clock
from edge.errors import EdgeError, RuntimeUnreachable

log = logging.getLogger(__name__)

CLIENTS = 4  # served at once; the kernel lets as many again wait, and refuses the rest
REQUEST = 1_048_576  # bytes: the source of an app, every character of it escaped
_BLOCK = 65_536
ANSWER = 16_777_216  # bytes
PATIENCE = 5.0  # seconds a client may take to say its request, and to take the answer

_LONGEST = 107  # sun_path of sockaddr_un has 108 bytes with its closing zero
_SO_PEERGROUPS = 59  # <asm-generic/socket.h>; the socket module does not name it

Verbs = Mapping[str, Callable[..., Any]]


class ControlError(EdgeError, OSError):
    """The control socket cannot be made or used; says where, why and what to do."""


class Refused(EdgeError):
    """The runtime answered, and the answer was no. `mistake`: the caller can mend it."""

    def __init__(self, message: str, *, mistake: bool) -> None:
        self.mistake = mistake
        super().__init__(message)


def socket_path(journal: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a runtime listens: in $RUNTIME_DIRECTORY, which systemd sets for a service, else beside its journal."""
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder, "control.sock") if folder else Path(journal + ".sock")


class ControlServer:
    """Answers `verbs`, each called with the request's `args` by keyword, in the thread that runs `serve`."""

    def __init__(self, path: Path, verbs: Verbs, *, journal: str, clock: Clock) -> None:
        self.path = path
        self._verbs = verbs
        self._journal = journal
        self._clock = clock
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._closed = threading.Event()
        self._bound = False

    def open(self) -> None:
        """Make the socket. Raises ControlError."""
        _check_length(self.path)
        try:
            _clear(self.path)
            self._listening.bind(str(self.path))
            self._bound = True
            self.path.chmod(0o660)  # before listen: nobody was let in with the mode that the umask gave
            self._listening.listen(CLIENTS)
        except OSError as error:
            raise ControlError(f"{self.path}: cannot listen here for control commands: {_why(error)}") from error

    def serve(self) -> None:
        """Answer clients one after the other until `close`. Run it in `CLIENTS` threads."""
        while not self._closed.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError as error:
                if not self._closed.is_set():
                    log.warning("control socket: %s", error)
                    self._closed.wait(1.0)  # out of file descriptors, most likely: do not spin
                continue
            with client:
                try:
                    self._answer(client)
                except OSError as error:
                    log.info("control socket: a client went away: %s", error)

    def close(self) -> None:
        """End every `serve` and remove the socket; idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._bound:
            with contextlib.suppress(OSError):  # not listening yet
                self._listening.shutdown(socket.SHUT_RDWR)  # wakes every accept
            self.path.unlink(missing_ok=True)
        self._listening.close()

    def _answer(self, client: socket.socket) -> None:
        line = _receive(client, self._clock)  # taken in any case: closing on unread bytes would reset the connection
        if _may_command(client):
            answer = self._reply(line)
        else:
            answer = _encoded(_no("only root, the runtime's user and its group may control it", "denied"))
        client.settimeout(PATIENCE)
        client.sendall(answer)

    def _reply(self, line: bytes) -> bytes:
        try:
            return _encoded(self._said(line))
        except Exception as error:  # what a verb gives may be no JSON: deeper than it goes, or half a character
            log.exception("control socket: the answer cannot be written down")
            return _encoded(_no(f"the answer cannot be written down: {type(error).__name__}", "fault"))

    def _said(self, line: bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
            name, args, journal = request["verb"], request["args"], request["journal"]
            verb = self._verbs[name]
            inspect.signature(verb).bind(**args)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _no(f"not a request this runtime knows ({error}); is it another version?", "mistake")
        if journal != self._journal:
            return _no(f"this runtime keeps its journal at {self._journal}", "other")
        try:
            return {"result": verb(**args)}
        except EdgeError as error:
            return _no(str(error), "mistake")
        except DriverError as error:
            return _no(f"{' '.join(map(str, args.values()))}: {error}", "fault")
        except Exception as error:  # one bad call must not end the thread that answers
            log.exception("control socket: %s failed", name)
            return _no(f"{name} failed: {type(error).__name__}: {error}", "fault")


def _encoded(answer: Mapping[str, Any]) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS) + b"\n"


def ask(path: Path, verb: str, args: Mapping[str, Any], *, journal: str, timeout: float) -> Any:
    """One call of a running runtime; blocks at most `timeout` seconds for each part of the answer.

    Raises RuntimeUnreachable where none (or another one) listens, ControlError where it may not be asked or does not
    answer, Refused with its reason.
    """
    _check_length(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as wire:
        wire.settimeout(timeout)
        try:
            wire.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise RuntimeUnreachable(f"no runtime listens on {path}") from error
        except OSError as error:
            raise ControlError(f"{path}: cannot reach the runtime: {_why(error)}") from error
        try:
            wire.sendall(orjson.dumps({"verb": verb, "args": args, "journal": journal}) + b"\n")
            answer = orjson.loads(_read_answer(wire))
        except TimeoutError as error:
            raise ControlError(f"{path}: the runtime did not answer {verb} within {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise ControlError(f"{path}: the runtime broke off ({error}); its log says why") from error
    if "result" in answer:
        return answer["result"]
    if answer["kind"] == "other":
        raise RuntimeUnreachable(answer["error"])
    raise Refused(answer["error"], mistake=answer["kind"] != "fault")


def _read_answer(wire: socket.socket) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n"):
        block = wire.recv(65_536)
        if not block or len(answer) > ANSWER:
            raise ValueError("an incomplete answer" if not block else "the answer does not end")
        answer += block
    return bytes(answer)


def _receive(client: socket.socket, clock: Clock) -> bytes:
    """The request's line; b"" when it is too long. A client that dribbles has `PATIENCE` in all, not for each byte."""
    end = clock.monotonic() + PATIENCE
    line = bytearray()
    while not line.endswith(b"\n"):
        client.settimeout(max(end - clock.monotonic(), 0.001))
        block = client.recv(_BLOCK)
        if not block:
            break
        line += block
        if len(line) > REQUEST:
            return b""
    return bytes(line)


def _may_command(client: socket.socket) -> bool:
    _, user, group = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user in (0, os.geteuid()) or group == os.getegid():
        return True
    try:
        packed = client.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 1024)
    except OSError:  # more groups than fit, or a kernel before 4.13: what is not known is not granted
        return False
    return os.getegid() in struct.unpack(f"{len(packed) // 4}I", packed)


def _clear(path: Path) -> None:
    """Remove what a killed runtime left behind, and nothing else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} exists and is no socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise FileExistsError("another runtime listens here already; stop it first")


def _check_length(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > _LONGEST:
        raise ControlError(
            f"{path}: {length} bytes are too long for a socket's path, {_LONGEST} are possible;"
            " set RUNTIME_DIRECTORY to a short folder, such as /run/edge, for the runtime and for the commands"
        )


def _no(message: str, kind: str) -> dict[str, Any]:
    return {"error": message, "kind": kind}


def _why(error: OSError) -> str:
    if isinstance(error, BlockingIOError):
        return "it is busy with other commands; try again"
    if isinstance(error, PermissionError):
        return "permission denied; use sudo, or join the group that owns it (ls -l shows it)"
    return error.strerror or str(error)
