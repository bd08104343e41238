"""The packaged micro-apps, each called as the function it is."""

from __future__ import annotations

from typing import Any

import pytest

from edge import Event
from edge.model import EventKind
from tasks.climate_alarm import ClimateAlarm, climate_alarm
from tasks.door_open import TOPIC, DoorNotice, door_open
from tasks.vibration_check import VibrationCheck, vibration_check


class Actions:
    """A context that notes what the task did to the world."""

    correlation_id = "test"

    def __init__(self) -> None:
        self.done: list[Any] = []

    def device(self, name: str) -> Any:
        actions = self.done

        class Device:
            def on(self) -> None:
                actions.append((name, "on"))

            def off(self) -> None:
                actions.append((name, "off"))

        return Device()

    def publish(self, topic: str, value: Any) -> None:
        self.done.append((topic, value))

    def note(self, text: str, **fields: Any) -> None:
        self.done.append((text, fields))


@pytest.fixture
def ctx() -> Any:
    return Actions()


def event(source: str, topic: str | None = None, **values: Any) -> Event:
    return Event(id="e", source=source, kind=EventKind.MANUAL, values=values, time=0.0, monotonic=0.0, topic=topic)


@pytest.mark.parametrize(
    ("celsius", "state", "output"),
    [(-3.0, "frost", "on"), (2.9, "frost", "on"), (5.1, "ok", "off"), (29.9, "ok", "off"), (32.1, "heat", "on")],
)
def test_frost_and_heat_switch_the_alarm_on_and_anything_between_off(
    ctx: Any, celsius: float, state: str, output: str
) -> None:
    result = climate_alarm(event("climate", temperature=celsius), ctx)

    assert result == ClimateAlarm(celsius=celsius, state=state, alarm=output == "on")
    assert ctx.done == [("alarm", output)]


def test_a_door_left_open_is_said_once_with_its_name(ctx: Any) -> None:
    assert door_open(event("door", open=True), ctx) == DoorNotice(door="door", text="door was left open")

    assert ctx.done == [(TOPIC, {"door": "door", "text": "door was left open"})]


@pytest.mark.parametrize(
    ("rms", "advice", "notes"), [(2.0, "none", 0), (4.5, "none", 0), (6, "plan maintenance", 0), (9.5, "stop", 1)]
)
def test_vibration_is_judged_by_two_limits(ctx: Any, rms: float, advice: str, notes: int) -> None:
    result = vibration_check(event("vibration", "plant/pump/vibration", rms=rms), ctx)

    assert result == VibrationCheck(machine="pump", rms=rms, advice=advice)
    assert len(ctx.done) == notes


def test_a_vibration_without_a_topic_is_named_after_its_source(ctx: Any) -> None:
    """As when somebody tries the task with `edge fire`."""
    assert vibration_check(event("vibration", rms=1.0), ctx).machine == "vibration"
