"""The link, packet by packet."""

from __future__ import annotations

import struct

import pytest

from edge.links.link import Message, State, Will
from tests.unit.mqtt.stub import (
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    Bench,
    connack,
    packet,
    puback,
    publish,
    suback,
)

_CLEAN = 0b10


def flags_of(greeting: bytes) -> int:
    return greeting[7]


def version_of(greeting: bytes) -> int:
    return greeting[6]


def test_it_asks_the_broker_to_remember_the_session(bench):
    greeting = bench.connect()

    assert not flags_of(greeting) & _CLEAN
    assert b"\x11" + struct.pack("!I", 86_400) in greeting  # session expiry interval
    assert b"\x21" + struct.pack("!H", 1000) in greeting  # receive maximum


def test_it_asks_for_a_fresh_start_where_no_session_is_wanted(bench):
    bench.link = bench.make_link(keep_session=False)

    assert flags_of(bench.connect()) & _CLEAN


def test_what_the_broker_grants_is_what_the_session_says(bench):
    properties = b"\x21\x00\x0a" + b"\x27\x00\x00\x10\x00" + b"\x13\x00\x14"
    bench.connect(connack(present=True, properties=properties))

    [session] = bench.ups
    assert session.present
    assert (session.receive_maximum, session.maximum_packet_size, session.keepalive) == (10, 4096, 20)


def test_the_will_is_said_by_the_broker_and_the_coming_and_going_by_us(bench):
    bench.link = bench.make_link(will=Will("edge/pi/status"))
    greeting = bench.connect()
    assert b"edge/pi/status" in greeting
    assert greeting.endswith(b"\x00\x07offline")
    bench.link.step(0)
    assert bench.stub.expect(PUBLISH).endswith(b"online")
    assert bench.link.room == 0  # the status goes alone
    bench.stub.send(puback(1))
    bench.step(lambda: bench.link.room)

    bench.link.close()

    assert bench.stub.expect(PUBLISH).endswith(b"offline")
    bench.stub.expect(DISCONNECT)


def test_a_status_that_costs_connections_is_given_up_with_its_will(bench, caplog):
    bench.link = bench.make_link(will=Will("edge/pi/status"))
    for _ in range(2):
        assert b"edge/pi/status" in bench.connect()
        bench.link.step(0)
        bench.stub.expect(PUBLISH)
        bench.stub.hang_up()  # how many brokers say no
        bench.end()
        bench.wait_out()

    assert b"edge/pi/status" not in bench.connect()
    assert bench.link.room == 65_535
    assert "does not take edge/pi/status" in caplog.text


def test_a_status_that_is_refused_is_not_tried_again(bench, caplog):
    bench.link = bench.make_link(will=Will("edge/pi/status"))
    bench.connect()
    bench.link.step(0)
    bench.stub.expect(PUBLISH)
    bench.stub.send(puback(1, 0x87))
    bench.step(lambda: bench.link.room)
    bench.stub.hang_up()
    bench.end()
    bench.wait_out()

    assert b"edge/pi/status" not in bench.connect()
    assert "Not authorized" in caplog.text


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [packet(2, b"\x00\x01"), connack(0x84)], ids=["3.1.1 wording", "5 wording"])
def test_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1_from_then_on(bench, answer):
    assert version_of(bench.greet()) == 5
    bench.stub.send(answer)
    bench.end()
    assert bench.link.standing.state is State.OFFLINE
    for _ in range(2):
        assert version_of(bench.connect(packet(2, b"\x00\x00"))) == 4
        assert bench.link.session.version == "3.1.1"
        bench.stub.hang_up()
        bench.end()
        bench.wait_out()


def test_a_broker_that_hangs_up_twice_without_a_word_gets_one_greeting_in_3_1_1(bench):
    versions = []
    for _ in range(4):
        versions.append(version_of(bench.greet()))
        bench.stub.hang_up()
        bench.end()
        bench.wait_out()

    assert versions == [5, 5, 4, 5]


def test_a_broker_that_does_not_answer_at_all_is_soon_greeted_in_3_1_1(bench):
    assert version_of(bench.greet()) == 5
    bench.clock.advance(4)
    bench.end()
    assert "does not answer" in bench.link.standing.last_error

    assert version_of(bench.connect(packet(2, b"\x00\x00"))) == 4


def test_a_version_that_worked_is_kept_through_silences(bench):
    bench.connect()
    for _ in range(5):
        bench.stub.hang_up()
        bench.end()
        bench.wait_out()
        assert version_of(bench.greet()) == 5


def test_a_version_that_was_asked_for_is_never_changed_and_its_refusal_is_explained(make_bench):
    bench = make_bench(version="5")
    bench.greet()
    bench.stub.send(connack(0x84))
    bench.end()

    assert bench.link.standing.state is State.REFUSED
    assert "version: auto" in bench.link.standing.last_error
    bench.wait_out()
    assert version_of(bench.greet()) == 5


