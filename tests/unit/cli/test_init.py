"""`edge init` writes a folder that works as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import load
from tests.unit.cli.conftest import Edge


def test_the_folder_checks_and_bears_its_own_name(tmp_path: Path, edge: Edge) -> None:
    said = edge("init", str(tmp_path / "my greenhouse!"))

    assert said.code == 0
    assert "edge check && pytest && edge run" in said.out
    assert edge("check", "-c", str(tmp_path / "my greenhouse!")).code == 0
    assert load(tmp_path / "my greenhouse!" / "edge.yaml").edge.id == "my-greenhouse"


def test_the_line_to_go_on_with_can_be_pasted(tmp_path: Path, edge: Edge) -> None:
    said = edge("init", str(tmp_path / "my greenhouse"))

    assert f"cd '{tmp_path / 'my greenhouse'}' && edge check" in said.out


def test_nothing_is_ever_overwritten(tmp_path: Path, edge: Edge) -> None:
    (tmp_path / "edge.yaml").write_text("precious")
    said = edge("init", str(tmp_path))

    assert said.code == 1
    assert "edge.yaml exists already" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["edge.yaml"]
    assert (tmp_path / "edge.yaml").read_text() == "precious"


def test_other_files_in_the_folder_stay(tmp_path: Path, edge: Edge) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    assert edge("init", str(tmp_path)).code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, edge: Edge) -> None:
    (tmp_path / "file").touch()
    said = edge("init", str(tmp_path / "file" / "below"))

    assert said.code == 1
    assert f"{tmp_path}/file" in said.err
    assert "Traceback" not in said.err


def test_the_task_touches_only_what_the_file_grants(tmp_path: Path, edge: Edge) -> None:
    edge("init", str(tmp_path / "demo"))
    said = edge("tasks", "show", "overheat", "-c", str(tmp_path / "demo" / "edge.yaml"))

    assert "read and set fan" in said.out
    assert "may not   anything else" in said.out


@pytest.mark.parametrize(("name", "id"), [(".", "inner"), ("..", "outer")])
def test_a_relative_folder_has_a_name_too(
    tmp_path: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch, name: str, id: str
) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "inner")

    assert edge("init", name).code == 0
    assert load(Path(name) / "edge.yaml").edge.id == id
