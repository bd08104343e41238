"""Input that nobody can use and tasks that end badly, on one thread: counted, explained, and over."""

from __future__ import annotations

import pytest

from tests.laws import balanced, lawful

BAD = {
    "empty": b"",
    "malformed": b'{"n": 1',
    "not_json": b"\xff\xfe\x00",
    "too_large": b'{"n": "' + b"x" * 1_000_000 + b'"}',
    "too_deep": b"[" * 5_000 + b"]" * 5_000,
    "too_many_digits": b'{"n": ' + b"9" * 301 + b"}",
    "not_finite": b'{"n": NaN}',
}
ENDINGS = {
    "raises": ("ZeroDivisionError", "bad.py:"),
    "wrong": ("ValueError", "the task declares int"),
    "greedy": ("NotGranted", "tasks.greedy.grant.devices"),
}


@pytest.fixture
def edge(edge_factory):
    return edge_factory("plant/bad.yaml")


def events(edge) -> dict:
    counts = edge.runtime.desk.journal_stats()["events"]
    assert lawful(counts)
    return counts


@pytest.mark.parametrize("reason", BAD)
def test_what_cannot_be_an_event_is_one_rejection_and_does_not_come_again(edge, reason, caplog):
    edge.message("plant/a", BAD[reason])
    edge.message("plant/a", {"n": 1})

    assert events(edge)["rejected"] == {reason: 1}
    assert [outcome.result for outcome in edge.upstream.received] == [1]
    assert f"message rejected ({reason}, 1 so far)" in caplog.text
    edge.crash()
    edge.restart()
    edge.message("plant/a", {"n": 2})
    assert events(edge)["received"] == 1


def test_a_retained_command_is_not_obeyed_and_one_that_comes_now_is(edge_factory):
    edge = edge_factory("plant/bad.yaml")
    edge.broker.publish("edge/pi/fan/on/set", b"true", retain=True)
    edge.pump()  # known as a command that comes now: it was said while somebody listened
    assert edge.runtime.desk.read("fan")["values"] == {"on": True}

    edge.restart()
    edge.broker.remembers = False  # a fresh session gets what is retained
    edge.broker.cut()
    edge.advance("5s")
    assert events(edge)["rejected"] == {"retained_command": 1}
    assert edge.runtime.desk.read("fan")["values"] == {"on": False}


def test_a_topic_that_only_the_broker_remembers_is_rejected(edge):
    client = edge.broker.link(edge.config.mqtt, client_id="edge-pi")
    edge.broker.subscribe(client, [("old/#", 1)])
    edge.message("old/press", {"n": 1})

    assert events(edge)["rejected"] == {"no_source": 1}


@pytest.mark.parametrize("task", ENDINGS)
def test_a_thousand_bad_endings_are_a_thousand_clear_outcomes_and_the_next_run_is_fine(edge, task, pytestconfig):
    count = pytestconfig.getoption("bad_runs")
    for number in range(count):
        edge.broker.publish(f"plant/{task}", b'{"n": %d}' % number)
    edge.message("plant/a", {"n": 7})
    bad = [outcome for outcome in edge.upstream.received if outcome.task == task]
    kind, clue = ENDINGS[task]

    assert len(bad) == len({outcome.id for outcome in bad}) == count
    assert [outcome.event["values"]["n"] for outcome in bad] == list(range(count))
    assert {(outcome.status.value, outcome.error["type"]) for outcome in bad} == {("failure", kind)}
    assert all(clue in outcome.error["message"] + outcome.error["where"] for outcome in bad)
    assert [outcome.result for outcome in edge.upstream.received if outcome.task == "at_once"] == [7]
    assert [message for message in edge.broker.messages if message.topic == "plant/echoed"] == []
    assert edge.runtime.degraded() == []
    assert events(edge)["matched"] == count + 1
    assert balanced(edge.journal.stats())


def test_what_became_durable_in_the_last_moment_of_a_stop_is_acknowledged(edge):
    edge.broker.publish("plant/a", b'{"n": 1}')
    runtime = edge.runtime
    runtime.parts[0].turn(block=False)
    runtime.pipeline.step()
    runtime.journal.commit()  # settled now; the link has had its last turn
    runtime.close()
    edge.crash(power=False)
    edge.restart()

    assert events(edge)["received"] == 0
    assert [outcome.result for outcome in edge.upstream.received] == [1]
