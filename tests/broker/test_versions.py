"""A broker that knows only MQTT 3.1.1: amqtt, which the demo embeds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from tests.broker.conftest import Listener
from tests.broker.mosquitto import Someone, free_port

amqtt = pytest.importorskip("amqtt.broker")
pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def embedded() -> Iterator[int]:
    """The port of an amqtt broker in a thread."""
    port = free_port()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    up = threading.Event()

    async def serve() -> None:
        broker = amqtt.Broker(config)
        await broker.start()
        up.set()
        await stop.wait()
        await broker.shutdown()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="amqtt")
    thread.start()
    assert up.wait(10)
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_auto_falls_back_to_3_1_1_and_works(embedded):
    gateway = Listener(f"mqtt://127.0.0.1:{embedded}")
    gateway.listen()
    assert gateway.link.session.version == "3.1.1"
    with Someone(embedded, version=4) as someone:
        someone.say("plant/a", b"1", b"2")
        gateway.drive(lambda: len(gateway.inbox) == 2)
    for incoming in gateway.inbox:
        incoming.settle()
    gateway.drive(lambda: not gateway.source._line)
    gateway.link.close()


def test_the_version_that_worked_is_spoken_again_at_once_and_messages_go_on_coming(embedded):
    gateway = Listener(f"mqtt://127.0.0.1:{embedded}")
    gateway.listen()
    gateway.link.replace("again")
    gateway.drive(lambda: gateway.link.session is None)
    began = time.monotonic()
    gateway.listen()
    assert time.monotonic() - began < 2
    with Someone(embedded, version=4) as someone:
        someone.say("plant/a", b"1")
        gateway.drive(lambda: gateway.inbox)
    gateway.link.close()
