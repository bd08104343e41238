"""What presets of MQTT devices are made of: the usual channels, those that a configuration names, and payloads."""

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from drivers.base import told
from drivers.errors import BadData, OutOfRange
from drivers.options import nearest, words_in
from drivers.wires.mqtt import Presence


class Measure(NamedTuple):
    """The unit of a channel, and the values beyond which it is no measurement but a fault."""

    unit: str
    low: float = -math.inf
    high: float = math.inf


BOOL = Measure("bool")
MEASURES: Mapping[str, Measure] = {
    "on": BOOL,
    "power": Measure("W", -100_000.0, 100_000.0),
    "apparent_power": Measure("VA", -100_000.0, 100_000.0),
    "reactive_power": Measure("var", -100_000.0, 100_000.0),
    "power_factor": Measure("ratio", -1.0, 1.0),
    "voltage": Measure("V", 0.0, 1_000.0),
    "current": Measure("A", -500.0, 500.0),
    "frequency": Measure("Hz", 0.0, 500.0),
    "energy": Measure("kWh", 0.0, 999_999.0),
    "temperature": Measure("degC", -100.0, 300.0),
    "humidity": Measure("%", 0.0, 100.0),
    "pressure": Measure("hPa", 300.0, 1_200.0),
    "illuminance": Measure("lx", 0.0, 200_000.0),
    "co2": Measure("ppm", 0.0, 50_000.0),
    "battery": Measure("%", 0.0, 100.0),
}
"""Channels that several presets have."""


def measures(*names: str, **more: Measure) -> dict[str, Measure]:
    """Those of `MEASURES`, in this order, and some of the preset's own."""
    return {**{name: MEASURES[name] for name in names}, **more}


def units(table: Mapping[str, Measure]) -> dict[str, str]:
    return {name: measure.unit for name, measure in table.items()}


def ranges(table: Mapping[str, Measure]) -> dict[str, tuple[float, float]]:
    return {name: (low, high) for name, (_, low, high) in table.items() if math.isfinite(low)}


def channels_in(text: str, known: Mapping[str, Measure], preset: str, *, open: bool = False) -> dict[str, str]:
    """Channel -> unit, of the option `channels`: names, and where the preset's list is `open` also `name=unit`.

    Raises `OutOfRange`.
    """
    chosen: dict[str, str] = {}
    for word in words_in(text):
        name, given, unit = word.partition("=")
        if name in chosen:
            raise OutOfRange(f"channels: {name} stands there twice")
        if name in known:
            if given and unit != known[name].unit:
                raise OutOfRange(f"channels: {preset} gives {name} in {known[name].unit}, not in {unit or 'nothing'}")
            chosen[name] = known[name].unit
        elif open and unit and re.fullmatch("[a-z][a-z0-9_]*", name):
            chosen[name] = unit
        else:
            otherwise = f"; any other needs its unit: {name}=degC" if open else ""
            listed = f"; it knows {', '.join(known)}"
            raise OutOfRange(f"channels: {preset} knows no {name!r}{nearest(name, tuple(known)) or listed}{otherwise}")
    if not chosen:
        raise OutOfRange(f"channels: name at least one of {', '.join(known)}")
    return chosen


def channels_or(text: object, known: Mapping[str, Measure], otherwise: Mapping[str, str]) -> Mapping[str, str]:
    """`channels_in` for `Device.channels_of`: `otherwise` where the option makes no sense."""
    try:
        return channels_in(str(text), known, "", open=True)
    except OutOfRange:
        return otherwise


def text_of(payload: bytes) -> str:
    """A payload that is a word or a number. Raises `BadData`."""
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadData(f"not text: {payload[:40]!r}") from error


def object_of(payload: bytes) -> dict[str, Any]:
    """A payload that is a JSON object. Raises `BadData`."""
    try:
        found = json.loads(payload, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadData(f"not JSON: {payload[:40]!r}") from error
    if not isinstance(found, dict):
        raise BadData(f"not a JSON object: {payload[:40]!r}")
    return found


def names_of(said: Iterable[str], between: str = ", ") -> str:
    """The keys of a message for an error's text, the first of them, however many and whatever their letters."""
    first = [told(key)[1:-1] for key in itertools.islice(said, 5)]
    return between.join(first)[:120]


def number_of(value: Any, what: str) -> float:
    """A number, also one written as text, as some devices do. Raises `BadData`."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise BadData(f"{what} is {str(value)[:40]!r}, which is no number")


def switch_of(value: Any, what: str) -> bool:
    """True or false, or on and off in any case. Raises `BadData`."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in ("on", "off"):
        raise BadData(f"{what} is {str(value)[:40]!r}, neither ON nor OFF")
    return word == "on"


def presence_of(payload: bytes, online: str, offline: str, of: str = "device") -> Presence | None:
    """What an availability topic says; None for the empty message that clears it. Raises `BadData`."""
    word = text_of(payload)
    if word.startswith("{"):
        word = str(object_of(payload).get("state"))
    if not word:
        return None
    if word not in (online, offline):
        raise BadData(f"{word[:40]!r} is neither {online} nor {offline}")
    return Presence(word == online, of)


def _no_number(word: str) -> Any:
    raise ValueError(word)
