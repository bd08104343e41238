"""A scenario file as types: what simulated devices see, what changes when, and what goes wrong.

seed: 7
signals:
  room.temperature: {diurnal: {low: 2, high: 9}, response: {to: heater.on, gain: 15, within: 30m}, noise: 0.05}
at:
  10m: {door.open: true}
faults:
  - {at: 20m, for: 30s, device: room, kind: unplug}
weather:
  room: {nack: 6, unplug: 1}                   # times an hour
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from drivers.simulation.pin_faults import PinKind
from drivers.simulation.series import Series, read_series
from drivers.simulation.weather import BusKind, LineKind
from edge.config.base import FilePath, Section
from edge.config.report import Report, Steps, did_you_mean, listed, shortened
from edge.config.source import read_mapping
from edge.config.units import Duration, LongerThanZero, parse_duration


class Diurnal(Section):
    """A day's swing; time 0 is the scenario's start."""

    low: float
    high: float
    warmest: Duration = 15 * 3600.0
    day: LongerThanZero = 86400.0


class Ramp(Section):
    """From one value to another, once."""

    first: float
    last: float
    within: LongerThanZero
    begin: Duration = 0.0


class Walk(Section):
    """A random walk by the scenario's seed."""

    start: float
    stride: Annotated[float, Field(gt=0)]
    every: Annotated[Duration, Field(ge=0.001)] = 60.0
    low: float | None = None
    high: float | None = None


class Response(Section):
    """What another signal brings about: `gain` times it, 63 % of the way `within` that time."""

    to: str
    gain: float
    within: LongerThanZero


class Replay(Section):
    """A column of a CSV file; see `drivers.simulation.series`."""

    file: FilePath
    column: str
    time: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    speed: Annotated[float, Field(gt=0)] = 1.0
    hole: LongerThanZero | None = None
    holes: Literal["keep", "silent"] = "keep"

    def series(self) -> Series:
        """The column. Raises OSError, and ValueError with what is wrong."""
        lines = Path(self.file).read_text(encoding="utf-8").splitlines()
        return read_series(lines, self.column, time=self.time, scale=self.scale, offset=self.offset)


class Shape(Section):
    """The sum of its parts, in steps of `quantum` where there is one; true and false stand for themselves."""

    value: float | bool = 0.0
    diurnal: Diurnal | None = None
    ramp: Ramp | None = None
    walk: Walk | None = None
    response: Response | None = None
    replay: Replay | None = None
    drift: float = Field(default=0.0, description="per hour")
    noise: Annotated[float, Field(ge=0)] = 0.0
    quantum: Annotated[float, Field(gt=0)] | None = None


def _shaped(value: Any) -> Any:
    return {"value": value} if isinstance(value, int | float) else value


Shown = Annotated[Shape, BeforeValidator(_shaped)]
"""What a signal may be set to: a number, true, false, or a shape."""

Moment = Annotated[float, BeforeValidator(parse_duration)]


Rate = Annotated[float, Field(gt=0, le=1e6)]
"""Times an hour. A thousand times as often would be a fault at every moment, and no moment would end."""


class PlannedFault(Section):
    """One fault: see `faults`, `line_faults` and, for a pin, `pin_faults` in `drivers.simulation`."""

    at: Duration
    for_: Duration = Field(default=1.0, alias="for")
    device: str
    kind: Literal[BusKind, LineKind, PinKind]
    role: str | None = Field(default=None, description="which pin of a part on several; default: each of them")
    by: float | None = None


class Scenario(Section):
    """The whole file. Times count from the scenario's start."""

    seed: int = 0
    signals: dict[str, Shown] = Field(default={})
    at: dict[Moment, dict[str, Shown]] = Field(default={})
    faults: list[PlannedFault] = Field(default=[])
    weather: dict[str, dict[Literal[BusKind, LineKind, PinKind], Rate]] = Field(default={})

    @property
    def replays(self) -> Iterator[tuple[Steps, Replay]]:
        """Every recorded column, and where it stands."""
        for name, shown in self.signals.items():
            if shown.replay is not None:
                yield ("signals", name, "replay"), shown.replay
        for moment, changes in self.at.items():
            for name, shown in changes.items():
                if shown.replay is not None:
                    yield ("at", str(moment), name), shown.replay

    @property
    def names(self) -> dict[str, Steps]:
        """Every signal that is set, or that another answers to, and where it stands."""
        found: dict[str, Steps] = {}
        for moment, changes in self.at.items():
            found.update({name: ("at", str(moment), name) for name in changes})
        for name, shown in self.signals.items():
            found[name] = ("signals", name)
            if shown.response is not None:
                found.setdefault(shown.response.to, ("signals", name, "response", "to"))
        return found


def read_scenario(path: str, report: Report) -> Scenario | None:
    """The scenario in the file; None, and every mistake in `report`, where it cannot be used."""
    data = read_mapping(Path(path), path, report)
    if report.broken:
        return None
    try:
        return Scenario.model_validate(data, context={"folder": Path(path).parent, "id": ""})
    except ValidationError as error:
        reported: set[Steps] = set()
        for mistake in error.errors(include_url=False):
            steps = tuple(step for step in mistake["loc"] if step not in ("[key]", "float", "bool"))
            if steps not in reported:
                reported.add(steps)
                report.at(steps, *_sentence(mistake, steps))
    return None


_MODELS: dict[str, type[Section]] = {
    "diurnal": Diurnal,
    "ramp": Ramp,
    "walk": Walk,
    "response": Response,
    "replay": Replay,
}


def _sentence(mistake: Any, steps: Steps) -> tuple[str, str]:
    """Message and hint."""
    if mistake["type"] == "extra_forbidden":
        known = _known(steps[:-1])
        return f"there is no key {steps[-1]!r} here", did_you_mean(steps[-1], known, f"there are {listed(known)}")
    if mistake["type"] == "missing":
        return f"{steps[-1]} is missing", ""
    if mistake["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", mistake["ctx"]["expected"])
        message = f"{shortened(mistake['input'])} is not one of {listed(known)}"
        return message, did_you_mean(mistake["input"], known, "write one of them")
    message, _, hint = mistake["msg"].removeprefix("Value error, ").partition("; ")
    return message, hint


def _known(place: Steps) -> list[str]:
    """The keys that may stand there."""
    model: type[Section] = Shape if place else Scenario
    if place[:1] == ("faults",):
        model = PlannedFault
    elif place and place[-1] in _MODELS:
        model = _MODELS[str(place[-1])]
    return [info.alias or name for name, info in model.model_fields.items()]
