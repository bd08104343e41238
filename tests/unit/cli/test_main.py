"""The command itself: verbs, help, mistakes, and what it costs to start."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.arguments import Arguments
from edge.cli.exits import Stop
from edge.cli.gateway import config_file
from edge.cli.verbs import VERBS
from edge.control import ControlServer
from tests.unit.cli.conftest import Edge, Serving

EDGE = [sys.executable, "-m", "edge"]


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself_with_an_example(edge: Edge, name: str) -> None:
    said = edge(*name.split(), "--help")

    assert said.code == 0
    assert f"usage: edge {name}" in said.out
    assert f"  edge {name}" in said.out.partition("example")[2]


@pytest.mark.parametrize("words", [(), ("journal",)])
def test_half_a_command_shows_what_there_is_and_fails(edge: Edge, words: tuple[str, ...]) -> None:
    said = edge(*words)

    assert said.code == 2
    assert "journal stats" in said.err
    assert not said.out


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("help", "journal"), ("journal", "--help")])
def test_help_that_was_asked_for_is_fine(edge: Edge, words: tuple[str, ...]) -> None:
    said = edge(*words)

    assert said.code == 0
    assert "journal stats" in said.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("chekc",), "did you mean `edge check`?"),
        (("journal", "stat"), "did you mean `edge journal stats`?"),
        (("journal", "xyz"), "there are stats, list, show, verify"),
        (("--verbose",), "edge has no option '--verbose'"),
    ],
)
def test_an_unknown_verb_is_answered_with_the_nearest(edge: Edge, words: tuple[str, ...], hint: str) -> None:
    said = edge(*words)

    assert said.code == 2
    assert hint in said.err


@pytest.mark.parametrize("words", [("check", "--jsno"), ("read",), ("read", "a", "b"), ("fire", "x", "--event", "[1]"),
                                   ("fire", "x", "--event", "{"), ("set", "fan", "on", "--hold", "5"),
                                   ("journal", "list", "--last", "0"), ("run", "--log-level", "loud")])  # fmt: skip
def test_a_wrong_command_line_is_one_sentence_and_exit_2(edge: Edge, words: tuple[str, ...]) -> None:
    said = edge(*words)

    assert said.code == 2
    assert said.err.startswith("edge: ")
    assert "Traceback" not in said.err


def test_the_version_is_the_distributions(edge: Edge) -> None:
    assert edge("--version").out.startswith("edge 0.")


def test_every_verb_names_a_function_that_exists() -> None:
    for verb in VERBS.values():
        module, _, function = verb.place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_help_loads_no_library() -> None:
    """Start-up time and memory count on a small board."""
    code = "import sys; from edge.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()

    heavy = {"pydantic", "paho", "apscheduler", "gpiozero", "smbus2", "tinydb", "ruamel", "orjson", "asyncio"}
    assert heavy.isdisjoint(loaded)


def test_a_reader_that_has_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [*EDGE, "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_does_not_fit_on_the_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([*EDGE, "config", "schema"], stdout=full, stderr=subprocess.PIPE, text=True)

    assert said.returncode == 1
    assert said.stderr == "edge: the output cannot be written: No space left on device\n"


# -- which configuration -------------------------------------------------------------------------------------------


def test_a_named_file_wins_over_the_environment_and_that_over_the_folder(folder: Path) -> None:
    (folder / "named.yaml").touch()
    (folder / "set.yaml").touch()

    assert config_file("named.yaml", {"EDGE_CONFIG": "set.yaml"}) == Path("named.yaml")
    assert config_file(None, {"EDGE_CONFIG": "set.yaml"}) == Path("set.yaml")
    assert config_file(None, {}) == Path("edge.yaml")
    assert config_file(str(folder), {}) == folder / "edge.yaml"


@pytest.mark.parametrize(("option", "environ", "says"), [
    ("gone.yaml", {}, "gone.yaml: there is no such file"),
    (None, {"EDGE_CONFIG": "gone.yaml"}, r"\$EDGE_CONFIG: gone.yaml"),
    (None, {}, "edge init"),
])  # fmt: skip
def test_a_missing_configuration_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str | None, environ: dict[str, str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge.cli.gateway.SERVICE_FILE", tmp_path / "etc" / "edge.yaml")

    with pytest.raises(Stop, match=says):
        config_file(option, environ)


# -- verbs that ask the runtime -------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("status",), ("sync", "now"), ("sync", "pause")])
def test_without_a_runtime_the_remedy_is_named(folder: Path, edge: Edge, words: tuple[str, ...]) -> None:
    said = edge(*words)

    assert said.code == (3 if words == ("status",) else 1)
    assert "edge: no runtime runs for edge.yaml; start it with `edge run -c edge.yaml`" in said.err


def test_status_shows_the_parts_and_exit_3_what_is_degraded(serving: Serving, edge: Edge) -> None:
    part = {"name": "room", "kind": "device", "state": "ok", "since": "2026-11-21T09:00:00.000Z", "last_error": ""}
    answer: dict[str, object] = {"edge": "bench", "pid": 7, "parts": [part], "degraded": []}
    serving({"status": lambda: answer})

    fine, as_json = edge("status"), edge("status", "--json")
    part["state"], part["last_error"] = "failed", "nobody answers at 0x48"
    answer["degraded"] = ["room: nobody answers at 0x48", "thread pages ended"]
    degraded = edge("status")

    assert (fine.code, degraded.code) == (0, 3)
    assert fine.out.startswith("bench, process 7: all fine\n")
    assert degraded.out.startswith("bench, process 7: degraded, 2 reasons\n")
    assert degraded.out.count("nobody answers at 0x48") == 1
    assert degraded.out.splitlines()[-1] == "thread pages ended"
    assert json.loads(as_json.out)[0]["state"] == "ok"


def test_a_runtime_in_systemds_folder_is_found_too(
    folder: Path, tmp_path: Path, edge: Edge, monkeypatch: pytest.MonkeyPatch, serving: Serving
) -> None:
    server: ControlServer = serving({"sync": lambda action, upstream: []})
    server.path.rename(folder / "control.sock")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))

    assert edge("sync", "status").code == 0


def test_a_runtime_that_one_may_not_ask_is_the_callers_to_mend(
    serving: Serving, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving({"status": dict})

    def connect(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", connect)
    said = edge("read", "room")

    assert said.code == 1
    assert "use sudo, or join the group" in said.err
    assert "opening the hardware" not in said.err  # it runs: the wires are taken


def test_an_argument_list_refuses_shortened_options() -> None:
    """`--eve` today may be ambiguous tomorrow."""
    parser = Arguments("fire", "", examples=("fire x",))
    parser.add_argument("--event")

    with pytest.raises(Stop):
        parser.parse_args(["--eve", "{}"])
