"""One command's own connection to a broker: what is kept there is heard, what is said arrives, and it does not wait
for ever."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import BusFault, BusTimeout, find
from edge.config.models import Mqtt
from edge.links.caller import Caller, Reach
from edge.testing.broker import FakeBroker
from edge.testing.clock import VirtualClock

SETTINGS = Mqtt(broker="mqtt://localhost")


@pytest.fixture
def caller(broker: FakeBroker, clock: VirtualClock) -> Caller:
    return made(broker, clock, Reach())


def made(broker: FakeBroker, clock: VirtualClock, reach: Reach) -> Caller:
    link: Any = broker.link(SETTINGS, client_id="edge-pi-for-tank", keep_session=False)
    step = link.step

    def wait(timeout: float) -> None:
        clock.advance(timeout)
        step(timeout)

    link.step = wait
    return Caller(link, clock, reach)


def test_what_the_broker_keeps_is_read_at_once(broker: FakeBroker, clock: VirtualClock, caller: Caller) -> None:
    broker.publish("tank-node/status", "online", retain=True)
    broker.publish("tank-node/sensor/level/state", "812.5", retain=True)

    with find("esphome").build(caller, "tank-node", channels="sensor/level=mm") as tank:
        assert tank.read().values == {"level": 812.5}
    assert clock.monotonic() < 2.0


def test_a_device_that_says_nothing_is_waited_for_and_then_an_error(clock: VirtualClock, caller: Caller) -> None:
    with (
        find("esphome").build(caller, "tank-node", channels="sensor/level=mm") as tank,
        pytest.raises(BusTimeout, match="nothing heard yet"),
    ):
        tank.read()
    assert 5.0 <= clock.monotonic() < 8.0


def test_a_plug_that_is_set_gets_one_message_and_its_safe_state_at_the_end(broker: FakeBroker, caller: Caller) -> None:
    with find("tasmota").build(caller, "plug1", safe="off") as plug:
        plug.set("on")  # type: ignore[attr-defined]

    sent = [(message.payload, message.retain) for message in broker.messages if message.topic == "cmnd/plug1/POWER"]
    assert sent == [(b"ON", False), (b"OFF", False)]


def test_no_broker_is_an_error_in_time(broker: FakeBroker, clock: VirtualClock, caller: Caller) -> None:
    broker.online = False

    with pytest.raises(BusTimeout, match="no connection within 5 s"):
        caller.subscribe(["tank-node/status"])
    assert clock.monotonic() < 8.0


def test_a_refused_command_is_an_error(broker: FakeBroker, caller: Caller) -> None:
    broker.refuse("cmnd/#", 0x87, "Not authorized")

    with pytest.raises(BusFault, match="refused it: Not authorized"):
        caller.publish("cmnd/plug1/POWER", b"ON")


def test_a_broker_that_one_could_not_reach_keeps_the_next_ones_no_longer(
    broker: FakeBroker, clock: VirtualClock
) -> None:
    reach = Reach()
    broker.online = False

    def seconds() -> float:
        before = clock.monotonic()
        with pytest.raises(BusTimeout):
            made(broker, clock, reach).publish("cmnd/plug1/POWER", b"OFF")
        return clock.monotonic() - before

    assert seconds() > 4.9
    assert max(seconds() for _ in range(5)) < 0.5
    broker.online = True
    made(broker, clock, reach).publish("cmnd/plug1/POWER", b"OFF")
    assert [message.payload for message in broker.messages] == [b"OFF"]
    broker.online = False
    assert seconds() > 4.9, "it was there meanwhile"
