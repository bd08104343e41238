"""`edge demo`: a minute of a greenhouse, and the count at the end."""

from __future__ import annotations

import fcntl
import logging
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TextIO

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.logs import set_up
from edge.cli.output import note, say, say_json
from edge.cli.supervisor import Signals
from edge.demo.lines import Lines
from edge.demo.picture import View
from edge.demo.play import LEAST, REST, Play
from edge.demo.stage import CONFIG, Stage
from edge.demo.summary import tell


def demo(words: list[str]) -> int:
    """Exit 0 when every accepted outcome was received, 3 when not. Ctrl-C ends the day early; twice ends at once."""
    options = _options(words)
    if options.show_config:
        note(f"this is {CONFIG}")
        say(CONFIG.read_text(encoding="utf-8").rstrip())
        return FINE
    with _folder(options.keep) as folder:
        note(f"greenhouse: {CONFIG}; journal, outcomes and log: {folder}")
        with (folder / "demo.log").open("a", encoding="utf-8") as log, Signals() as signals, ExitStack() as stack:
            stack.enter_context(_logging_into(log))
            day = options.seconds - REST
            stage = Stage(folder, day=day, stack=stack, product=options.broker)
            view = stack.enter_context(closing(_view(options)))
            play = Play(
                stage,
                view,
                day=day,
                keep_running=options.keep_running,
                stopped=lambda: signals.wait(0) is not None,
            )
            summary = play.run()
        if options.json:
            say_json(summary.data())
        else:
            say(tell(summary))
        if not summary.conserved:
            raise Stop("", DEGRADED)
    return FINE


def _options(words: list[str]) -> Namespace:
    arguments = Arguments(
        "demo",
        "A simulated greenhouse on the real runtime: readings, a door, a pump that reports over MQTT, three tasks,\n"
        "and an upstream that goes away and comes back. Ends with a count of what the receiver got.",
        examples=("demo", "demo --keep-running", "demo --show-config > edge.yaml"),
    ).with_json("the counts of the summary")
    add = arguments.add_argument
    add("--seconds", metavar="N", type=float, default=60.0, help="about how long it takes (%(default)g)")
    add("--keep-running", action="store_true", help="day after day, until Ctrl-C")
    add("--keep", metavar="DIR", type=Path, help="keep journal, outcomes and log there; default: a temporary folder")
    add("--broker", choices=("mosquitto", "amqtt"), help="default: Mosquitto where it is installed")
    add("--plain", action="store_true", help="lines instead of a live screen")
    add("--show-config", action="store_true", help="print the configuration it runs, and nothing else")
    options = arguments.parse_args(words)
    if options.seconds < LEAST:
        arguments.error(f"--seconds {options.seconds:g}: give at least {LEAST:g}")
    return options


@contextmanager
def _logging_into(log: TextIO) -> Iterator[None]:
    """Log lines would run through the screen."""
    root = logging.getLogger()
    before = root.handlers[:]
    set_up("info", as_json=False, stream=log)
    try:
        yield
    finally:
        root.handlers[:] = before


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where it all goes; a temporary one is removed, unless what went wrong may be found in it."""
    if keep is not None:
        with _taken(keep):
            yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="edge-demo-"))
    try:
        yield folder
    except Stop:
        note(f"{folder} is kept: demo.log says more")
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _taken(folder: Path) -> Iterator[None]:
    """A folder that was named is used by one demo at a time: two would write over each other's brokers."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise Stop(f"--keep {folder}: {error}; name a folder that can be written to") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Stop(f"--keep {folder}: another demo runs there; name another folder, or end that one") from error
        yield


def _view(options: Namespace) -> View:
    """The live screen where there is one to draw on, else lines; with --json they go to stderr."""
    if options.json:
        return Lines(sys.stderr)
    if options.plain:
        return Lines(sys.stdout)
    try:
        from edge.demo.screen import Screen

        return Screen()
    except (ImportError, ValueError):  # rich is an extra; pipes and small terminals get lines
        return Lines(sys.stdout)
