"""Buzzers that have a tone and buzzers that get one."""

from typing import Any

import pytest

from drivers import NotStarted, OutOfRange, World, find
from drivers.buzzer import Buzzer, SimBuzzer
from drivers.gpio import SimulatedPins
from drivers.suite import problems


@pytest.mark.parametrize("active_high", [True, False])
def test_an_active_one_sounds_while_it_has_current(world: World, pins: SimulatedPins, active_high: bool) -> None:
    with Buzzer(pins, 13, active_high=active_high) as buzzer:
        SimBuzzer(world, "alarm").wire(pins, buzzer)
        assert world["alarm.on"] is False
        buzzer.set("on")
        assert world["alarm.tone"] == 2300
        assert buzzer.read().values == {"on": True}
        buzzer.set(False)
        assert world["alarm.on"] is False
        buzzer.set(True)

    levels = [False, True, False, True, False]
    assert [level == active_high for _, level in pins.history(13)] == levels


@pytest.mark.parametrize("active_high", [True, False])
def test_a_passive_one_plays_the_tone_that_is_asked_for(world: World, pins: SimulatedPins, active_high: bool) -> None:
    with Buzzer(pins, 13, kind="passive", tone=1000, active_high=active_high) as buzzer:
        SimBuzzer(world, "alarm").wire(pins, buzzer)
        heard = []
        for value in ("on", 440, "880.5", "off", 262, 0):
            buzzer.set(value)
            heard.append(world["alarm.tone"])
            assert buzzer.read().values == {"on": bool(heard[-1]), "tone": heard[-1]}
        assert heard == [1000, 440, 880.5, 0, 262, 0]
        assert pins.duty(13) == (0 if active_high else 1), "no current at rest"
        buzzer.set("on")
        buzzer.make_safe()
        assert world["alarm.on"] is False
        buzzer.set("on")
    assert pins.history(13)[-1][1] == (0 if active_high else 1)


@pytest.mark.parametrize("value", ["loud", -1, 19, 10_001, 25_000, None, float("nan"), ""])
def test_what_nobody_hears_is_refused_and_the_tone_goes_on(pins: SimulatedPins, value: Any) -> None:
    with Buzzer(pins, 13, kind="passive") as buzzer:
        buzzer.set(440)
        with pytest.raises(OutOfRange, match=r"20 to 10000 \(Hz\)"):
            buzzer.set(value)
        assert buzzer.read().values["tone"] == 440


def test_an_active_one_has_no_tone_to_set(pins: SimulatedPins) -> None:
    with Buzzer(pins, 13) as buzzer, pytest.raises(OutOfRange, match='active buzzer on GPIO13 takes true, 1 or "on"'):
        buzzer.set(440)


def test_its_usual_tone_must_be_one(pins: SimulatedPins) -> None:
    with pytest.raises(OutOfRange):
        Buzzer(pins, 13, kind="passive", tone=5)


def test_one_that_is_not_started_does_nothing(pins: SimulatedPins) -> None:
    buzzer = Buzzer(pins, 13)
    with pytest.raises(NotStarted):
        buzzer.set("on")
    with pytest.raises(NotStarted):
        buzzer.read()
    buzzer.close()


@pytest.mark.parametrize("options", [{"kind": "passive"}, {"kind": "passive", "active_high": False}])
def test_a_passive_one_conforms(options: dict[str, Any]) -> None:
    assert problems(find("buzzer"), options) == []
