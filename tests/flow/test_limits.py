"""Retries, breakers and restarts in a whole gateway: what one failing task costs, and what it never costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.desk import NotFired
from edge.model import Status

CONFIG = """
edge: {id: bench, backend: sim}
mqtt:
  broker: mqtt://localhost:1883
  subscribe:
    asked: {topic: plant/asked}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 1h}
tasks:
  measure:
    run: "./app.py:measure"
    when: {source: asked}
    grant: {devices: [workshop]}
    %s
  other:
    run: "./app.py:other"
    when: {source: asked}
journal: {path: ./journal}
"""
TASKS = """\
from edge import Context, Event, task


@task
def measure(event: Event, ctx: Context) -> float:
    return ctx.device("workshop").read()["temperature"]


@task
def other(event: Event, ctx: Context) -> int:
    return event.values["n"]
"""


@pytest.fixture
def gateway(edge_factory, tmp_path: Path):
    def make(keys: str):
        (tmp_path / "app.py").write_text(TASKS)
        (tmp_path / "edge.yaml").write_text(CONFIG % keys)
        edge = edge_factory(tmp_path / "edge.yaml")
        edge.world["workshop.temperature"] = 21.0
        edge.advance("1s")
        return edge

    return make


def ask(edge, number: int) -> None:
    edge.message("plant/asked", {"n": number}, qos=1)


def unplug(edge) -> None:
    edge.chip = edge.bus("i2c-1").detach(0x48)


def plug_in(edge) -> None:
    edge.bus("i2c-1").attach(0x48, edge.chip)


def of(edge, task: str) -> list:
    return [outcome for outcome in edge.outcomes if outcome.task == task]


def test_a_run_is_tried_again_when_its_device_answers_again(gateway):
    edge = gateway("retries: {backoff: 10s}")
    unplug(edge)
    ask(edge, 1)
    edge.advance("12s")
    assert of(edge, "measure") == []

    plug_in(edge)
    edge.advance("1m")

    [outcome] = of(edge, "measure")
    assert (outcome.status, outcome.result, outcome.attempts) == (Status.SUCCESS, 21.0, 3)


def test_a_run_that_waits_for_its_next_attempt_survives_a_crash(gateway):
    edge = gateway("retries: {backoff: 10s}")
    unplug(edge)
    ask(edge, 1)
    ask(edge, 2)
    edge.advance("2s")
    assert of(edge, "measure") == []
    edge.crash()
    edge.restart()  # with the device back in its place
    edge.advance("1s")

    first, second = of(edge, "measure")
    assert (first.event["values"], second.event["values"]) == ({"n": 1}, {"n": 2})
    assert first.status is second.status is Status.SUCCESS
    assert edge.journal.stats()["unfinished"] == 0


def test_a_task_that_keeps_failing_is_left_alone_while_others_go_on(gateway):
    edge = gateway("breaker: {failures: 50, of: 4, pause: 1m}")
    unplug(edge)
    for number in range(6):
        ask(edge, number)
    edge.advance("1s")

    assert [outcome.status for outcome in of(edge, "measure")] == [Status.FAILURE] * 4
    assert [outcome.result for outcome in of(edge, "other")] == list(range(6))
    [part] = [part for part in edge.runtime.status() if part["kind"] == "task"]
    assert (part["name"], part["state"]) == ("measure", "open")
    assert "4 of the last 4 runs failed; one run may try in 59s, or `edge tasks reset measure`" in part["last_error"]
    assert 'edge_breaker_state{task="measure"} 2' in edge.runtime.telemetry.render()
    assert edge.runtime.desk.tasks()[0]["blocked"] == "open: 4 of the last 4 runs failed"

    edge.advance("1m")
    *_, refused = of(edge, "measure")
    assert (refused.status, refused.error["reason"], refused.error["count"]) == (Status.REJECTED, "breaker_open", 2)
    assert 'edge_breaker_state{task="measure"} 1' in edge.runtime.telemetry.render()

    plug_in(edge)
    ask(edge, 7)
    edge.advance("1s")
    assert of(edge, "measure")[-1].status is Status.SUCCESS
    assert [part for part in edge.runtime.status() if part["kind"] == "task"] == []
    assert 'edge_breaker_state{task="measure"} 0' in edge.runtime.telemetry.render()


def test_what_was_promised_before_the_breaker_opened_waits_and_tries_first(gateway):
    edge = gateway("breaker: {failures: 100, of: 1, pause: 1m, longest: 10m}")
    unplug(edge)
    for number in range(3):  # all are promised in one turn, before the first of them runs
        edge.broker.publish("plant/asked", b'{"n": %d}' % number)
    edge.advance("1s")
    assert len(of(edge, "measure")) == 1

    edge.advance("1m")  # the second one tried, in vain: twice the pause
    assert len(of(edge, "measure")) == 2
    plug_in(edge)
    edge.advance("61s")
    assert len(of(edge, "measure")) == 2
    edge.advance("1m")

    assert [outcome.event["values"]["n"] for outcome in of(edge, "measure")] == [0, 1, 2]
    assert of(edge, "measure")[-1].status is Status.SUCCESS
    assert edge.journal.stats()["unfinished"] == 0


def test_a_breaker_is_reset_by_hand(gateway):
    edge = gateway("breaker: {failures: 100, of: 1, pause: 1h}")
    unplug(edge)
    ask(edge, 1)
    plug_in(edge)

    edge.runtime.desk.reset("measure")
    ask(edge, 2)

    assert [outcome.status for outcome in of(edge, "measure")] == [Status.FAILURE, Status.SUCCESS]
    with pytest.raises(KeyError, match="did you mean 'measure'"):
        edge.runtime.desk.reset("mesure")


def test_with_restart_only_the_newest_start_is_tried_again(gateway):
    edge = gateway("mode: restart\n    retries: {backoff: 10s}")
    unplug(edge)
    for number in range(3):
        ask(edge, number)
        edge.advance("1s")
    plug_in(edge)
    edge.advance("1m")

    *replaced, newest = of(edge, "measure")
    assert [outcome.error["message"] for outcome in replaced] == ["replaced by a newer run"] * 2
    assert (newest.result, newest.event["values"]["n"], newest.attempts) == (21.0, 2, 2)


def test_what_on_crash_fail_forbids_to_repeat_ends_as_a_failure(gateway):
    edge = gateway("on_crash: fail\n    retries: {backoff: 1m}")
    unplug(edge)
    ask(edge, 1)
    edge.crash()
    edge.restart()

    [outcome] = of(edge, "measure")
    assert (outcome.status, outcome.error["type"]) == (Status.FAILURE, "Interrupted")
    edge.advance("10m")
    assert len(of(edge, "measure")) == 1
    assert edge.journal.stats()["unfinished"] == 0


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("breaker: {timeouts: 0, failures: 50, of: 1}", "breaker_open: .*`edge tasks reset measure` lets it run"),
        ("limits: {per_minute: 1}", "per_minute: as many as limits.per_minute allows started within the last minute"),
    ],
)
def test_who_fires_a_task_that_may_not_run_reads_why(gateway, keys: str, why: str) -> None:
    edge = gateway(keys)
    edge.bus("i2c-1").detach(0x48)
    assert edge.fire("measure").status == "failure"

    with pytest.raises(NotFired, match=why):
        edge.fire("measure")


def test_a_test_that_fires_a_task_with_retries_gets_the_outcome_after_the_last(gateway) -> None:
    edge = gateway("retries: {transient: 5, backoff: 1m, longest: 10m}")
    before = edge.clock.monotonic()
    chip = edge.bus("i2c-1").detach(0x48)
    outcome = edge.fire("measure")
    assert (outcome.status, outcome.attempts) == ("failure", 6)
    assert edge.clock.monotonic() - before > 60.0

    edge.bus("i2c-1").attach(0x48, chip)
    before = edge.clock.monotonic()
    assert edge.fire("measure").attempts == 1
    assert edge.clock.monotonic() == before
