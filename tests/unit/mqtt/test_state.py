"""Live values on the broker."""

from __future__ import annotations

import pytest

from edge.ingest.state import LiveState


@pytest.fixture
def state(gateway):
    return LiveState(gateway.link, "pi")


def published(gateway):
    return [(message.topic, message.payload) for message in gateway.broker.messages if "status" not in message.topic]


def test_a_change_is_published_retained_and_only_a_change(gateway, state):
    for value in (21.5, 21.5, 22.0):
        state.set("workshop", "temperature", value)
        state.step()
        gateway.step()

    topic = "edge/pi/workshop/temperature"
    assert published(gateway) == [(topic, b"21.5"), (topic, b"22.0")]
    assert gateway.broker.retained[topic].payload == b"22.0"


def test_only_the_latest_value_is_worth_sending(gateway, state):
    for value in (1, 2, 3):
        state.set("workshop", "temperature", value)
    state.step()

    assert [payload for _, payload in published(gateway)] == [b"3"]


def test_what_changed_while_the_link_was_down_is_sent_when_it_is_up(gateway, state):
    gateway.broker.online = False
    gateway.step()
    state.set("door", "open", True)
    state.step()
    assert published(gateway) == []

    gateway.broker.online = True
    gateway.reconnect()
    state.step()

    assert published(gateway) == [("edge/pi/door/open", b"true")]


def test_while_a_value_is_under_way_the_next_ones_wait_and_the_latest_goes(gateway, state):
    state.set("workshop", "temperature", 1)
    state.step()
    for value in (2, 3, 4):
        state.set("workshop", "temperature", value)
        state.step()
    gateway.step()
    state.step()

    assert [payload for _, payload in published(gateway)] == [b"1", b"4"]
    state.set("workshop", "temperature", 5)
    state.step()
    assert [payload for _, payload in published(gateway)] == [b"1", b"4"]
    gateway.step()
    state.step()
    assert [payload for _, payload in published(gateway)] == [b"1", b"4", b"5"]


def test_a_topic_the_broker_forbids_is_left_alone_and_named(gateway, state):
    gateway.broker.refuse("edge/pi/door/#", 0x87, "Not authorized")
    state.set("door", "open", True)
    state.step()
    gateway.step()
    state.set("door", "open", False)
    state.set("workshop", "temperature", 1)
    for _ in range(3):
        state.step()
        gateway.step()

    assert state.refused == {"edge/pi/door/open": "Not authorized"}
    assert [topic for topic, _ in published(gateway)] == ["edge/pi/workshop/temperature"]


def test_more_channels_than_the_broker_takes_at_once_all_arrive(make_gateway, broker):
    broker.receive_maximum = 3
    gateway = make_gateway()
    gateway.step()
    state = LiveState(gateway.link, "pi")
    for number in range(10):
        state.set("rack", f"t{number}", number)
    for _ in range(15):
        state.step()
        gateway.step()

    assert sorted(int(payload) for _, payload in published(gateway)) == list(range(10))


def test_a_topic_that_costs_two_connections_is_left_alone(gateway, state):
    take = gateway.broker.take

    def strict(link, message):
        if message.topic.startswith("edge/pi/door"):
            gateway.broker.cut()
        return take(link, message)

    gateway.broker.take = strict
    state.set("door", "open", True)
    state.set("workshop", "temperature", 1)
    for _ in range(10):
        state.step()
        gateway.reconnect()

    assert list(state.refused) == ["edge/pi/door/open"]
    assert ("edge/pi/workshop/temperature", b"1") in published(gateway)
    assert gateway.link.session is not None
