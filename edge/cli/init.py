"""`edge init`: a starter folder that checks, runs and passes its own test as it is."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path

from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import say

_ID = "my-gateway"  # stands in the templates where the folder's name goes
_FILES = {
    "edge.yaml": "edge.yaml.in",
    "tasks/overheat.py": "overheat.py.in",
    "test_overheat.py": "test_overheat.py.in",
    "README.md": "README.md.in",
    ".gitignore": "gitignore.in",
}


def init(words: list[str]) -> int:
    """Exit 1, with nothing written, when one of the files exists already."""
    arguments = Arguments(
        "init",
        "Write a starter folder: edge.yaml, one task, its test. It runs without hardware and without a broker.",
        examples=("init greenhouse && cd greenhouse && edge check && pytest",),
    )
    arguments.add_argument("folder", metavar="DIR", help="the folder; made if it does not exist")
    folder = Path(arguments.parse_args(words).folder)
    taken = [name for name in _FILES if (folder / name).exists()]
    if taken:
        raise Stop(f"{folder}: {', '.join(taken)} exist{'s' if len(taken) == 1 else ''} already; name another folder")
    try:
        _write(folder)
    except OSError as error:
        raise Stop(f"{error.filename or folder}: cannot write: {error.strerror}") from error
    say(f"wrote {', '.join(_FILES)} into {folder}")
    say(f"next: cd {shlex.quote(str(folder))} && edge check && pytest && edge run")
    return FINE


def _write(folder: Path) -> None:
    templates = files("edge.cli") / "templates"
    name = _gateway_id(folder.resolve().name)
    for target, template in _FILES.items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((templates / template).read_text(encoding="utf-8").replace(_ID, name), encoding="utf-8")


def _gateway_id(folder: str) -> str:
    """The folder's name as an `edge.id`: letters, digits, - _ and . only."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-_.")[:64] or _ID
