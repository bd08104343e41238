from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import edge
from edge import task

raise RuntimeError("checking a configuration must not run anybody's code")


@task
def run(event, ctx): ...


@edge.task(raw=True)
def other(event, ctx): ...


def plain(event, ctx): ...


@task
async def later(event, ctx): ...


@task
def lonely(event): ...


class Watching(edge.Observer): ...


class Lonesome: ...
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes an edge.yaml into a folder that has `tasks/app.py`."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "app.py").write_text(PROGRAM)

    def write(text: str) -> Path:
        path = tmp_path / "edge.yaml"
        path.write_text(text)
        return path

    return write
