"""`edge run` as a service: it drains when told to stop, and its status topic says how it is, even when it cannot."""

from __future__ import annotations

import random

import pytest

from tests.broker.mosquitto import Someone, until
from tests.broker.process import Consumer, EdgeProcess, Speaker, assert_each_once
from tests.laws import lawful

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

CONFIG = """
    edge: {{id: pi}}
    mqtt:
      broker: {incoming}
      subscribe:
        count: {{topic: plant/count}}
        echo: {{topic: plant/echo}}
        slow: {{topic: plant/slow}}
    tasks:
      count: {{run: "./tasks.py:count", when: {{source: count}}}}
      echo: {{run: "./tasks.py:echo", when: {{source: echo}}, grant: {{publish: [plant/echoed]}}}}
      slow: {{run: "./tasks.py:slow", when: {{source: slow}}, limits: {{time: 5m}}}}
    journal: {{path: ./journal}}
    upstream: {{kind: mqtt, broker: "{upstream}", batch: 100}}
"""
TASKS = """
    import threading
    from pathlib import Path

    @task
    def count(event: Event, ctx: Context) -> int:
        return event.values["n"]

    @task
    def echo(event: Event, ctx: Context) -> int:
        ctx.publish("plant/echoed", event.values["n"])
        return event.values["n"]

    @task
    def slow(event: Event, ctx: Context) -> int:
        Path("begun").touch()
        while not Path("may-end").exists():
            threading.Event().wait(0.01)
        return event.values["n"]
"""


class Site:
    """Two brokers and a runtime between them that is not started yet."""

    def __init__(self, start_mosquitto, edge_process) -> None:
        self.incoming, self.upstream = start_mosquitto(), start_mosquitto()
        config = CONFIG.format(incoming=self.incoming.url, upstream=self.upstream.url)
        self.edge: EdgeProcess = edge_process(config, TASKS)

    def start(self) -> None:
        self.edge.start()
        until(lambda: "Sending SUBACK to edge-pi" in self.incoming.log)


@pytest.fixture
def site(start_mosquitto, edge_process) -> Site:
    return Site(start_mosquitto, edge_process)


def test_sigterm_in_the_middle_of_a_burst_finishes_what_was_taken_in_and_leaves_the_rest_to_the_broker(
    site, pytestconfig
):
    total = pytestconfig.getoption("messages") // 2
    site.start()
    consumer = Consumer(site.upstream.port)
    speaker = Speaker(site.incoming.port, lambda number: f"plant/{('count', 'echo')[number % 2]}", total, 1_000_000)
    dice = random.Random(4)
    for moment in sorted(dice.randrange(total // 20, total) for _ in range(3)):
        speaker.has_said(moment)
        assert site.edge.stop() == 0
        assert site.edge.stats_on_disk()["unfinished"] == 0
        site.edge.start()
    speaker.has_said(total)
    consumer.until_all(range(total))
    site.edge.until_delivered()
    events = site.edge.events
    assert site.edge.stop() == 0
    speaker.leave()
    consumer.leave()

    assert lawful(events)
    assert_each_once(range(total), consumer.numbers())
    assert len(site.edge.outcomes()) == total
    assert site.edge.stats_on_disk()["publishes"]["accepted"] == total // 2


def test_a_run_that_is_under_way_at_sigterm_may_end_and_its_outcome_stands(site):
    site.start()
    with Someone(site.incoming.port) as someone:
        someone.say("plant/slow", b'{"n": 7}')
    until((site.edge.folder / "begun").exists)
    site.edge.terminate()
    until(lambda: "SIGTERM: draining" in site.edge.log)
    (site.edge.folder / "may-end").touch()

    assert site.edge.wait() == 0
    assert [(outcome.status.value, outcome.result) for outcome in site.edge.outcomes()] == [("success", 7)]


def test_a_run_that_does_not_end_for_the_stop_is_cancelled_and_the_stop_is_clean(site):
    site.start()
    with Someone(site.incoming.port) as someone:
        someone.say("plant/slow", b'{"n": 7}')
    until((site.edge.folder / "begun").exists)

    assert site.edge.stop() == 0
    [outcome] = site.edge.outcomes()
    assert (outcome.status.value, outcome.error["type"]) == ("cancelled", "RunCancelled")
    assert site.edge.stats_on_disk()["unfinished"] == 0


def test_the_status_topic_follows_every_start_and_stop_and_a_kill(site):
    def status() -> bytes:
        """What somebody who comes now is told."""
        with Someone(site.incoming.port, "edge/pi/status", client_id="newcomer") as newcomer:
            until(lambda: newcomer.heard)
            assert newcomer.details[0]["retain"]
            return newcomer.heard[0][1]

    with Someone(site.incoming.port, "edge/pi/status") as watcher:
        site.start()
        until(lambda: [payload for _, payload in watcher.heard] == [b"online"])
        assert status() == b"online"
        assert site.edge.stop() == 0
        until(lambda: len(watcher.heard) == 2)
        assert status() == b"offline"
        site.edge.start()
        until(lambda: len(watcher.heard) == 3)
        assert status() == b"online"
        site.edge.kill()
        until(lambda: len(watcher.heard) == 4)
        assert status() == b"offline"

    assert [payload for _, payload in watcher.heard] == [b"online", b"offline"] * 2


def test_it_starts_without_any_broker_and_catches_up_when_they_come(site):
    site.start()
    assert site.edge.stop() == 0
    site.incoming.stop()
    site.upstream.stop()
    site.edge.start()
    until(lambda: {"mqtt", "up-default"} <= {line.split(":")[0] for line in site.edge.ask("status")["degraded"]})
    site.incoming.start()
    site.upstream.start()
    consumer = Consumer(site.upstream.port)
    with Someone(site.incoming.port) as someone:
        someone.say("plant/count", *[b'{"n": %d}' % number for number in range(50)])
    consumer.until_all(range(50))
    until(lambda: site.edge.ask("status")["degraded"] == [])
    consumer.leave()

    assert_each_once(range(50), consumer.numbers())
