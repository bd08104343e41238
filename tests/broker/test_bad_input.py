"""What a broker may deliver and nobody can use: counted, explained, acknowledged, and it stops nothing."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable

import pytest

from tests.broker.mosquitto import Mosquitto, Someone, free_port, until
from tests.broker.process import Consumer, EdgeProcess
from tests.laws import lawful

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

CONFIG = """
    edge: {{id: pi, backend: sim}}
    mqtt:
      broker: {broker}
      subscribe: {sources}
    devices:
      fan: {{driver: relay, pin: 27, safe: "off", remote_set: true}}
    tasks:
      count: {{run: "./tasks.py:count", when: {{source: plant}}}}
    journal: {{path: ./journal}}
    upstream: {{kind: mqtt, broker: "{broker}", topic: up/outcomes}}
    metrics: {{listen: "127.0.0.1:{port}"}}
"""
TASKS = """
    @task
    def count(event: Event, ctx: Context) -> int:
        return event.values["n"]
"""
PLANT, OLD = "plant: {topic: plant/#}", "old: {topic: old/#}"

BAD = {
    "empty": b"",
    "malformed": b'{"n": 1',
    "not_json": b"\xff\xfe\x00",
    "too_large": b'{"n": "' + b"x" * 1_000_000 + b'"}',
    "too_deep": b"[" * 5_000 + b"]" * 5_000,
    "too_many_digits": b'{"n": ' + b"9" * 301 + b"}",
    "not_finite": b'{"n": NaN}',
}


class Site:
    """One broker for everything, so that it sees every acknowledgement."""

    def __init__(self, broker: Mosquitto, make: Callable[[str, str], EdgeProcess]) -> None:
        self.broker = broker
        self.port = free_port()
        self.edge = make(self.config(PLANT), TASKS)
        self.consumer = Consumer(broker.port, "up/outcomes")
        self.someone = Someone(broker.port)

    def config(self, *sources: str) -> str:
        return CONFIG.format(broker=self.broker.url, port=self.port, sources=f"{{{', '.join(sources)}}}")

    def start(self) -> None:
        before = self._subscriptions
        self.edge.start()
        until(lambda: self._subscriptions > before, 60)

    @property
    def _subscriptions(self) -> int:
        return self._said("Sending SUBACK to edge-pi\n")

    @property
    def _sent(self) -> int:
        return self._said("Sending PUBLISH to edge-pi (d0, q1, ")

    @property
    def _acknowledged(self) -> int:
        return self._said("Received PUBACK from edge-pi ")

    def _said(self, text: str) -> int:
        return self.broker.log.count(text)

    def good(self, number: int) -> None:
        """A message that must become an outcome, whatever came before."""
        self.someone.say("plant/a", b'{"n": %d}' % number)
        self.consumer.until_all([number], 30)

    def received(self, count: int) -> dict[str, object]:
        """The counts of events, when that many have come."""
        until(lambda: self.edge.events["received"] >= count, 60)
        events = self.edge.events
        assert events["received"] == count
        assert lawful(events)
        return events

    def until_acknowledged(self) -> None:
        """The broker has an acknowledgement for all it sent, and another start gets nothing but what is new."""
        until(lambda: self._acknowledged == self._sent, 120, every=0.1)
        assert self.edge.stop() == 0
        self.start()
        self.good(999_999)
        assert self.received(1)["matched"] == 1

    def metric(self, line: str) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return line in answer.read().decode().splitlines()


@pytest.fixture
def site(mosquitto, edge_process):
    made = Site(mosquitto, edge_process)
    yield made
    made.someone.leave()
    made.consumer.leave()


def test_what_cannot_be_an_event_is_counted_explained_and_acknowledged_and_the_next_message_is_not(site):
    site.start()
    for number, payload in enumerate(BAD.values()):
        site.someone.say("plant/a", payload)
        site.good(number)
    events = site.received(2 * len(BAD))

    assert events["rejected"] == dict.fromkeys(BAD, 1)
    assert events["matched"] == len(BAD)
    for reason in BAD:
        assert site.metric(f'edge_events_rejected_total{{reason="{reason}"}} 1')
        assert re.search(rf"message rejected \({reason}, 1 so far\): .*plant/a", site.edge.log)
    assert site.edge.ask("status")["degraded"] == []
    site.until_acknowledged()


def test_a_flood_of_it_is_not_a_flood_of_log_lines_and_loses_no_good_message(site, pytestconfig):
    count = pytestconfig.getoption("bad_runs")
    small = {reason: payload for reason, payload in BAD.items() if reason != "too_large"}  # the broker saves them all
    site.start()
    for number in range(count):
        site.someone.client.publish("plant/a", b'{"n": %d}' % number, 1)
        for payload in small.values():
            site.someone.client.publish("plant/a", payload, 1)
    site.consumer.until_all(range(count))
    events = site.received(count * (1 + len(small)))

    assert events["matched"] == count
    assert events["rejected"] == dict.fromkeys(small, count)
    assert site.edge.log.count("message rejected") < 12 * len(BAD)
    site.until_acknowledged()


def test_a_retained_command_is_not_obeyed_and_one_that_comes_now_is(site):
    site.someone.say("edge/pi/fan/on/set", b"true", retain=True)
    site.start()
    assert site.received(1)["rejected"] == {"retained_command": 1}
    assert site.edge.ask("read", device="fan")["values"] == {"on": False}

    site.someone.say("edge/pi/fan/on/set", b"true")
    until(lambda: site.edge.ask("read", device="fan")["values"] == {"on": True})
    assert "retained commands are not obeyed" in site.edge.log


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("edge/pi/fan/on/set", b"sideways", "command_refused"),
        ("edge/pi/fan/on/set", b"", "bad_command"),
        ("edge/pi/fan/on/set", b"1" * 5000, "bad_command"),
    ],
)
def test_a_command_that_makes_no_sense_is_a_rejection_with_its_reason(site, topic, payload, reason):
    site.start()
    site.someone.say(topic, payload)
    events = site.received(1)

    assert events["rejected"] == {reason: 1}
    assert "edge/pi/fan/on/set" in site.edge.log or "fan/on/set" in site.edge.log
    assert site.edge.ask("read", device="fan")["values"] == {"on": False}
    site.until_acknowledged()


def test_a_topic_that_only_the_broker_remembers_is_rejected_and_acknowledged(site):
    site.edge.configure(site.config(PLANT, OLD))
    site.start()
    assert site.edge.stop() == 0
    site.edge.configure(site.config(PLANT))
    site.start()
    site.someone.say("old/press", b'{"n": 1}')
    events = site.received(1)

    assert events["rejected"] == {"no_source": 1}
    assert "no source listens to old/press" in site.edge.log
    site.until_acknowledged()
