"""What the sandbox's worker processes are started through, so that the language is not the only wall.

bwrap (no network, no files but the system's libraries, no capabilities) where it works, which only running it tells:
many kernels and containers forbid user namespaces. Else setpriv and prlimit, which is shown as degraded. Else nothing
is started.

A worker outlives this process for one time limit at most: its input ends, and it leaves. `PR_SET_PDEATHSIG` towards
this process would be wrong: it fires when the *thread* that started the worker ends, and leads change threads.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MEMORY = 384_000_000  # bytes of address space: the largest limits.memory, thrice, for the interpreter around it
_PROBE = 10.0  # seconds a probe may take on a slow card

_LIMITS = ("prlimit", f"--as={MEMORY}", "--core=0", "--nofile=64", "--")
_PLAIN = ("setpriv", "--no-new-privs", *_LIMITS)
_BWRAP = ("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
          "--ro-bind-try", "/lib", "/lib", "--ro-bind-try", "/lib64", "/lib64", "--ro-bind", "/usr", "/usr",
          "--dev", "/dev", "--proc", "/proc", "--chdir", "/")  # fmt: skip

Works = Callable[[Sequence[str]], bool]
"""Whether a command ends well."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """`command` goes before the binary. `degraded` says what is missing, or is empty. `stays`: a shell waits for it,
    so that killing the shell, which is all the pool knows of, takes what bwrap started with it."""

    command: tuple[str, ...]
    degraded: str = ""
    stays: bool = False

    def script(self, binary: str) -> str:
        """The text of an executable that starts `binary` inside."""
        line = f'{shlex.join((*self.command, binary))} "$@"'
        return f"#!/bin/sh\n{line}\nexit $?\n" if self.stays else f"#!/bin/sh\nexec {line}\n"


def choose(binary: str, works: Works) -> Wrapper | None:
    """The strongest wrapper that starts `binary` on this machine; None when there is none."""
    strong = Wrapper((*_LIMITS, *_BWRAP, "--ro-bind", binary, binary, "--"), stays=True)
    if works((*strong.command, binary, "--version")):
        return strong
    if works((*_PLAIN, binary, "--version")):
        return Wrapper(_PLAIN, "bwrap does not work here: the sandbox's processes share this user's files and network")
    return None


def works(command: Sequence[str]) -> bool:
    """Run it, without input or output."""
    quiet = subprocess.DEVNULL
    try:
        ran = subprocess.run(command, check=False, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_PROBE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0
