"""Whatever an output is told, by a task or by anybody on the broker, it does or refuses as its own error, at once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from drivers import Device, Driver, DriverError, MqttDevice, PartOnPins, PinDevice, SimBus, World, find, kinds
from drivers.base import Output
from drivers.gpio import pin_factory
from tests.drivers.conftest import Now
from tests.drivers.needed import NEEDED, address_of

OUTPUTS = [kind for kind in kinds() if issubclass(find(kind).driver, Output)]
VALUES: list[Any] = [
    None, [], {}, {"a": 1}, [["a" * 999] * 50], b"x", "", "=", "on=on", "x" * 100_000, "x" * 100_000 + "=1", "9" * 5000,
    "1 " * 10_000, "\x1b[2J\0\n", "\ud800", math.nan, math.inf, -math.inf, "nan", "inf", 1e9, -1e9, 1e308, 10**400,
    10**5000, -1, 1e-320,
]  # fmt: skip


class Broker:
    """Takes what is published."""

    name = "mqtt"

    def publish(self, topic: str, payload: bytes) -> None:
        assert len(payload) < 100

    def subscribe(self, topics: object) -> None:
        """Nobody speaks here."""


def build(kind: str) -> Device:
    entry, now = find(kind), Now()
    world, options = World(now), {**NEEDED.get(kind, {})}
    if kind == "zigbee2mqtt":
        options["channels"] = "on brightness"
    if issubclass(entry.driver, MqttDevice):
        return entry.build(Broker(), "it", **options)  # type: ignore[arg-type]
    if issubclass(entry.driver, Driver):
        at = address_of(kind)
        return entry.build(SimBus({at: entry.sim(world, "it")}), at, **options)  # type: ignore[arg-type, call-arg]
    pins = pin_factory("sim", now=now, wait=now.wait)
    if issubclass(entry.driver, PartOnPins) and not issubclass(entry.driver, PinDevice):
        return entry.build(pins, {role: pin for pin, role in enumerate(entry.driver.roles, 4)}, **options)
    return entry.build(pins, 17, **options)


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_it_is_done_or_refused_in_one_short_sentence(kind: str, value: Any) -> None:
    output: Any = build(kind)
    output.start()
    said = ""
    try:
        output.set(value)
    except DriverError as error:
        said = str(error)
    assert len(said) < 400
    assert not said or said.isprintable()
    if not isinstance(output, MqttDevice):  # which nobody told anything
        output.read()