# -- refusals and losses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [(0x85, "edge.id"), (0x86, "check user: and password:"), (0x87, "access rules"), (0x8A, "banned")],
)
def test_a_refusal_that_a_person_must_mend_is_a_state_with_the_remedy_tried_again_slowly(bench, reason, remedy):
    bench.greet()
    bench.stub.send(connack(reason))
    bench.end()

    assert bench.link.standing.state is State.REFUSED
    assert remedy in bench.link.standing.last_error
    bench.wait_out(59)
    bench.link.step(0)
    assert bench.link.standing.state is State.REFUSED
    bench.wait_out(61)
    bench.connect()
    assert bench.link.standing.state is State.CONNECTED


def test_a_broker_that_is_busy_is_tried_again_soon(bench):
    bench.greet()
    bench.stub.send(connack(0x89))
    bench.end()

    assert bench.link.standing.state is State.OFFLINE
    bench.wait_out(30)
    bench.connect()


def test_a_refusal_in_3_1_1_is_explained_as_well(make_bench):
    bench = make_bench(version="3.1.1", user="pi", password="secret")
    bench.greet()
    bench.stub.send(packet(2, b"\x00\x05"))
    bench.end()

    assert bench.link.standing.state is State.REFUSED
    assert "user pi" in bench.link.standing.last_error
    assert "secret" not in bench.link.standing.last_error


def test_a_session_taken_over_says_that_two_gateways_have_one_id(bench):
    bench.connect()
    bench.stub.send(packet(DISCONNECT, b"\x8e\x00"))
    bench.end()

    assert bench.link.standing.state is State.REFUSED
    assert "edge.id of its own" in bench.link.standing.last_error
    assert len(bench.downs) == 1


def test_waits_between_attempts_grow_and_differ(make_bench):
    bench, waits = make_bench(version="5"), []
    for _ in range(8):
        bench.greet()
        bench.stub.hang_up()
        bench.end()
        before = bench.clock.monotonic()
        while bench.link._attempts.left > 0:
            bench.clock.advance(0.1)
        waits.append(bench.clock.monotonic() - before)

    assert all(1.0 <= wait <= 30.2 for wait in waits)
    assert len(set(waits)) > 4
    assert max(waits) > 5


def test_nothing_heard_for_one_and_a_half_keepalives_ends_the_connection(bench):
    bench.connect()
    bench.clock.advance(44)
    bench.link.step(0)
    assert bench.link.session is not None

    bench.clock.advance(2)
    bench.link.step(0)

    assert bench.link.session is None
    assert "nothing heard for 46 s" in bench.downs[0]


@pytest.mark.parametrize(
    "garbage", [b"\xf0\x00", b"\x40\x02\x00", packet(4, b"\x00\x01\x77\x00"), b"\x30\xff\xff\xff\xff\xff"]
)
def test_garbage_costs_a_connection_and_nothing_else(bench, garbage):
    bench.connect()
    bench.link.publish("a", b"1", done=lambda code, name: None)
    bench.stub.send(garbage)
    bench.stub.hang_up()
    bench.end()

    bench.wait_out()
    bench.connect()
    assert bench.link.session.number == 2


