"""What is promised of messages is promised of those of devices: acknowledged in order when settled, taken once, never
dropped at QoS 1."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers import MqttDevice, Reading, find
from drivers.wires.mqtt import Said
from edge.config.models import Broker
from edge.errors import PayloadError
from edge.ids import Minter
from edge.ingest.mail import Mail
from edge.links.commands import Commands
from edge.telemetry import Telemetry
from edge.testing.broker import FakeBroker
from edge.testing.clock import VirtualClock
from tests.unit.mqtt.gateway import Gateway

STATE = "tank-node/sensor/level/state"


@dataclass
class Tank:
    """A configured node; what was told of it."""

    name: str = "tank"
    backend: str = "real"

    def feed(self) -> MqttDevice:
        node = find("esphome").build(None, "tank-node", channels="sensor/level=mm")  # type: ignore[arg-type]
        assert isinstance(node, MqttDevice)
        node.fed = True
        return node


@pytest.fixture
def mail(clock: VirtualClock) -> Mail:
    return Mail(
        [Tank()],
        Commands(),
        clock=clock,
        offer=lambda incoming: None,
        minter=Minter("pi", clock, random.Random(1)),
        telemetry=Telemetry(),
        on_news=lambda name, reading, known: None,
    )


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway], mail: Mail) -> Gateway:
    return make_gateway(devices=mail.topics)


def test_a_reading_is_acknowledged_when_what_it_started_is_durable(gateway: Gateway, broker: FakeBroker) -> None:
    broker.publish(STATE, "812.5")
    gateway.step()

    arrival = gateway.inbox.popleft()
    [event] = arrival.events()
    assert (event.source, event.values, event.topic) == ("tank", {"level": 812.5}, None)
    gateway.step()
    assert gateway.unacknowledged() == 1
    arrival.settle()
    gateway.step()
    assert gateway.unacknowledged() == 0


def test_readings_and_messages_are_acknowledged_in_the_order_in_which_they_came(
    gateway: Gateway, broker: FakeBroker
) -> None:
    broker.publish("plant/a", "1")
    broker.publish(STATE, "2")
    gateway.step()
    message, reading = gateway.inbox

    reading.settle()
    gateway.step()
    assert gateway.unacknowledged() == 2
    message.settle()
    gateway.step()
    assert gateway.unacknowledged() == 0


def test_a_reading_that_was_accepted_before_the_crash_is_not_taken_again(
    make_gateway: Callable[..., Gateway], mail: Mail, broker: FakeBroker
) -> None:
    first = make_gateway(devices=mail.topics)
    broker.publish(STATE, "812.5")
    first.step()
    delivery = first.inbox[0].delivery
    assert delivery is not None
    broker.cut()

    second = make_gateway(devices=mail.topics, known={delivery.packet_id: delivery.digest})
    second.step()
    repeats = [arrival for arrival in second.inbox if arrival.message.dup]
    assert len(repeats) == 1
    with pytest.raises(PayloadError, match="delivered again"):
        repeats[0].events()


def test_a_full_inbox_gives_the_connection_up_instead_of_the_reading(gateway: Gateway, broker: FakeBroker) -> None:
    gateway.room = 2
    for level in range(5):
        broker.publish(STATE, str(level))
    gateway.step()
    assert len(gateway.inbox) == 2
    assert gateway.link.session is None

    seen = [event.values["level"] for event in gateway.take()]
    for _ in range(4):
        gateway.clock.advance(1)
        gateway.step()
        seen += [event.values["level"] for event in gateway.take()]

    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_is_not_sent_at_qos_1_takes_the_way_of_readings(gateway: Gateway, broker: FakeBroker) -> None:
    broker.publish(STATE, "812.5", qos=0)
    gateway.step()

    assert not gateway.inbox
    assert [event.values for event in gateway.take()] == [{"level": 812.5}]


def test_a_device_is_subscribed_to_topic_by_topic_and_anew_at_each_connection(
    gateway: Gateway, broker: FakeBroker
) -> None:
    assert set(broker._clients["edge-pi"].filters) == {"plant/#", "tank-node/status", STATE}
    broker.publish("tank-node/status", "online", retain=True)
    gateway.step()
    gateway.take()
    broker.cut()
    gateway.reconnect()

    assert [arrival.message.topic for arrival in gateway.inbox] == ["tank-node/status"]
    assert gateway.inbox[0].message.retain


def test_a_subscription_that_the_broker_refuses_names_the_device(gateway: Gateway) -> None:
    gateway.source._granted([(STATE, 1)], [0x87])
    assert "check its access rules" in gateway.source.degraded["tank"]

    gateway.source._granted([(STATE, 1)], [1])
    assert gateway.source.degraded == {}


def test_what_one_message_told_is_shown_with_the_last_of_the_rest(clock: VirtualClock) -> None:
    told: list[tuple[Reading, dict[str, float | bool]]] = []

    class Two(Tank):
        def feed(self) -> MqttDevice:
            node = find("esphome").build(None, "tank-node", channels="sensor/level=mm switch/valve")  # type: ignore[arg-type]
            assert isinstance(node, MqttDevice)
            node.fed = True
            return node

    mail = Mail(
        [Two()],
        Commands(),
        clock=clock,
        offer=lambda incoming: None,
        minter=Minter("pi", clock, random.Random(1)),
        telemetry=Telemetry(),
        on_news=lambda name, reading, known: told.append((reading, dict(known))),
    )
    [box] = mail.topics[STATE]
    box.event(Said(STATE, b"5"), 0.0, 0.0)
    box.event(Said("tank-node/switch/valve/state", b"ON"), 0.0, 0.0)

    assert told == [
        (Reading({"level": 5.0}), {"level": 5.0}),
        (Reading({"valve": True}), {"level": 5.0, "valve": True}),
    ]


def test_a_message_on_which_a_driver_fails_is_refused_and_acknowledged(
    gateway: Gateway, mail: Mail, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(topic: str, payload: bytes) -> None:
        raise KeyError("a driver's bug")

    [box] = mail.topics[STATE]
    monkeypatch.setattr(box.device, "take", take)
    broker.publish(STATE, "1")
    gateway.step()

    with pytest.raises(PayloadError, match="a driver's bug"):
        gateway.inbox.popleft().events()
    assert mail.states["tank"].state == "degraded"


@dataclass
class Plug:
    """A configured plug with a safe state."""

    name: str = "plug"
    backend: str = "real"

    def feed(self) -> MqttDevice:
        plug = find("tasmota").build(None, "plug1", safe="off")  # type: ignore[arg-type]
        assert isinstance(plug, MqttDevice)
        plug.fed = True
        return plug


def test_a_safe_state_is_sent_at_every_connection_until_the_broker_once_had_it(clock: VirtualClock) -> None:
    broker = FakeBroker(clock)
    link = broker.link(Broker(broker="mqtt://localhost"), client_id="edge-pi")
    commands = Commands()
    mail = Mail(
        [Plug()],
        commands,
        clock=clock,
        offer=lambda incoming: None,
        minter=Minter("pi", clock, random.Random(1)),
        telemetry=Telemetry(),
        on_news=lambda name, reading, known: None,
    )
    commands.attach(link)
    link.listen(mail.connected, mail.disconnected)

    def sent() -> int:
        return [message.topic for message in broker.messages].count("cmnd/plug1/POWER")

    def connect_and_lose(turns: int) -> None:
        link.retry()
        link.step()
        for _ in range(turns):
            commands.step()
            link.step()
        broker.cut()
        link.step()

    connect_and_lose(0)  # before the word was said
    assert sent() == 0
    for _ in range(3):
        connect_and_lose(4)
    assert sent() == 1


def test_a_driver_that_cannot_greet_its_device_costs_no_connection(
    make_gateway: Callable[..., Gateway], mail: Mail, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> None:
        raise KeyError("a driver's bug")

    [box] = mail.topics[STATE]
    monkeypatch.setattr(box.device, "ask", ask)
    gateway = make_gateway(devices=mail.topics)
    gateway.link.listen(mail.connected, mail.disconnected)
    broker.cut()
    gateway.step()
    gateway.link.retry()
    gateway.step()

    assert gateway.link.session is not None
    assert mail.states["tank"].state == "failed"
