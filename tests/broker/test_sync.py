"""Sync over a real Mosquitto: restarts, silence, refusals, and a network that fails half-way."""

from __future__ import annotations

import random

import pytest

from edge.envelope import unpack
from edge.model import Verdict
from edge.sync.couriers import OutcomeCourier, PublishCourier
from edge.sync.sync import Sync, SyncState
from edge.telemetry import Telemetry
from tests.broker.conftest import Gateway, Listener, quick
from tests.broker.mosquitto import Someone, until
from tests.broker.proxy import Proxy
from tests.unit.sync.conftest import ListOutbox

pytestmark = pytest.mark.broker

TOPIC = "edge/pi/outcomes"


class Shipper(Gateway):
    """A gateway that has only its upstream."""

    def __init__(self, url: str, *, batch: int = 1, window: int = 64, **settings: object) -> None:
        super().__init__(url, client_id="edge-pi-up-default", **settings)
        self.outbox = ListOutbox()
        courier = OutcomeCourier(self.link, TOPIC, window=window, batch=batch)
        self.sync = Sync("default", self.outbox, courier, clock=self.clock, backoff=quick(), telemetry=Telemetry())
        self.before_step.append(self.sync.step)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.outbox.add()

    def ship(self, seconds: float = 30.0) -> None:
        self.drive(lambda: self.outbox.backlog("default") == 0, seconds)


def ids(consumer: Someone) -> list[str]:
    return [envelope["id"] for _, payload in consumer.heard for envelope in unpack(payload)]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_backlog_arrives_complete_and_in_order(mosquitto, batch, version):
    shipper = Shipper(mosquitto.url, batch=batch, version=version)
    shipper.add(2000)
    with Someone(mosquitto.port, TOPIC) as consumer:
        shipper.ship()
        until(lambda: len(ids(consumer)) == 2000)

    assert ids(consumer) == [f"pi:{number}" for number in range(1, 2001)]
    if version == "5":
        details = consumer.details[0]
        assert details["properties"] == {"replayed": "true"}
        kind = "application/cloudevents-batch+json" if batch > 1 else "application/cloudevents+json"
        assert details["content_type"] == kind


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_outcomes_survive_restarts_of_the_upstream_and_are_settled_once(mosquitto, how):
    shipper = Shipper(mosquitto.url, batch=10)
    heard: list[str] = []
    for _ in range(3):
        with Someone(mosquitto.port, TOPIC) as consumer:
            shipper.connect()
            shipper.add(500)
            shipper.drive(lambda: shipper.outbox.backlog("default") < 300)
            getattr(mosquitto, how)()
            heard += ids(consumer)
        shipper.drive(lambda: shipper.link.session is None)
        mosquitto.start()
    with Someone(mosquitto.port, TOPIC) as consumer:
        shipper.ship()
        shipper.drive_for(0.2)
        heard += ids(consumer)

    assert shipper.outbox.verdicts(Verdict.DELIVERED) == list(range(1, 1501))
    if how == "stop":  # it sends on what it has acknowledged before it goes
        assert set(heard) == {f"pi:{number}" for number in range(1, 1501)}


def test_an_upstream_that_hangs_is_left_and_what_it_did_not_answer_is_sent_again(mosquitto):
    shipper = Shipper(mosquitto.url, keepalive="1s", batch=10)
    shipper.connect()
    mosquitto.hang()
    shipper.add(100)
    shipper.drive(lambda: shipper.link.session is None, 10)
    assert shipper.outbox.settled == {}

    mosquitto.go_on()
    shipper.ship()

    assert shipper.outbox.verdicts(Verdict.DELIVERED) == list(range(1, 101))


def test_a_topic_the_broker_forbids_is_a_state_with_the_remedy_and_loses_nothing(start_mosquitto, tmp_path):
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    broker = start_mosquitto("allow_anonymous true", f"acl_file {rules}")
    shipper = Shipper(broker.url)
    shipper.add(3)
    shipper.drive(lambda: shipper.sync.report().state is SyncState.WAITING)
    assert "access rules" in shipper.sync.report().last_error
    assert shipper.outbox.settled == {}

    rules.write_text("topic readwrite #\n")
    broker.stop()
    broker.start()

    shipper.ship()


def test_a_message_too_large_for_the_broker_is_dead_and_the_rest_arrives(start_mosquitto):
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 20000")
    shipper = Shipper(broker.url, batch=100)
    shipper.add(50)
    shipper.outbox.add(size=30_000)
    shipper.add(50)
    with Someone(broker.port, TOPIC) as consumer:
        shipper.ship()
        until(lambda: len(ids(consumer)) == 100)

    assert shipper.outbox.verdicts(Verdict.DEAD) == [51]


def test_the_broker_s_window_is_never_overrun(start_mosquitto):
    broker = start_mosquitto("allow_anonymous true", "max_inflight_messages 7")
    shipper = Shipper(broker.url, window=64)
    shipper.add(500)
    shipper.connect()
    assert shipper.link.session.receive_maximum == 7

    shipper.ship()

    assert shipper.link.session.number == 1
    assert shipper.outbox.verdicts(Verdict.DELIVERED) == list(range(1, 501))


def test_a_half_open_connection_is_noticed_and_replaced(mosquitto):
    with Proxy(mosquitto.port) as proxy:
        shipper = Shipper(f"mqtt://127.0.0.1:{proxy.port}", keepalive="1s")
        shipper.connect()
        proxy.stall()  # packets vanish, nobody says so
        shipper.add(10)
        shipper.drive(lambda: shipper.link.session is None, 10)
        proxy.flow()
        shipper.ship()

    assert shipper.outbox.verdicts(Verdict.DELIVERED) == list(range(1, 11))


def test_through_many_cuts_every_outcome_arrives(mosquitto):
    dice = random.Random(5)
    with Proxy(mosquitto.port) as proxy, Someone(mosquitto.port, TOPIC) as consumer:
        shipper = Shipper(f"mqtt://127.0.0.1:{proxy.port}", batch=5)
        for _ in range(15):
            shipper.add(100)
            shipper.drive_for(dice.random() * 0.2)
            proxy.cut()
        shipper.ship()
        until(lambda: len(set(ids(consumer))) == 1500)

    assert shipper.outbox.verdicts(Verdict.DELIVERED) == list(range(1, 1501))


def test_what_runs_publish_travels_on_the_ingest_link_and_is_not_heard_by_ourselves(mosquitto):
    gateway = Listener(mosquitto.url)
    outbox = ListOutbox()
    sync = Sync(
        "@publish",
        outbox,
        PublishCourier(gateway.link),
        clock=gateway.clock,
        backoff=quick(),
        telemetry=Telemetry(),
    )
    gateway.before_step.append(sync.step)
    gateway.listen()
    with Someone(mosquitto.port, "plant/#") as watcher:
        outbox.add_publish("plant/fan", {"on": True})
        gateway.drive(lambda: outbox.backlog("@publish") == 0)
        until(lambda: watcher.heard)
        gateway.drive_for(0.2)

    assert watcher.heard == [("plant/fan", b'{"on":true}')]
    assert watcher.details[0]["properties"]["hops"] == "1"
    assert not gateway.inbox
