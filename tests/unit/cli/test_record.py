"""`edge record`: a file that plays back, or one sentence why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.recording import read_recording
from edge.cli.hardware import outside
from tests.unit.cli.conftest import Edge, Serving


def test_it_records_what_the_devices_say(edge: Edge, folder: Path) -> None:
    said = edge("record", "--minutes", "0.002", "room.rec", "--json")

    assert said.code == 0
    printed = json.loads(said.out)
    recording = read_recording(folder / "room.rec")
    assert printed["transactions"] == len(recording.buses["i2c-1"]) >= 3
    assert printed["bytes"] == (folder / "room.rec").stat().st_size
    assert not printed["full"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("there.rec",), 1, "there.rec exists already: name a new file"),
        (("no/where.rec",), 1, "no/where.rec cannot be written: No such file or directory"),
        (("--minutes", "0", "x.rec"), 2, "--minutes must be more than 0"),
        (("--limit", "5", "x.rec"), 2, "--limit: '5' is not a size"),
    ],
)
def test_what_cannot_be_recorded_is_one_sentence(
    edge: Edge, folder: Path, words: tuple[str, ...], code: int, text: str
) -> None:
    (folder / "there.rec").write_text("mine")
    said = edge("record", *words)

    assert said.code == code
    assert text in said.err
    assert (folder / "there.rec").read_text() == "mine"
    assert not (folder / "x.rec").exists()


def test_it_leaves_the_hardware_to_a_runtime_that_runs(edge: Edge, folder: Path, serving: Serving) -> None:
    serving({"status": list})
    said = edge("record", "room.rec")

    assert said.code == 1
    assert "a runtime runs for edge.yaml and has the hardware: stop it first" in said.err
    assert not (folder / "room.rec").exists()


def test_nothing_at_all_is_no_recording(edge: Edge, folder: Path) -> None:
    (folder / "edge.yaml").write_text("edge: {id: bench, backend: sim}\njournal: {path: ./journal}\n")

    assert "has no devices: there is nothing to record" in edge("record", "room.rec").err


def test_what_is_behind_a_multiplexer_is_recorded_by_wire_and_read_back_from_the_file(edge: Edge, folder: Path) -> None:
    text = """\
edge: {id: bench, backend: BACKEND}
devices:
  mux:   {driver: tca9548a, bus: i2c-1, address: 0x70, every: 1s}
  left:  {driver: tmp102, bus: mux/0, address: 0x48, every: 1s}
  right: {driver: tmp102, bus: mux/5, address: 0x48, every: 1s}
journal: {path: ./journal}
"""
    (folder / "edge.yaml").write_text(text.replace("BACKEND", "sim"))
    assert edge("record", "--minutes", "0.002", "two.rec").code == 0
    assert set(read_recording(folder / "two.rec").buses) == {"i2c-1", "mux/0", "mux/5"}

    (folder / "edge.yaml").write_text(text.replace("BACKEND", "replay, recording: two.rec"))
    outside.cache_clear()
    assert edge("read", "right").out == edge("read", "left").out == "temperature  21 degC\n"
    said = edge("devices", "scan", "i2c-1")
    assert said.code == 3
    assert "i2c-1 is played back from a recording: nobody is there to answer" in said.out
