"""Who may use a device when: nobody after the end, and nobody keeps the others from their safe state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drivers import BusTimeout, BusUnavailable, Halted, World
from drivers.gpio import SimulatedPins, pin_factory
from edge import devices as module
from edge.config.models import Config
from edge.desk import make_safe
from edge.devices import Wires, Wiring

PATIENCE = 30.0  # seconds for what is done in an instant: a test that waits so long has failed

RELAY = {"driver": "relay", "pin": 27}
MOTOR = {"driver": "a4988", "pins": {"step": 20, "dir": 21, "enable": 16}}
CHIP = {"driver": "tmp102", "bus": "i2c-1"}


class Room:
    """Simulated wires; `wait` is what a waiting driver does."""

    def __init__(self) -> None:
        self.world = World()
        self.wait: Callable[[float], None] = lambda seconds: None
        self.pins: SimulatedPins = pin_factory("sim", now=self.world.now, wait=self.pause)
        self.opened = 0

    def pause(self, seconds: float) -> None:
        self.wait(seconds)

    def wiring(self, **devices: Any) -> Wiring:
        def open_pins() -> SimulatedPins:
            self.opened += 1
            return self.pins

        def refuse(*_: Any) -> Any:
            raise AssertionError("nobody needs this")

        wires = Wires(
            open_bus=refuse,
            open_pins=refuse,
            open_sim_pins=open_pins,
            open_tree=refuse,
            open_serial=refuse,
            world=self.world,
            wait=self.pause,
        )
        return Wiring(Config.model_validate({"edge": {"id": "a", "backend": "sim"}, "devices": devices}), wires)


@pytest.fixture
def room() -> Room:
    return Room()


def in_thread(act: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def body() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - judged by the test
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return thread, raised


@pytest.fixture
def held() -> Iterator[Callable[[threading.RLock], None]]:
    """Hold a lock in another thread, as a call that does not come back does, until the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def hold(lock: threading.RLock) -> None:
        has = threading.Event()

        def body() -> None:
            with lock:
                has.set()
                over.wait(PATIENCE)

        threads.append(threading.Thread(target=body))
        threads[-1].start()
        assert has.wait(PATIENCE)

    yield hold
    over.set()
    for thread in threads:
        thread.join(PATIENCE)


def test_a_closed_output_refuses_instead_of_opening_its_pin_again(room: Room) -> None:
    wiring = room.wiring(fan=RELAY)
    wiring.handles["fan"].set("on")
    wiring.close()

    for use in (lambda: wiring.handles["fan"].set("on"), wiring.handles["fan"].read, wiring.handles["fan"].start):
        with pytest.raises(BusUnavailable, match="fan is closed: the gateway stops"):
            use()
    wiring.close()
    assert room.opened == 1
    assert room.pins.history(27)[-1][1] == 0


def test_a_wire_that_is_never_let_go_keeps_no_other_output_from_its_safe_state(
    room: Room, held: Callable[[threading.RLock], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY", 0.05)
    wiring = room.wiring(fan=RELAY, workshop=CHIP)
    wiring.handles["fan"].set("on")
    wiring.handles["workshop"].read()
    held(wiring.handles["workshop"].lock)

    with pytest.raises(BusTimeout, match="workshop: i2c-1 is in use and was not let go"):
        wiring.close()
    assert room.pins.history(27)[-1][1] == 0


def test_one_that_fails_in_its_own_way_keeps_no_other_output_from_its_safe_state(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring = room.wiring(fan=RELAY, lamp={**RELAY, "pin": 22}, pump={**RELAY, "pin": 17})
    for handle in wiring.handles.values():
        handle.set("on")

    def close(self: Any) -> None:
        raise ZeroDivisionError("a driver's bug")

    monkeypatch.setattr(wiring.handles["lamp"]._device, "close", close.__get__(object()))
    with pytest.raises(ZeroDivisionError):
        wiring.close()
    assert [room.pins.history(pin)[-1][1] for pin in (27, 17)] == [0, 0]


@pytest.mark.parametrize("end", ["safe", "stop"])
def test_a_motor_stands_at_once_when_it_is_to_be_safe(room: Room, end: str) -> None:
    moving, go_on = threading.Event(), threading.Event()

    def wait(seconds: float) -> None:
        moving.set()
        assert go_on.wait(PATIENCE)

    wiring = room.wiring(blind=MOTOR, fan=RELAY)
    blind = wiring.handles["blind"]
    blind.start()
    wiring.handles["fan"].set("on")
    off = threading.Event()
    room.pins.follow(27, lambda: None if room.pins.level(27) else off.set())
    room.wait = wait
    mover, moved = in_thread(lambda: blind.set(100))
    assert moving.wait(PATIENCE)

    ender, failed = in_thread(wiring.close if end == "stop" else lambda: make_safe(wiring.handles))
    assert off.wait(PATIENCE), "the relay does not wait for the motor"
    go_on.set()
    mover.join(PATIENCE)
    ender.join(PATIENCE)

    assert [type(error) for error in moved] == [Halted]
    assert failed == []
    if end == "safe":
        assert blind.read() == {"position": 1.0}
        blind.set(5)
        assert blind.read() == {"position": 5.0}
        wiring.close()
    steps = sum(level for _, level in room.pins.history(20))
    assert steps == (5 if end == "safe" else 1)


def test_what_acts_at_once_is_made_safe_first_and_what_may_not_answer_last(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = {"driver": "tasmota", "topic": "plug", "safe": "off"}
    wiring = room.wiring(plug=plug, blind=MOTOR, thermometer=CHIP, fan=RELAY)
    order: list[str] = []
    for handle in wiring.handles.values():
        monkeypatch.setattr(handle, "close", lambda patience, name=handle.name: order.append(name))
        monkeypatch.setattr(handle, "make_safe", lambda name=handle.name: order.append(name))

    told = make_safe(wiring.handles)
    assert order == ["fan", "blind", "plug"]
    assert [one["device"] for one in told] == ["plug", "blind", "fan"], "told in the order of the file"
    order.clear()
    wiring.close()
    assert order == ["fan", "blind", "plug", "thermometer"]
