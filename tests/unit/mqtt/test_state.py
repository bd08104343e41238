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

    topic = "edge/pi/workshop/temperature"
    assert published(gateway) == [(topic, b"21.5"), (topic, b"22.0")]
    assert gateway.broker.retained[topic].qos == 0


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
