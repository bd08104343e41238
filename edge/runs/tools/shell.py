"""`kind: shell`: commands on a list, started without a shell and ended with all that they started.

A command is a list of words, so nothing that a task gives is ever taken apart again. What a task gives stands for a
whole word (`{}`), and a word that begins with `-` is refused unless `--` stands before its place: programs would take
it for an option.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from edge.config.tools import ShellTool
from edge.errors import NotGranted, ToolError
from edge.runs.tools.tool import Operation

_ARGUMENT = 1000  # characters
_CHUNK = 65_536
_DYING = 1.0  # seconds that a killed command may take to be gone
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Shell:
    """`now` is monotonic seconds. Any thread."""

    def __init__(self, name: str, settings: ShellTool, now: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._closed = False

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {"run": self.run}

    def run(self, command: str, *arguments: str, seconds: float) -> dict[str, Any]:
        """Its exit code (negative: the signal that ended it), what it wrote to either output, and whether that was
        cut. Raises NotGranted, ValueError and TypeError before anything starts, ToolError when it takes too long."""
        words = self._words(command, arguments)
        deadline = self._now() + seconds
        with self._started(command, words) as process:
            assert process.stdout is not None
            kept, cut, ended = self._listen(process, process.stdout.fileno(), deadline)
        if self._closed:
            raise ToolError(f"{self._name}: the runtime stops; {command} was ended")
        if not ended:
            raise ToolError(f"{self._name}: {command} took longer than {seconds:g} s and was ended")
        return {"code": process.returncode, "output": kept.decode("utf-8", "replace"), "truncated": cut}

    def close(self) -> None:
        """End what still runs; nothing starts any more."""
        with self._lock:
            self._closed = True
            for leader in self._running:
                _end(leader)

    def _words(self, command: Any, arguments: tuple[Any, ...]) -> list[str]:
        pattern = self._settings.commands.get(command) if isinstance(command, str) else None
        if pattern is None:
            raise NotGranted(
                f"{self._name} has no command {str(command)[:40]!r}; add it to tools.{self._name}.commands"
            )
        if len(arguments) != pattern.count("{}"):
            raise TypeError(f"{command} takes {pattern.count('{}')} arguments, {len(arguments)} were given")
        given = iter(arguments)
        return [_word(next(given), "--" in pattern[:n]) if word == "{}" else word for n, word in enumerate(pattern)]

    @contextmanager
    def _started(self, command: str, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:  # so that closing sees every command, or none starts after it
            if self._closed:
                raise ToolError(f"{self._name}: the runtime stops")
            try:
                process = subprocess.Popen(
                    words,
                    env=_ENVIRONMENT,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    bufsize=0,
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolError(f"{self._name}: {command} cannot be started: {error.strerror}") from None
            self._running.add(process.pid)
        try:
            yield process
        finally:
            with self._lock:  # as long as its leader is not waited for, nobody else can get the group's number
                _end(process.pid)
                self._running.discard(process.pid)
            assert process.stdout is not None
            process.stdout.close()
            with suppress(subprocess.TimeoutExpired):  # the system's own wait may keep it longer than any signal
                process.wait(_DYING)

    def _listen(self, process: subprocess.Popen[bytes], pipe: int, deadline: float) -> tuple[bytes, bool, bool]:
        """What it wrote as far as it is kept, whether there was more, and whether it ended by itself."""
        kept, cut, ended = bytearray(), False, False
        with _watching(process.pid, pipe) as selector:
            while (left := deadline - self._now()) > 0:
                ready = {key.fd for key, _ in selector.select(0.0 if ended else left)}
                if not ended and ready - {pipe}:
                    ended = True
                    selector.unregister(*(ready - {pipe}))
                    _end(process.pid)  # what it left behind may hold its output open for ever
                if pipe in ready:
                    chunk = os.read(pipe, _CHUNK)
                    if not chunk:
                        selector.unregister(pipe)
                    room = self._settings.output - len(kept)
                    kept += chunk[:room]
                    cut = cut or len(chunk) > room
                elif ended:
                    break
        return bytes(kept), cut, ended


@contextmanager
def _watching(leader: int, pipe: int) -> Iterator[selectors.BaseSelector]:
    """Ready when there is output or the leader has ended; nobody waits for it here, so its number stays taken."""
    end = os.pidfd_open(leader)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            selector.register(end, selectors.EVENT_READ)
            yield selector
    finally:
        os.close(end)


def _word(argument: Any, after_options: bool) -> str:
    if not isinstance(argument, str):
        raise TypeError(f"an argument is text, not {type(argument).__name__}")
    if "\0" in argument or len(argument) > _ARGUMENT:
        raise ValueError(f"an argument has at most {_ARGUMENT} characters, and none of them is NUL")
    if argument.startswith("-") and not after_options:
        raise ValueError(f"{argument[:40]!r} would be taken for an option; put -- before the {{}} of the command")
    argument.encode()  # half of a surrogate pair is no text: ValueError
    return argument


def _end(leader: int) -> None:
    """The whole group, also what the command left behind."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
