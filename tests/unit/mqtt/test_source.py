"""What becomes of a message between the broker and the pipeline."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import PayloadError
from edge.ingest.mqtt import Arrival
from edge.links.link import Message
from edge.model import EventKind
from edge.testing.broker import FakeBroker
from edge.testing.clock import START, VirtualClock
from tests.unit.mqtt.gateway import Gateway


def reason_of(arrival: Arrival) -> str:
    with pytest.raises(PayloadError) as refused:
        arrival.events()
    return refused.value.reason


def test_a_message_becomes_an_event_of_its_source(gateway):
    gateway.clock.advance(5)
    gateway.broker.publish("plant/a/vibration", b'{"rms": 4.5}', properties=(("correlation_id", "pi:1"), ("hops", "2")))
    gateway.step()
    gateway.clock.advance(5)

    [event] = gateway.inbox[0].events()

    assert (event.source, event.kind, event.topic) == ("plant", EventKind.MESSAGE, "plant/a/vibration")
    assert event.values == {"rms": 4.5}
    assert (event.time, event.monotonic) == (START + 5, 5)  # when it came, not when it was looked at
    assert (event.correlation_id, event.hops) == ("pi:1", 2)
    assert event.payload is None
    assert event.id.startswith("pi:")


@pytest.mark.parametrize("hops", ["-1", "two", "1" * 10, "\N{SUPERSCRIPT TWO}"])
def test_hops_that_are_no_number_count_as_none(gateway, hops):
    gateway.broker.publish("plant/a", b"1", properties=(("hops", hops),))
    gateway.step()

    [event] = gateway.inbox[0].events()
    assert event.hops == 0


def test_quality_of_service_0_is_pushed_and_never_recognised_again(make_gateway):
    gateway = make_gateway(subscribe={"plant": {"topic": "plant/#", "qos": 0}})
    gateway.broker.publish("plant/a", b"1")
    gateway.step()

    [arrival] = gateway.lossy
    assert arrival.delivery is None
    arrival.settle()
    gateway.step()


# -- acknowledgements -------------------------------------------------------------------------------------------------


def test_nothing_is_acknowledged_before_it_is_settled(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    assert gateway.unacknowledged() == 1

    gateway.inbox[0].settle()
    gateway.step()

    assert gateway.unacknowledged() == 0


@given(st.permutations(range(6)))
@settings(deadline=None, max_examples=60)
def test_acknowledgements_leave_in_the_order_of_arrival_whatever_settles_first(order):
    clock = VirtualClock()
    gateway = Gateway(FakeBroker(clock), clock)
    gateway.step()
    sent: list[int] = []
    gateway.link.ack = sent.append
    for number in range(6):
        gateway.broker.publish("plant/a", b"%d" % number)
    gateway.step()
    arrivals = list(gateway.inbox)
    settled: set[int] = set()
    for index in order:
        arrivals[index].settle()
        settled.add(index)
        gateway.source.step()
        prefix = len(list(itertools.takewhile(settled.__contains__, range(6))))

        assert sent == [arrival.message.packet_id for arrival in arrivals[:prefix]]


def test_what_is_settled_after_its_connection_ended_is_not_acknowledged_on_the_next(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    [arrival] = gateway.inbox
    gateway.broker.remembers = False
    gateway.broker.cut()
    gateway.reconnect()
    gateway.broker.publish("plant/a", b"2")  # a new session begins with the same packet id
    gateway.step()

    arrival.settle()
    gateway.step()

    assert gateway.unacknowledged() == 1


# -- repeats ----------------------------------------------------------------------------------------------------------


def test_a_repeat_of_what_is_being_worked_on_waits_for_the_original(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    gateway.broker.cut()
    gateway.reconnect()
    [original] = gateway.inbox  # not offered a second time
    assert gateway.unacknowledged() == 1

    original.settle()
    gateway.step()

    assert gateway.unacknowledged() == 0


def test_a_repeat_of_what_was_settled_while_the_link_was_down_is_acknowledged_at_once(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    gateway.broker.cut()
    gateway.step()
    gateway.inbox.popleft().settle()
    gateway.reconnect()

    assert not gateway.inbox
    assert gateway.unacknowledged() == 0


def test_a_repeat_of_what_was_acknowledged_in_vain_is_a_duplicate(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    gateway.inbox.popleft().settle()
    gateway.link.broken = True  # the acknowledgement is sent into a connection that is gone
    gateway.source.step()
    gateway.broker.cut()
    gateway.reconnect()

    assert reason_of(gateway.inbox[0]) == "duplicate"


def test_after_a_crash_the_journal_recognises_the_repeat_and_nothing_else(gateway, make_gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.broker.publish("plant/a", b"2")
    gateway.step()
    durable = gateway.inbox[0].delivery
    after = make_gateway(known={durable.packet_id: durable.digest})

    assert reason_of(after.inbox[0]) == "duplicate"
    assert after.inbox[1].events()[0].values == {"value": 2}


def test_equal_content_is_never_a_reason(gateway):
    for _ in range(3):
        gateway.broker.publish("plant/a", b"1")
    gateway.step()

    assert len(gateway.take()) == 3


def test_the_same_packet_id_with_other_content_is_another_message(gateway, make_gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    durable = gateway.inbox[0].delivery
    after = make_gateway(known={durable.packet_id: durable.digest ^ 1})

    assert after.inbox[0].events()[0].values == {"value": 1}


def test_without_a_session_nothing_is_guessed_and_the_journal_is_told(gateway, make_gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    durable = gateway.inbox[0].delivery
    gateway.broker.remembers = False
    after = make_gateway(known={durable.packet_id: durable.digest})
    assert after.forgotten == 1

    after.source.arrived(Message("plant/a", b"1", 1, False, True, durable.packet_id))

    assert after.inbox[0].events()[0].values == {"value": 1}


def test_a_new_session_does_not_know_what_the_old_one_was_working_on(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    gateway.broker.remembers = False
    gateway.broker.cut()
    gateway.reconnect()
    gateway.source.arrived(Message("plant/a", b"1", 1, False, True, gateway.inbox[0].message.packet_id))

    assert len(gateway.inbox) == 2


def test_a_packet_id_that_comes_with_a_new_message_forgets_the_old_one(make_gateway, gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    delivery = gateway.inbox[0].delivery
    after = make_gateway(known={delivery.packet_id: delivery.digest})
    after.inbox.clear()
    after.source.arrived(Message("plant/a", b"other", 1, False, False, delivery.packet_id))
    after.inbox.clear()
    after.source._working.clear()

    after.source.arrived(Message("plant/a", b"1", 1, False, True, delivery.packet_id))

    assert after.inbox[0].events()[0].values == {"value": 1}


@pytest.mark.parametrize("key", [{"property": "message-id"}, {"field": "n"}])
def test_a_source_may_name_what_tells_its_messages_apart(make_gateway, key):
    gateway = make_gateway(subscribe={"plant": {"topic": "plant/#", "dedupe": key}})
    for number in (1, 2, 1):
        properties = (("message-id", str(number)),)
        gateway.broker.publish("plant/a", b'{"n": %d}' % number, properties=properties)
    gateway.broker.publish("plant/a", b"{}")
    gateway.broker.publish("plant/a", b"{}")
    gateway.step()

    assert [event.values.get("n") for event in gateway.take()] == [1, 2, None, None]


# -- a full inbox -----------------------------------------------------------------------------------------------------


def test_a_full_inbox_holds_the_connection_off_until_it_has_drained_and_loses_nothing(gateway):
    gateway.room = 10
    for number in range(35):
        gateway.broker.publish("plant/a", b"%d" % number)
    connections: list[object] = []
    gateway.link.listen(connections.append)
    gateway.step()
    assert len(gateway.inbox) == 10
    assert gateway.link.session is None
    gateway.clock.advance(60)
    gateway.step()
    assert connections == []  # still crowded

    values = []
    for _ in range(10):
        values += [event.values["value"] for event in gateway.take()]
        gateway.reconnect()

    assert values == list(range(35))
    assert gateway.unacknowledged() == 0


def test_nothing_is_taken_behind_a_message_that_was_refused(gateway):
    gateway.room = 1
    for number in (1, 2):
        gateway.source.arrived(Message("plant/a", b"%d" % number, 1, False, False, number))
    gateway.inbox.clear()
    gateway.source.arrived(Message("plant/a", b"3", 1, False, False, 3))

    assert not gateway.inbox


def test_a_draining_gateway_takes_nothing_more_and_acknowledges_what_it_has(gateway):
    gateway.broker.publish("plant/a", b"1")
    gateway.step()
    gateway.source.drain()
    gateway.broker.publish("plant/a", b"2")
    gateway.step()
    gateway.inbox.popleft().settle()
    gateway.step()

    assert not gateway.inbox
    assert gateway.unacknowledged() == 1


@pytest.mark.parametrize(("version", "times"), [("5", 2), ("3.1.1", 1)])
def test_a_session_that_is_remembered_is_not_subscribed_again_where_that_would_repeat_retained_messages(
    make_gateway, broker, version, times
):
    broker.version = version
    gateway = make_gateway()
    subscribed = [1]
    subscribe = gateway.link.subscribe
    gateway.link.subscribe = lambda *more: (subscribed.append(1), subscribe(*more))
    broker.cut()
    gateway.reconnect()

    assert len(subscribed) == times


# -- sources ----------------------------------------------------------------------------------------------------------


def test_a_message_two_sources_want_is_one_message_and_two_events(make_gateway):
    gateway = make_gateway(subscribe={"one": {"topic": "plant/a"}, "all": {"topic": "plant/#"}})
    gateway.broker.publish("plant/a", b"1")
    gateway.step()

    [arrival] = gateway.inbox
    assert [event.source for event in arrival.events()] == ["one", "all"]


def test_sources_of_which_neither_covers_the_other_are_warned_of(make_gateway, caplog):
    make_gateway(subscribe={"one": {"topic": "plant/+/rms"}, "two": {"topic": "plant/press/+"}})

    assert "may come twice" in caplog.text


def test_a_message_one_of_two_sources_can_use_is_used(make_gateway):
    sources = {"small": {"topic": "plant/a", "max_payload": "4B"}, "all": {"topic": "plant/#"}}
    gateway = make_gateway(subscribe=sources)
    gateway.broker.publish("plant/a", b"123456")
    gateway.step()

    assert [event.source for event in gateway.take()] == ["all"]


def test_a_topic_no_source_names_is_refused_and_acknowledged(gateway):
    gateway.broker._clients["edge-pi"].filters["old/#"] = 1  # of an earlier configuration, remembered by the broker
    gateway.broker.publish("old/a", b"1")
    gateway.step()

    assert reason_of(gateway.inbox[0]) == "no_source"
    assert gateway.take() == []
    assert gateway.unacknowledged() == 0


def test_what_is_too_large_does_not_wait_in_the_inbox(gateway):
    gateway.broker.publish("plant/a", bytes(1_000_000))
    gateway.step()

    assert gateway.inbox[0].message.payload == b""
    assert reason_of(gateway.inbox[0]) == "too_large"


def test_bytes_are_for_those_who_ask(make_gateway):
    gateway = make_gateway(raw={"plant"})
    for payload in (b"\x00\x01", b"{broken", b'{"a": 1}'):
        gateway.broker.publish("plant/a", payload)
    gateway.step()

    assert [(event.payload, event.values) for event in gateway.take()] == [
        (b"\x00\x01", {}),
        (b"{broken", {}),
        (b'{"a": 1}', {"a": 1}),
    ]


def test_bytes_are_refused_where_nobody_asks(gateway):
    gateway.broker.publish("plant/a", b"\x00\x01")
    gateway.step()

    assert reason_of(gateway.inbox[0]) == "not_json"


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def commanded(make_gateway):
    done: list[tuple[str, str, object]] = []

    def command(device: str, channel: str, value: object) -> None:
        if value == "explode":
            raise PayloadError("command_refused", "it does not do that")
        done.append((device, channel, value))

    gateway = make_gateway(commands=["fan"], command=command)
    gateway.done = done
    return gateway


@pytest.mark.parametrize(("payload", "value"), [(b"true", True), (b"0.5", 0.5), (b'"on"', "on"), (b"on", "on")])
def test_a_command_is_carried_out_when_it_is_its_turn(commanded, payload, value):
    commanded.broker.publish("edge/pi/fan/state/set", payload)
    commanded.step()
    assert commanded.done == []

    assert commanded.inbox[0].events() == ()
    assert commanded.done == [("fan", "state", value)]


def test_a_retained_command_is_never_obeyed(make_gateway, broker):
    done: list[object] = []
    broker.publish("edge/pi/fan/state/set", b"true", retain=True)
    gateway = make_gateway(commands=["fan"], command=lambda *command: done.append(command))

    assert reason_of(gateway.inbox[0]) == "retained_command"
    assert done == []


@pytest.mark.parametrize(("payload", "reason"), [(b"explode", "command_refused"), (b"", "bad_command")])
def test_a_command_that_cannot_be_carried_out_is_refused(commanded, payload, reason):
    commanded.broker.publish("edge/pi/fan/state/set", payload)
    commanded.step()

    assert reason_of(commanded.inbox[0]) == reason


def test_a_device_that_may_not_be_set_from_outside_has_no_command_topic(commanded):
    commanded.source.arrived(Message("edge/pi/heater/state/set", b"true", 1, False, False, 1))

    assert reason_of(commanded.inbox[0]) == "no_source"


# -- totality ---------------------------------------------------------------------------------------------------------


@given(st.text(max_size=20), st.binary(max_size=40), st.integers(0, 1), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=100)
def test_any_message_becomes_events_or_one_explained_refusal(topic, payload, qos, dup, retain):
    clock = VirtualClock()
    gateway = Gateway(FakeBroker(clock), clock, commands=["fan"], command=lambda *command: None)
    gateway.step()
    for where in (topic, f"plant/{topic}", f"edge/pi/fan/{topic}"):
        gateway.source.arrived(Message(where, payload, qos, retain, dup, 5 * qos, (("hops", topic),)))
    for arrival in (*gateway.inbox, *gateway.lossy):
        with contextlib.suppress(PayloadError):  # anything else is a bug
            arrival.events()


def test_that_a_session_is_gone_is_told_again_when_the_journal_could_not_take_it(gateway, broker):
    told = gateway.forgotten
    refusals = [OSError("the disk is full")]

    def forget():
        if refusals:
            raise refusals.pop()
        gateway.forgotten += 1

    gateway.source._forget = forget
    broker.remembers = False
    broker.cut()
    gateway.reconnect()
    broker.remembers = True
    gateway.reconnect()

    assert gateway.link.session.present
    assert gateway.forgotten == told + 1
