"""What comes for apps: past the inbox, byte for byte, acknowledged when it was answered."""

from __future__ import annotations

import pytest

from edge.ingest.mqtt import Arrival, Door

LARGEST = 2000


class Hall:
    """What came through the door, in order."""

    def __init__(self) -> None:
        self.came: list[tuple[str, Arrival]] = []

    @property
    def door(self) -> Door:
        return Door(lambda name, arrival: self.came.append((name, arrival)), LARGEST)

    @property
    def payloads(self) -> list[bytes]:
        return [arrival.message.payload for _, arrival in self.came]


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.mark.parametrize("qos", [0, 1])
def test_what_is_for_an_app_goes_past_the_inbox_as_it_is(make_gateway, hall, qos):
    gateway = make_gateway(door=hall.door)
    gateway.broker.publish("edge/pi/apps/watch/set", b'{"a":  1}\xff', qos=qos)
    gateway.step()

    [(name, arrival)] = hall.came
    assert (name, arrival.message.payload, arrival.fault) == ("watch", b'{"a":  1}\xff', None)
    assert not gateway.inbox
    assert not gateway.lossy


def test_it_is_acknowledged_when_it_was_settled_and_in_its_turn(make_gateway, hall):
    gateway = make_gateway(door=hall.door)
    gateway.broker.publish("edge/pi/apps/watch/set", b"1")
    gateway.broker.publish("plant/a", b"2")
    gateway.step()
    gateway.take()
    assert gateway.unacknowledged() == 2

    hall.came[0][1].settle()
    gateway.step()
    assert gateway.unacknowledged() == 0


def test_what_is_too_large_comes_without_its_bytes_and_says_so(make_gateway, hall):
    gateway = make_gateway(door=hall.door)
    gateway.broker.publish("edge/pi/apps/watch/set", b"x" * LARGEST)
    gateway.broker.publish("edge/pi/apps/watch/set", b"x" * (LARGEST + 1))
    gateway.step()

    assert [len(payload) for payload in hall.payloads] == [LARGEST, 0]
    assert hall.came[1][1].fault.reason == "too_large"


def test_a_repeat_of_what_was_acknowledged_says_so(make_gateway, hall):
    gateway = make_gateway(door=hall.door)
    gateway.broker.publish("edge/pi/apps/watch/set", b"1")
    gateway.step()
    [(_, first)] = hall.came
    first.settle()
    gateway.source.step()  # acknowledged, and the broker did not hear it
    gateway.broker._clients["edge-pi"].unacknowledged[first.message.packet_id] = first.message
    gateway.broker.cut()
    gateway.reconnect()

    assert hall.came[-1][1].fault.reason == "duplicate"


@pytest.mark.parametrize(
    "topic", ["edge/pi/apps/Watch/set", "edge/pi/apps/a/b/set", f"edge/pi/apps/{'a' * 65}/set", "edge/no/apps/a/set"]
)
def test_what_names_no_app_does_not_come_through(make_gateway, hall, topic):
    gateway = make_gateway(door=hall.door, subscribe={"all": {"topic": "#"}})
    gateway.broker.publish(topic, b"1")
    gateway.step()
    assert hall.came == []
    assert topic in [arrival.message.topic for arrival in gateway.inbox]


def test_without_a_door_nobody_listens(make_gateway):
    gateway = make_gateway()
    gateway.broker.publish("edge/pi/apps/watch/set", b"1")
    gateway.step()
    assert not gateway.inbox
    assert gateway.unacknowledged() == 0
