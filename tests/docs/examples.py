"""The fenced blocks of the documentation, in order, with what the comment before each says about running it.

    <!-- example: NOTE -->
    ```sh

NOTE is one of
    (none)         sh: run it; python: run it; yaml: `edge check` it; json: read it; text: nothing
    file NAME      write it to NAME in the page's folder; a test_*.py is run with pytest, a configuration checked
    background     sh: start it, wait until the runtime answers, stop it with SIGTERM at the end of the page
    exit N         sh: run it; it must exit with N
    output         text: each line stands in what the block before printed; `...` stands for anything
    needs WHAT     sh: not run here; its syntax, its `edge` verbs and its `make` targets are checked
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.is_file()
)
LANGUAGES = {"sh", "yaml", "python", "json", "text", ""}
_NOTE = re.compile(r"<!-- example: (.+?) -->")


@dataclass(frozen=True)
class Example:
    """One block: `line` is where its text begins."""

    page: str
    line: int
    language: str
    note: str
    text: str

    @property
    def kind(self) -> str:
        """The note's first word: `file`, `background`, `exit`, `output`, `needs` or nothing."""
        return self.note.partition(" ")[0]

    @property
    def detail(self) -> str:
        return self.note.partition(" ")[2]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read(page: str) -> Iterator[Example]:
    """Every block of the page, indented ones included."""
    note, opened, indent, block = "", None, "", []
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"( *)```(\w*)", line)
        if fence and opened is None:
            opened, indent, block = (number + 1, fence[2]), fence[1], []
        elif fence and opened is not None:
            yield Example(page, opened[0], opened[1], note, "\n".join(block) + "\n")
            note, opened = "", None
        elif opened is not None:
            block.append(line.removeprefix(indent))
        elif found := _NOTE.search(line):
            note = found[1]
        elif line.strip():
            note = ""


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command of a shell block, without `sudo`, assignments and comments."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        for command in re.split(r"&&|\|\||[|;]", line.partition(" #")[0]):
            words = [word for word in command.split() if word != "sudo" and not re.match(r"[A-Z_]+=", word)]
            if words and not words[0].startswith("#"):
                yield words
