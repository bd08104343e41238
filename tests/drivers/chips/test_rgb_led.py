"""A light of three colours: what colours may be called, and how much light each is."""

from typing import Any

import pytest

from drivers import BadPin, NotStarted, OutOfRange, PinInUse, World, find
from drivers.gpio import SimulatedPins
from drivers.relay import Relay
from drivers.rgb_led import RgbLed, SimRgbLed
from drivers.suite import problems

PINS = {"red": 17, "green": 27, "blue": 22}


def shown(led: RgbLed) -> list[float]:
    return [round(led.read().values[role], 1) for role in PINS]


@pytest.mark.parametrize(
    ("value", "colours"),
    [
        ("#ff8800", [100, 53.3, 0]),
        ("#FF8800", [100, 53.3, 0]),
        ("#000000", [0, 0, 0]),
        ("orange", [100, 64.7, 0]),
        ("Warm White", [100, 83.9, 66.7]),
        ("on", [100, 100, 100]),
        (True, [100, 100, 100]),
        (25, [25, 25, 25]),
        ("off", [0, 0, 0]),
    ],
)
def test_a_colour_has_many_names(pins: SimulatedPins, value: Any, colours: list[float]) -> None:
    with RgbLed(pins, PINS) as led:
        led.set(value)
        assert shown(led) == colours


def test_one_colour_may_be_changed_alone(pins: SimulatedPins) -> None:
    with RgbLed(pins, PINS) as led:
        led.set("#00ff00")
        led.set("red=50, blue=on")
        assert shown(led) == [50, 100, 100]


@pytest.mark.parametrize("value", ["#ff88", "#gg0000", "#ff88001", "mauvish", "red=150", "pink=3", 101, -1, None, ""])
def test_what_is_no_colour_is_refused_and_the_light_stays(pins: SimulatedPins, value: Any) -> None:
    with RgbLed(pins, PINS) as led:
        led.set("red")
        with pytest.raises(OutOfRange):
            led.set(value)
        assert shown(led) == [100, 0, 0]


@pytest.mark.parametrize("common", ["cathode", "anode"])
def test_half_as_bright_to_the_eye_is_a_fifth_of_the_current(world: World, pins: SimulatedPins, common: Any) -> None:
    with RgbLed(pins, PINS, common=common) as led:
        SimRgbLed(world, "lamp").wire(pins, led)
        assert world["lamp.red"] == 0
        led.set(50)
        assert world["lamp.red"] == pytest.approx(21.76, abs=0.01)
        assert pins.duty(17) == pytest.approx(0.2176 if common == "cathode" else 0.7824, abs=1e-4)
        led.set("white")
        assert world["lamp.blue"] == 100
    assert world["lamp.blue"] == 0
    assert pins.history(22)[-1][1] == (0 if common == "cathode" else 1)


def test_without_gamma_the_current_is_the_wish(world: World, pins: SimulatedPins) -> None:
    with RgbLed(pins, PINS, gamma=1) as led:
        SimRgbLed(world, "lamp").wire(pins, led)
        led.set(50)
        assert world["lamp.green"] == pytest.approx(50)


@pytest.mark.parametrize("safe", ["#400000", "red=25", 10, "off", True])
def test_a_safe_light_is_shown_from_the_start_and_left_behind(pins: SimulatedPins, safe: Any) -> None:
    led = RgbLed(pins, PINS, safe=safe)
    led.start()
    rest = shown(led)
    led.set("blue")
    led.make_safe()
    assert shown(led) == rest
    led.set("green")
    led.close()
    led.close()

    for pin in PINS.values():
        assert pins.history(pin)[-1][1] == pins.history(pin)[0][1]
    with pytest.raises(NotStarted):
        led.set("on")


@pytest.mark.parametrize("options", [{"safe": "mauvish"}, {"gamma": 0.5}, {"gamma": 5}])
def test_settings_that_make_no_light_are_refused_at_once(pins: SimulatedPins, options: dict[str, Any]) -> None:
    with pytest.raises(OutOfRange):
        RgbLed(pins, PINS, **options)


def test_a_frequency_that_cannot_be_made_is_refused_at_once(pins: SimulatedPins) -> None:
    with pytest.raises(BadPin, match="GPIO17 cannot pulse at 25000 Hz"):
        RgbLed(pins, PINS, frequency=25_000)


def test_a_light_that_gets_two_of_its_pins_is_no_light_until_it_has_the_third(pins: SimulatedPins) -> None:
    other = Relay(pins, 22)
    other.start()
    led = RgbLed(pins, PINS)
    with pytest.raises(PinInUse, match="GPIO22"):
        led.start()
    with pytest.raises(NotStarted):
        led.set("on")
    other.close()
    led.start()
    led.set("on")
    assert shown(led) == [100, 100, 100]


def test_an_anode_conforms() -> None:
    assert problems(find("rgb_led"), {"common": "anode", "safe": "#102030"}) == []
