"""`edge collect` against a real broker."""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.cli import main
from edge.clock import SystemClock
from edge.envelope import pack, seal
from edge.links.backoff import Backoff
from edge.links.embedded import EmbeddedBroker
from edge.links.mqtt import MqttLink


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The command sends log lines to its own stderr, which ends with the test."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", product="mosquitto")
    broker.start()
    yield broker
    broker.stop()


def publish(broker: EmbeddedBroker, *payloads: bytes) -> None:
    answers: list[int] = []
    link = MqttLink(
        broker.settings, client_id="gateway", clock=SystemClock(), backoff=Backoff(random.Random(0), base=0.1)
    )
    with closing(link):
        while link.session is None:
            link.step(0.1)
        for payload in payloads:
            link.publish("edge/north/outcomes", payload, done=lambda code, name: answers.append(code))
        while len(answers) < len(payloads):
            link.step(0.1)


def outcome(number: int) -> bytes:
    data = {"task": "frost", "status": "success", "result": number}
    return seal(id=f"north:{number}", edge_id="north", task="frost", time="2026-11-21T09:00:00.000Z", data=data)


@pytest.mark.broker
def test_what_came_while_it_was_away_is_waiting_and_repeats_stay_known(
    broker: EmbeddedBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collect = ["collect", "--broker", broker.url, "--into", str(tmp_path / "o.sqlite"), "--seconds", "1", "--json"]
    assert main(collect) == 0
    publish(broker, outcome(1), outcome(2), outcome(2))
    assert main(collect) == 0
    publish(broker, pack([outcome(1), outcome(3)]), b"hello")
    capsys.readouterr()

    assert main(collect) == 0
    assert json.loads(capsys.readouterr().out) == {
        "gateways": {"north": {"received": 5, "accepted": 3, "repeats": 2}},
        "unreadable": 1,
    }
    with closing(sqlite3.connect(tmp_path / "o.sqlite")) as database:
        assert database.execute("SELECT id FROM outcomes ORDER BY number").fetchall() == [
            ("north:1",),
            ("north:2",),
            ("north:3",),
        ]


@pytest.mark.broker
def test_each_new_outcome_is_printed_as_one_line(
    broker: EmbeddedBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collect = ["collect", "--broker", broker.url, "--into", str(tmp_path / "o.sqlite"), "--seconds", "1", "--print"]
    main(collect)
    publish(broker, outcome(1), outcome(1), outcome(2))
    capsys.readouterr()
    main(collect)

    assert [json.loads(line)["data"]["result"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--listen", "here"], 2, "such as 127.0.0.1:1883"),
        (["--broker", "localhost"], 2, "mqtt://host:1883"),
        (["--topic", "edge/#/outcomes"], 2, "# stands for everything below"),
        (["--into", "/proc/nowhere/outcomes.sqlite"], 1, "give another file with --into"),
    ],
)
def test_a_wrong_option_is_explained(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    assert main(["collect", *words]) == code
    assert said in capsys.readouterr().err
