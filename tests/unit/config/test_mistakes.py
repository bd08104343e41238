"""A wrong configuration is explained: which line, which key, what is wrong, what to do. Every mistake at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import examine
from tests.unit.config.mistakes import MISTAKES, Mistake

Write = Callable[[str], Path]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_mistake_is_one_problem_with_line_path_reason_and_remedy(write: Write, mistake: Mistake) -> None:
    path = write(mistake.text)

    problems = examine(path, environ={"EDGE_SECRET_KNOWN": "x"}).problems

    assert [(p.file, p.line, p.path) for p in problems] == [(str(path), mistake.line, mistake.path)], problems
    assert mistake.message in problems[0].message
    assert mistake.hint in problems[0].hint != ""


def test_names_of_mistakes_are_unique() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 40
