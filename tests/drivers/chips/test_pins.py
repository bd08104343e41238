"""Contact, relay and the simulated header they sit on."""

import logging
from typing import ClassVar

import gpiozero
import pytest

from drivers import BadPin, NotStarted, OutOfRange, PartOnPins, PinInUse, PinUnavailable, Reading, World, find
from drivers.contact import Contact, SimContact
from drivers.gpio import SimulatedPins, pin_factory
from drivers.relay import Relay, SimRelay
from tests.drivers.edges import told


@pytest.mark.parametrize(
    ("pull", "active", "open_level"),
    [("up", None, True), ("down", None, False), ("up", "low", False), ("none", "high", True), ("none", "low", False)],
)
def test_open_is_the_level_the_pull_decides_or_the_named_one(
    pins: SimulatedPins, pull: str, active: str | None, open_level: bool
) -> None:
    with Contact(pins, 17, pull=pull, active=active) as door:  # type: ignore[arg-type]
        for level in (True, False, True):
            pins.drive(17, level)
            assert door.read() == Reading({"open": level == open_level})


def test_without_a_pull_the_level_that_means_open_must_be_named(pins: SimulatedPins) -> None:
    with pytest.raises(BadPin, match="active: high"):
        Contact(pins, 17, pull="none")


def test_every_edge_comes_with_its_level_and_its_time(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    seen: list[tuple[str, bool, float]] = []
    door = Contact(pins, 17)
    door.start()
    door.watch(lambda *edge: seen.append(edge))
    for at, level in [(1.0, False), (1.001, True), (1.002, False), (5.0, True)]:
        now.seconds = at
        pins.drive(17, level)

    assert seen == [("pin", level, at) for level, at in [(False, 1.0), (True, 1.001), (False, 1.002), (True, 5.0)]]


def test_a_receiver_that_raises_costs_one_edge_and_never_reaches_the_library(
    pins: SimulatedPins, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bool] = []

    def receive(role: str, level: bool, at: float) -> None:
        seen.append(level)
        if len(seen) == 1:
            raise RuntimeError("the receiver is broken")

    door = Contact(pins, 17)
    door.start()
    door.watch(receive)
    with caplog.at_level(logging.ERROR):
        pins.drive(17, False)
    pins.drive(17, True)

    assert len(seen) == 2
    assert pins.lost == 1
    assert "the receiver is broken" in caplog.text


def test_after_close_no_edge_arrives_and_the_pin_is_free(pins: SimulatedPins) -> None:
    seen: list[bool] = []
    door = Contact(pins, 17)
    door.start()
    door.watch(lambda role, level, at: seen.append(level))
    door.close()
    pins.drive(17, False)

    assert seen == []
    with pytest.raises(NotStarted):
        door.read()
    Relay(pins, 17).start()


def test_a_pin_used_twice_is_refused_by_its_number(pins: SimulatedPins) -> None:
    Contact(pins, 17).start()

    with pytest.raises(PinInUse, match="GPIO17 already belongs to another device"):
        Relay(pins, 17).start()


@pytest.mark.parametrize("number", [-1, 28, 40])
def test_a_number_that_is_not_on_the_header_is_refused(pins: SimulatedPins, number: int) -> None:
    with pytest.raises(BadPin, match="BCM numbers go from 0 to 27"):
        Relay(pins, number).start()


def test_the_pull_that_the_board_fixes_cannot_be_turned_round(pins: SimulatedPins) -> None:
    with pytest.raises(BadPin, match="resistor on the board"):
        Contact(pins, 2, pull="down").start()


def test_a_device_is_built_from_its_name_its_place_and_its_options(pins: SimulatedPins) -> None:
    with find("relay").build(pins, 27, active_high=False, safe="on") as heater:
        assert heater.read().values == {"on": True}
        assert pins.level(27) is False


@pytest.mark.parametrize("value", [True, 1, "on"])
def test_a_relay_switches_on_and_off(pins: SimulatedPins, value: bool | int | str) -> None:
    with Relay(pins, 27) as fan:
        fan.set(value)
        assert fan.read() == Reading({"on": True})
        fan.off()
        assert fan.read() == Reading({"on": False})
        fan.on()

    assert [level for _, level in pins.history(27)] == [False, True, False, True, False]


@pytest.mark.parametrize("value", ["ON", "yes", 2, -1, 0.5, "", None])
def test_what_is_not_a_relay_value_is_refused_and_changes_nothing(pins: SimulatedPins, value: object) -> None:
    with Relay(pins, 27) as fan:
        with pytest.raises(OutOfRange, match='true, 1 or "on"; false, 0 or "off"'):
            fan.set(value)  # type: ignore[arg-type]

        assert pins.history(27) == [(0.0, False)]


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize(("safe", "safe_on"), [("off", False), (False, False), ("on", True), (True, True)])
def test_an_output_is_safe_from_its_first_moment_to_its_last(
    pins: SimulatedPins, active_high: bool, safe: bool | str, safe_on: bool
) -> None:
    relay = Relay(pins, 27, active_high=active_high, safe=safe)  # type: ignore[arg-type]
    relay.start()
    relay.set(not safe_on)
    relay.make_safe()
    assert relay.read().values["on"] is safe_on
    relay.set(not safe_on)
    relay.close()
    relay.close()

    resting = safe_on == active_high
    assert [level for _, level in pins.history(27)] == [resting, not resting, resting, not resting, resting]


def test_a_safe_value_that_is_none_is_refused_at_once(pins: SimulatedPins) -> None:
    with pytest.raises(OutOfRange):
        Relay(pins, 27, safe="of")  # type: ignore[arg-type]


def test_two_headers_in_one_process_have_nothing_in_common(now) -> None:  # type: ignore[no-untyped-def]
    first, second = pin_factory("sim", now=now), pin_factory("sim", now=now)
    with Relay(first, 27) as a, Relay(second, 27) as b:
        a.on()
        assert (a.read().values["on"], b.read().values["on"]) == (True, False)
    first.close()
    second.close()


def test_closing_the_header_closes_its_pins_and_leaves_gpiozeros_default_alone(now) -> None:  # type: ignore[no-untyped-def]
    before = gpiozero.Device.pin_factory
    header = pin_factory("sim", now=now)
    seen: list[bool] = []
    door = Contact(header, 17)
    door.start()
    door.watch(lambda role, level, at: seen.append(level))
    header.close()
    header.close()
    header.drive(17, False)

    assert seen == []
    assert gpiozero.Device.pin_factory is before


def test_a_pin_of_a_closed_header_says_so(now) -> None:  # type: ignore[no-untyped-def]
    header = pin_factory("sim", now=now)
    door, fan = Contact(header, 17), Relay(header, 27)
    door.start()
    fan.start()
    header.close()

    with pytest.raises(PinUnavailable, match="GPIO17 cannot be used"):
        door.read()
    with pytest.raises(PinUnavailable, match="GPIO27 cannot be used"):
        fan.on()


def test_what_is_wired_before_the_pin_is_opened_decides_its_level(pins: SimulatedPins) -> None:
    pins.drive(17, False)
    with Contact(pins, 17) as door:
        assert door.read().values["open"] is False


def test_nothing_outside_can_drive_an_output(pins: SimulatedPins) -> None:
    with Relay(pins, 27), pytest.raises(PinInUse, match="GPIO27 is an output"):
        pins.drive(27, True)


@pytest.mark.parametrize("pull", ["up", "down"])
def test_the_worlds_door_moves_the_pin(world: World, pins: SimulatedPins, now, pull: str) -> None:  # type: ignore[no-untyped-def]
    door = Contact(pins, 17, pull=pull)  # type: ignore[arg-type]
    door.start()
    SimContact(world, "door").wire(pins, door)
    decoder = door.decoder(0)
    decoder.begin(door.levels(), 0)
    door.watch(decoder.edge)
    assert door.read().values["open"] is False, "a door is closed while the world says nothing"

    world["door.open"] = True
    world["door.open"] = True
    world["door.open"] = lambda at: at < 10
    now.seconds = 20
    world.refresh()

    assert told(decoder, 20) == [({"open": True}, 0), ({"open": False}, 20)]


def test_the_world_sees_what_a_relay_drives(world: World, pins: SimulatedPins) -> None:
    with Relay(pins, 27, active_high=False) as fan:
        SimRelay(world, "fan").wire(pins, fan)
        assert world["fan.on"] is False
        fan.on()
        assert world["fan.on"] is True


def test_what_pulses_is_kept_as_shares_with_their_times(pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    looks: list[float] = []
    pins.follow(18, lambda: looks.append(pins.duty(18)))
    pin = pins.pwm(18, frequency=50, duty=0.075)
    now.seconds = 3.0
    pin.duty(0.1)
    pin.frequency(60)

    assert pins.history(18) == [(0.0, 0.075), (3.0, 0.1), (3.0, 0.1)]
    assert looks == [0.075, 0.1, 0.1]
    assert (pins.duty(18), pins.frequency(18), pins.level(18)) == (0.1, 60, True)
    pin.close()
    pin.close()
    assert (pins.duty(18), pins.frequency(18)) == (0.0, None)
    with pytest.raises(PinUnavailable, match="it is closed"):
        pin.duty(0.2)


@pytest.mark.parametrize("hertz", [0, 0.05, 25_000, -1, float("nan")])
def test_what_software_cannot_make_is_refused_with_what_can(pins: SimulatedPins, hertz: float) -> None:
    with pytest.raises(BadPin, match=r"GPIO18 cannot pulse at .* 0.1 to 10000 Hz, and a PCA9685"):
        pins.pwm(18, frequency=hertz, duty=0)
    pin = pins.pwm(18, frequency=10_000, duty=0)
    with pytest.raises(BadPin):
        pin.frequency(hertz)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_none_and_all_of_a_period(pins: SimulatedPins, share: float) -> None:
    pin = pins.pwm(18, frequency=100, duty=1)
    with pytest.raises(OutOfRange, match="0 to 1 of each period"):
        pin.duty(share)
    assert pins.duty(18) == 1


def test_a_pin_that_pulses_belongs_to_one_device(pins: SimulatedPins) -> None:
    pin = pins.pwm(18, frequency=100, duty=0)
    with pytest.raises(PinInUse):
        Relay(pins, 18).start()
    pin.close()
    with Relay(pins, 18), pytest.raises(PinInUse):
        pins.pwm(18, frequency=100, duty=0)
    with pytest.raises(BadPin):
        pins.pwm(28, frequency=100, duty=0)


class Knob(PartOnPins):
    """A part on two pins, or on three."""

    channels: ClassVar = {"turned": "bool"}
    roles = ("a", "b")
    optional_roles = ("button",)

    def start(self) -> None:
        return

    def read(self) -> Reading:
        return self.reading(turned=False)

    def close(self) -> None:
        return


def test_a_part_on_several_pins_knows_each_by_its_role(pins: SimulatedPins) -> None:
    assert Knob(pins, {"b": 27, "a": 17}).numbers == {"a": 17, "b": 27}
    assert Knob(pins, {"a": 17, "b": 27, "button": 22}).numbers == {"a": 17, "b": 27, "button": 22}
    assert Contact(pins, 17).numbers == {"pin": 17}, "one pin is the same with a single role"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"a": 17}, "Knob has the pins a, b, and button if it is connected; check 'b'"),
        ({"a": 17, "b": 27, "c": 22}, "check 'c'"),
        ({"a": 17, "b": 17}, "a pin of its own for each role, not a GPIO17, b GPIO17"),
    ],
)
def test_a_role_that_is_missing_unknown_or_on_a_taken_pin_is_refused(
    pins: SimulatedPins, numbers: dict[str, int], message: str
) -> None:
    with pytest.raises(BadPin, match=message):
        Knob(pins, numbers)
