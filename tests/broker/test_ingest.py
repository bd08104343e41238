"""Messages of a real Mosquitto become events, each acknowledged when it may be, each taken once."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest

from edge.errors import PayloadError
from edge.ingest.redelivery import digest
from tests.broker.conftest import Listener
from tests.broker.mosquitto import Someone, until

pytestmark = pytest.mark.broker

MESSAGES = 5000


def numbers(listener: Listener) -> list[bytes]:
    return [incoming.message.payload for incoming in listener.inbox]


def test_thousands_of_messages_come_in_order_and_are_acknowledged(mosquitto):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    sent = [b"%d" % number for number in range(MESSAGES)]
    got: list[bytes] = []

    def work() -> None:
        """Another thread settles what it takes, as the dispatch thread and the journal's writer do."""
        while len(got) < MESSAGES:
            until(lambda: gateway.inbox)
            incoming = gateway.inbox.popleft()
            [event] = incoming.events()
            got.append(b"%d" % event.values["value"])
            incoming.settle()

    worker = threading.Thread(target=work)
    worker.start()
    with Someone(mosquitto.port) as someone:
        speaker = threading.Thread(target=someone.say, args=("plant/a", *sent))
        speaker.start()
        gateway.drive(lambda: len(got) == MESSAGES and not gateway.source._line, 60)
        speaker.join()
    worker.join()
    gateway.drive(lambda: mosquitto.log.count("PUBACK from edge-pi") == MESSAGES, 60)
    gateway.link.close()

    assert got == sent
    again = Listener(mosquitto.url)
    again.listen()
    again.drive_for(0.3)
    assert again.link.session.present
    assert not again.inbox


def test_what_was_not_settled_comes_again_and_is_known_as_a_repeat_by_what_the_journal_kept(mosquitto):
    first = Listener(mosquitto.url)
    first.listen()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"1", b"2", b"3", b"4")
    first.drive(lambda: len(first.inbox) == 4)
    accepted = [first.inbox[0].delivery, first.inbox[1].delivery]  # durable, and then the process dies
    first.link._socket.close()

    second = Listener(mosquitto.url, known={delivery.packet_id: delivery.digest for delivery in accepted})
    second.drive(lambda: len(second.inbox) == 4)

    assert all(incoming.message.dup for incoming in second.inbox)
    for incoming in (second.inbox[0], second.inbox[1]):
        with pytest.raises(PayloadError) as refused:
            incoming.events()
        assert refused.value.reason == "duplicate"
    assert [incoming.events()[0].values["value"] for incoming in list(second.inbox)[2:]] == [3, 4]


def test_a_repeat_of_what_is_still_being_worked_on_is_acknowledged_with_the_original(mosquitto):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"1", b"2")
    gateway.drive(lambda: len(gateway.inbox) == 2)
    gateway.link.replace("the network failed")
    gateway.drive(lambda: gateway.link.session is None)
    gateway.drive(lambda: len(gateway.source._line) == 2)
    assert len(gateway.inbox) == 2
    for incoming in gateway.inbox:
        incoming.settle()
    gateway.drive(lambda: not gateway.source._line)
    gateway.drive_for(0.2)
    gateway.link.close()

    again = Listener(mosquitto.url)
    again.listen()
    again.drive_for(0.3)
    assert not again.inbox


def test_acknowledgements_go_out_in_the_order_of_arrival(mosquitto):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", *[b"%d" % number for number in range(50)])
    gateway.drive(lambda: len(gateway.inbox) == 50)
    mosquitto_saw = mosquitto.log.count("PUBACK from edge-pi")
    waiting = list(gateway.inbox)
    first = waiting.pop(0)
    random.Random(3).shuffle(waiting)
    for incoming in waiting:
        incoming.settle()
    gateway.drive_for(0.3)
    assert mosquitto.log.count("PUBACK from edge-pi") == mosquitto_saw

    first.settle()
    gateway.drive(lambda: mosquitto.log.count("PUBACK from edge-pi") == 50)

    order = [int(line.split("Mid: ")[1].split(",")[0]) for line in mosquitto.log.splitlines() if "PUBACK from" in line]
    assert order == sorted(order)


def test_a_full_inbox_loses_nothing_though_mosquitto_sends_more_than_it_was_asked_to(mosquitto):
    gateway = Listener(mosquitto.url, room=100, receive_maximum=1000)
    gateway.listen()
    sent = [b"%d" % number for number in range(1000)]
    got: list[bytes] = []
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", *sent)
    gateway.drive(lambda: gateway.link.session is None)
    assert len(gateway.inbox) == 100

    def consume() -> bool:
        nonlocal got
        if gateway.inbox:
            incoming = gateway.inbox.popleft()
            with contextlib.suppress(PayloadError):  # what was accepted and not yet acknowledged comes as a duplicate
                got += [b"%d" % event.values["value"] for event in incoming.events()]
            incoming.settle()
        return len(got) >= len(sent)

    gateway.drive(consume, 60)

    assert got == sent
    assert gateway.link.session.number > 1


def test_a_forgotten_session_is_told_to_the_journal(start_mosquitto):
    broker = start_mosquitto()
    gateway = Listener(broker.url, known={1: digest("plant/a", b"1")})
    gateway.listen()

    assert gateway.forgotten == 1


def test_one_message_comes_once_though_two_sources_want_it(mosquitto):
    sources = {"one": {"topic": "plant/press/rms"}, "all": {"topic": "plant/#"}}
    gateway = Listener(mosquitto.url, subscribe=sources)
    gateway.listen()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/press/rms", b"4.5")
    gateway.drive(lambda: gateway.inbox)
    gateway.drive_for(0.2)

    [incoming] = gateway.inbox
    assert {event.source for event in incoming.events()} == {"one", "all"}


def test_a_gateway_does_not_hear_itself(mosquitto):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    gateway.link.publish("plant/fan", b"1")
    gateway.drive_for(0.3)

    assert not gateway.inbox


def test_retained_messages_come_with_the_first_subscription_and_not_with_every_connection(mosquitto):
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"1", retain=True)
    gateway = Listener(mosquitto.url)
    gateway.listen()
    gateway.drive(lambda: gateway.inbox)
    gateway.inbox.popleft().settle()
    gateway.drive_for(0.2)
    gateway.link.replace("again")
    gateway.drive(lambda: gateway.link.session is None)
    gateway.listen()
    gateway.drive_for(0.3)

    assert not gateway.inbox


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_large_message_is_refused_and_acknowledged(mosquitto, version):
    gateway = Listener(mosquitto.url, version=version)
    gateway.listen()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"[" * 1_000_000, b"1")
    gateway.drive(lambda: len(gateway.inbox) == 2)

    with pytest.raises(PayloadError) as refused:
        gateway.inbox[0].events()
    assert refused.value.reason == "too_large"
    for incoming in gateway.inbox:
        incoming.settle()
    gateway.drive(lambda: mosquitto.log.count("PUBACK from edge-pi") == 2)
