"""The command `edge`: finds the verb, imports what it needs and nothing else, and turns errors into sentences."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from edge.cli.exits import BROKEN_PIPE, FINE, INTERRUPTED, MISTAKE, USAGE, Stop
from edge.cli.verbs import Verb, find, overview
from edge.errors import ConfigError, EdgeError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. 0 fine, 1 the user's mistake, 2 usage, 3 degraded or damaged."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()  # the reader (`| head`) has what it wanted
        return BROKEN_PIPE
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _give_up_stdout()
        print(f"edge: the output cannot be written: {error.strerror}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _give_up_stdout() -> None:
    """What is still buffered must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if not words:
        print(overview(), file=sys.stderr)
        return USAGE
    if words[0] == "help":
        words = [*words[1:], "--help"]
    if words[0] in ("-h", "--help"):
        print(overview())
        return FINE
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"edge {version('edge-runtime')}")
        return FINE
    found = find(words)
    if isinstance(found, str):
        print(f"edge: {found}", file=sys.stderr)
        return USAGE
    name, verb, rest = found
    if verb is None:
        print(overview(name), file=sys.stdout if rest else sys.stderr)
        return FINE if rest else USAGE
    return _call(verb, rest)


def _call(verb: Verb, rest: list[str]) -> int:
    module, _, function = verb.place.partition(":")
    try:
        code: int = getattr(importlib.import_module(module), function)(rest)
    except SystemExit as end:  # argparse, after it printed the help
        return int(end.code or FINE)
    except Stop as stop:
        if str(stop):
            print(f"edge: {stop}", file=sys.stderr)
        return stop.code
    except ConfigError as error:
        for problem in error.problems:
            print(f"edge: {problem}", file=sys.stderr)
        return MISTAKE
    except EdgeError as error:
        print(f"edge: {error}", file=sys.stderr)
        return MISTAKE
    return code