def test_a_connection_that_breaks_while_we_speak_is_a_lost_connection_and_no_error(bench, caplog):
    bench.connect()
    bench.stub.reset()
    bench.link.publish("plant/a", b"1")
    bench.end()

    assert bench.downs == ["connection lost"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_the_broker_said_before_it_hung_up_on_us_is_the_reason(bench):
    bench.connect()
    bench.stub.send(packet(DISCONNECT, b"\x8b\x00"))  # server shutting down
    bench.stub.hang_up()
    bench.link.publish("plant/a", b"1")
    bench.link.publish("plant/a", b"2")
    bench.end()

    assert "Server shutting down" in bench.downs[0]


def test_a_callback_that_raises_costs_the_connection_and_the_message_is_acknowledged(bench, caplog):
    def poisoned(message: Message) -> None:
        raise RuntimeError("cannot bear it")

    bench.connect()
    bench.link.on_message = poisoned
    bench.stub.send(publish(b"plant/a", b"1", 7))
    bench.end()

    assert bench.stub.expect(PUBACK) == b"\x00\x07"
    bench.stub.expect(DISCONNECT)
    assert "RuntimeError: cannot bear it" in bench.link.standing.last_error
    assert "cannot bear it" in caplog.text
    bench.wait_out()
    bench.connect()


def test_an_exception_in_another_callback_costs_the_connection_too(bench):
    def broken(session: object) -> None:
        raise RuntimeError("not today")

    bench.link.listen(broken)
    bench.greet()
    bench.stub.send(connack())
    bench.end()

    assert "not today" in bench.link.standing.last_error


def test_the_link_stays_away_while_its_owner_is_not_ready(bench):
    ready = False
    bench.link.ready = lambda: ready
    bench.link.step(0)
    assert bench.link.standing.state is State.OFFLINE

    ready = True

    bench.connect()


# -- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_arrives_with_everything_that_was_said_about_it(bench):
    got: list[Message] = []
    bench.link.on_message = got.append
    bench.connect()
    properties = b"\x26\x00\x04hops\x00\x012"
    bench.stub.send(publish(b"plant/a", b"4.5", 9, dup=True, properties=properties))
    bench.step(lambda: got)

    assert got == [Message("plant/a", b"4.5", 1, False, True, 9, (("hops", "2"),))]


def test_many_messages_cost_few_reads_and_their_acknowledgements_one_packet_each_in_order(bench):
    got: list[Message] = []
    bench.link.on_message = got.append
    bench.connect()
    bench.stub.send(*[publish(b"plant/a", b"%d" % number, number) for number in range(1, 101)])
    bench.step(lambda: len(got) == 100)
    assert bench.link._socket.received < 10

    for message in got:
        bench.link.ack(message.packet_id)
    bench.link.step(0)

    assert [struct.unpack("!H", bench.stub.expect(PUBACK))[0] for _ in range(100)] == list(range(1, 101))


def test_a_topic_that_is_not_utf_8_is_a_message_nobody_has_a_source_for(bench):
    got: list[Message] = []
    bench.link.on_message = got.append
    bench.connect()
    bench.stub.send(publish(b"plant/\xff", b"1", 3))
    bench.step(lambda: got)

    assert got[0].topic == "\N{REPLACEMENT CHARACTER}"


def test_a_publish_carries_its_content_type_and_pairs_and_brings_back_the_verdict(bench):
    verdicts: list[tuple[int, str]] = []
    bench.connect()
    bench.link.publish(
        "edge/pi/outcomes",
        b"{}",
        content_type="application/cloudevents+json",
        properties=(("replayed", "true"),),
        done=lambda code, name: verdicts.append((code, name)),
    )
    bench.link.step(0)
    body = bench.stub.expect(PUBLISH)
    assert b"application/cloudevents+json" in body
    assert b"\x00\x08replayed\x00\x04true" in body
    length = struct.unpack("!H", body[:2])[0]
    packet_id = struct.unpack("!H", body[2 + length : 4 + length])[0]
    bench.stub.send(puback(packet_id, 0x97))
    bench.step(lambda: verdicts)

    assert verdicts == [(0x97, "Quota exceeded")]


def test_what_was_not_answered_is_not_sent_again_by_the_link(bench):
    bench.connect()
    bench.link.publish("a", b"1", done=lambda code, name: None)
    bench.link.step(0)
    bench.stub.expect(PUBLISH)
    bench.stub.hang_up()
    bench.end()
    bench.wait_out()
    bench.connect()
    bench.link.publish("b", b"2")
    bench.link.step(0)

    assert bench.stub.expect(PUBLISH).startswith(b"\x00\x01b")


def test_publishing_without_a_connection_is_a_mistake_of_the_caller(bench):
    with pytest.raises(RuntimeError, match="offline"):
        bench.link.publish("a", b"1")


@pytest.mark.parametrize("topic", ["a/+", "#", "x" * 70_000])
def test_a_topic_that_cannot_be_published_on_is_refused(bench, topic):
    bench.connect()

    with pytest.raises(ValueError):
        bench.link.publish(topic, b"1")


def test_subscriptions_ask_not_to_hear_ourselves_nor_old_retained_messages_and_their_answers_come_back(bench):
    codes: list[list[int]] = []
    bench.connect()
    bench.link.subscribe([("plant/#", 1), ("$share/g/x", 0)], lambda got: codes.append(list(got)))
    bench.link.step(0)
    body = bench.stub.expect(SUBSCRIBE)
    assert b"plant/#\x15" in body  # QoS 1, noLocal, retain handling 1
    assert b"$share/g/x\x10" in body  # noLocal is forbidden on shared subscriptions
    bench.stub.send(suback(struct.unpack("!H", body[:2])[0], 1, 0x87))
    bench.step(lambda: codes)

    assert codes == [[1, 0x87]]


def test_a_slow_network_is_not_waited_for(bench: Bench):
    bench.connect()
    for _ in range(20):
        bench.link.publish("a", bytes(1_000_000))
    bench.link.step(0)
    assert bench.link._socket.unsent

    for _ in range(20):
        while True:
            bench.link.step(0)
            if len(bench.stub._read) >= 1_000_000:
                break
            bench.stub._read += bench.stub._connection.recv(1 << 20)
        assert len(bench.stub.expect(PUBLISH)) > 1_000_000


def test_wake_ends_a_wait_at_once(bench):
    bench.connect()
    bench.link.wake()

    bench.link.step(30)  # the test's timeout would notice


def test_the_greeting_is_not_repeated_without_need(bench):
    bench.greet()
    bench.stub.send(connack())
    bench.step(lambda: bench.link.session)
    bench.link.retry()
    bench.link.step(0)

    assert bench.link.session.number == 1
    assert CONNECT not in bench.stub._read[:1]
