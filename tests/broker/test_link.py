"""The link against a real Mosquitto: comes up, stays up, comes back, and says what is wrong."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest

from edge.links.link import Message, State
from edge.testing.clock import VirtualClock
from tests.broker.conftest import Gateway, Listener
from tests.broker.mosquitto import Someone, until

pytestmark = pytest.mark.broker


def test_the_retained_status_follows_the_gateway_up_and_down(mosquitto):
    gateway = Gateway(mosquitto.url)
    with Someone(mosquitto.port, "edge/pi/status") as watcher:
        gateway.connect()
        gateway.drive(lambda: watcher.heard)
        gateway.link.close()
        until(lambda: len(watcher.heard) == 2)

    assert [payload for _, payload in watcher.heard] == [b"online", b"offline"]
    assert gateway.link.standing.state is State.CLOSED
    with Someone(mosquitto.port, "edge/pi/status", client_id="late") as late:
        until(lambda: late.heard)
        assert late.heard == [("edge/pi/status", b"offline")]


def test_the_last_will_says_offline_when_the_gateway_vanishes(mosquitto):
    gateway = Gateway(mosquitto.url)
    with Someone(mosquitto.port, "edge/pi/status") as watcher:
        gateway.connect()
        gateway.drive(lambda: watcher.heard)
        gateway.link._socket._under.shutdown(socket.SHUT_RDWR)
        until(lambda: len(watcher.heard) == 2)

    assert watcher.heard[-1] == ("edge/pi/status", b"offline")


def test_it_starts_without_a_broker_and_connects_when_there_is_one(start_mosquitto):
    broker = start_mosquitto()
    broker.stop()
    gateway = Gateway(broker.url)
    gateway.drive_for(0.5)
    assert gateway.link.session is None
    assert gateway.link.standing.state is State.OFFLINE
    assert "refused" in gateway.link.standing.last_error

    broker.start()

    gateway.connect()
    assert gateway.link.session.version == "5"


def test_what_was_published_while_the_gateway_was_away_is_delivered_when_it_comes_back(mosquitto):
    first = Listener(mosquitto.url)
    first.listen()
    first.link.close()
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"1", b"2", b"3")

    second = Listener(mosquitto.url)
    second.drive(lambda: len(second.inbox) == 3)

    assert second.link.session.present
    assert [incoming.message.payload for incoming in second.inbox] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_link_comes_back_after_the_broker_was_restarted(mosquitto, how):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    gateway.drive_for(0.3)  # Mosquitto saves its sessions after every change
    getattr(mosquitto, how)()
    gateway.drive(lambda: gateway.link.session is None)
    mosquitto.start()
    gateway.connect()
    assert gateway.link.session.present
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"after")
        gateway.drive(lambda: gateway.inbox)


def test_a_wrong_password_is_a_state_with_the_remedy_and_is_tried_again(start_mosquitto, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "pi", "right"], check=True)
    broker = start_mosquitto("allow_anonymous false", f"password_file {passwords}")
    gateway = Gateway(broker.url, user="pi", password="wrong", version="5")
    gateway.drive(lambda: gateway.link.standing.state is State.REFUSED)

    error = gateway.link.standing.last_error
    assert "user pi" in error or "check user: and password:" in error
    assert "wrong" not in error

    subprocess.run(["mosquitto_passwd", "-b", passwords, "pi", "wrong"], check=True)
    broker.stop()
    broker.start()
    gateway.connect()


@pytest.mark.parametrize(("asked", "spoken"), [("5", "5"), ("3.1.1", "3.1.1"), ("auto", "5")])
def test_the_version_that_was_asked_for_is_spoken(mosquitto, asked, spoken):
    gateway = Gateway(mosquitto.url, version=asked)
    gateway.connect()

    assert gateway.link.session.version == spoken


def test_a_message_that_breaks_the_callback_is_acknowledged_and_costs_one_connection(mosquitto, caplog):
    gateway = Listener(mosquitto.url)
    gateway.listen()
    seen: list[bytes] = []

    def poisoned(message: Message) -> None:
        seen.append(message.payload)
        if message.payload == b"poison":
            raise RuntimeError("cannot bear it")
        gateway.link.ack(message.packet_id)

    gateway.link.on_message = poisoned
    with Someone(mosquitto.port) as someone:
        someone.say("plant/a", b"before", b"poison", b"after")
        gateway.drive(lambda: b"after" in seen)
        gateway.drive_for(0.5)

    assert seen.count(b"poison") == 1
    assert gateway.link.session.number == 2
    assert "cannot bear it" in caplog.text


def test_a_broker_that_hangs_is_left_when_nothing_was_heard_for_one_and_a_half_keepalives(mosquitto):
    gateway = Gateway(mosquitto.url, keepalive="1s")
    gateway.connect()
    gateway.drive_for(1.5)
    assert gateway.link.session.number == 1
    began = time.monotonic()
    mosquitto.hang()

    gateway.drive(lambda: gateway.link.session is None, 10)

    assert time.monotonic() - began < 4
    mosquitto.go_on()
    gateway.connect()


def test_a_broker_that_never_answers_the_greeting_is_given_up():
    clock = VirtualClock()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        gateway = Gateway(f"mqtt://127.0.0.1:{mute.getsockname()[1]}", clock=clock)
        gateway.link.step(0)
        gateway.link.step(0)
        clock.advance(11)
        gateway.link.step(0)

    assert "does not answer" in gateway.link.standing.last_error

    assert gateway.link.standing.state is State.OFFLINE


def test_the_server_s_keepalive_counts(start_mosquitto):
    broker = start_mosquitto("allow_anonymous true", "max_keepalive 20")
    gateway = Gateway(broker.url, keepalive="60s")
    gateway.connect()

    assert gateway.link.session.keepalive == 20


def test_a_client_id_in_use_elsewhere_is_named_as_the_trouble(mosquitto):
    gateway = Gateway(mosquitto.url)
    gateway.connect()
    with Someone(mosquitto.port, client_id="edge-pi"):  # it comes back as stubbornly as we do
        gateway.drive(lambda: "another client with the id edge-pi" in gateway.link.standing.last_error)
