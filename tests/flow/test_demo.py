"""`edge demo` as a user runs it: real brokers on 127.0.0.1, the real runtime, real time."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.config import check, load
from edge.demo.stage import CONFIG, Stage
from edge.links import embedded
from edge.links.mqtt import MqttLink
from edge.runs.inline import Inline
from edge.runs.load import load_task

EDGE = [sys.executable, "-m", "edge"]
AMQTT = pytest.mark.skipif(importlib.util.find_spec("amqtt") is None, reason="the extra `broker` is missing")


def demo(*words: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EDGE, "demo", *words], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize(
    "product", [pytest.param("amqtt", marks=AMQTT), pytest.param("mosquitto", marks=pytest.mark.broker)]
)
def test_every_outcome_reaches_the_receiver_although_the_upstream_goes_away(product: str) -> None:
    done = demo("--json", "--seconds", "12", "--broker", product)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)

    assert counts["conserved"]
    assert counts["lost"] == 0
    assert counts["accepted"] == counts["delivered"] == counts["received"] > 0
    assert counts["longest_backlog"] > 0
    assert counts["runs"].keys() == {"success"}
    assert counts["broker"] == product


@pytest.mark.parametrize(
    "product", [pytest.param("amqtt", marks=AMQTT), pytest.param("mosquitto", marks=pytest.mark.broker)]
)
def test_no_outcome_leaves_before_the_receiver_listens(product: str, tmp_path: Path) -> None:
    """A broker acknowledges what nobody has subscribed to, and throws it away."""
    with ExitStack() as stack:
        stage = Stage(tmp_path, day=10.0, stack=stack, product=product)
        link = stage._open_runtime_link(stage.upstream.settings, client_id="gateway")
        assert isinstance(link, MqttLink)
        assert not link.ready()

        for _ in range(300):
            stage.step(0.1)
            if stage.station.ready:
                break
        assert link.ready()


@AMQTT
def test_ctrl_c_ends_the_day_and_still_delivers_and_counts(tmp_path: Path) -> None:
    words = ["--keep-running", "--broker", "amqtt", "--keep", str(tmp_path)]
    with subprocess.Popen([*EDGE, "demo", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "the upstream is there" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()

    assert process.returncode == 0
    assert "conservation holds" in rest
    assert {"demo.log", "journal", "outcomes.sqlite"} <= {path.name for path in tmp_path.iterdir()}


def test_without_a_broker_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge.cli import main

    monkeypatch.setattr(embedded, "find_mosquitto", lambda: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert main(["demo", "--keep", str(tmp_path)]) == 1
    assert "sudo apt install mosquitto" in capsys.readouterr().err


def test_a_broken_count_ends_with_exit_code_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edge.cli import main
    from edge.demo import verb
    from edge.demo.summary import Summary

    class Loses:
        def __init__(self, *args: object, **named: object) -> None: ...

        def run(self) -> Summary:
            return Summary(
                seconds=1, broker="none", events=9, runs={"success": 5}, accepted=5, delivered=5, pending=0,
                given_up=0, received=4, repeats=0, longest_backlog=1, notices=0,
            )  # fmt: skip

    monkeypatch.setattr(verb, "Stage", lambda *args, **named: None)
    monkeypatch.setattr(verb, "Play", Loses)

    assert main(["demo", "--plain", "--keep", str(tmp_path)]) == 3


def test_a_folder_that_another_demo_uses_or_that_is_none_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        used = demo("--keep", str(tmp_path))
    file = tmp_path / "file"
    file.touch()
    none = demo("--keep", str(file))

    assert (used.returncode, none.returncode) == (1, 1)
    assert "another demo runs there" in used.stderr
    assert "name a folder that can be written to" in none.stderr


def test_a_demo_that_is_too_short_is_refused() -> None:
    done = demo("--seconds", "3")

    assert done.returncode == 2
    assert "at least 10" in done.stderr


def test_the_configuration_it_prints_is_one_that_check_accepts(tmp_path: Path) -> None:
    done = demo("--show-config")
    copy = tmp_path / "edge.yaml"
    copy.write_text(done.stdout)

    assert done.returncode == 0
    assert str(CONFIG) in done.stderr
    assert check(copy, environ={}) == []


def test_every_task_of_the_greenhouse_is_a_packaged_one() -> None:
    config = load(CONFIG, environ={})

    files = {
        name: Path(load_task(name, task, Path(os.devnull), Inline()).program.file).stem
        for name, task in config.tasks.items()
    }
    assert files == {
        "frost": "climate_alarm",
        "frost_over": "climate_alarm",
        "heat": "climate_alarm",
        "heat_over": "climate_alarm",
        "door_open": "door_open",
        "vibration_check": "vibration_check",
    }
