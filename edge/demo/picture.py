"""One moment of the demo as plain values: taken from the stage, drawn by whoever can draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.cli.output import quantity
from edge.demo.stage import Stage
from edge.demo.world import clock_face

BARS = " ▁▂▃▄▅▆▇█"
_WORDS = {"open": ("closed", "open"), "on": ("off", "on")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a view shows. `backlogs` are the last values of the journal's backlog, oldest first."""

    second: float
    hour: str
    caption: str
    readings: Mapping[str, str]
    links: Mapping[str, str]
    runs: Mapping[str, str]
    arrived: Sequence[str]
    backlogs: Sequence[int]
    longest: int
    counters: Mapping[str, int]

    @property
    def backlog(self) -> int:
        return self.backlogs[-1] if self.backlogs else 0


class View(Protocol):
    """Draws pictures; `close` leaves the terminal as it was. One thread."""

    def show(self, picture: Picture) -> None: ...

    def close(self) -> None: ...


def take_picture(stage: Stage, *, second: float, caption: str, backlogs: Sequence[int], longest: int) -> Picture:
    """Ask the runtime as `edge devices`, `status`, `tasks` and `sync status` would."""
    runtime = stage.runtime
    received = stage.receiver.total
    return Picture(
        second=second,
        hour=clock_face(stage.greenhouse.hour()),
        caption=caption,
        readings={device["name"]: _reading(stage, device) for device in runtime.desk.devices()}
        | {"pump": f"{stage.pump.rms:.1f} mm/s"},
        links={part["name"]: part["state"] for part in runtime.status() if part["kind"] in ("link", "upstream")},
        runs={task["name"]: _counts(task["counts"]) for task in runtime.desk.tasks()},
        arrived=[arrival(envelope["data"]) for envelope in reversed(stage.recent)],
        backlogs=backlogs,
        longest=longest,
        counters={
            "events": runtime.telemetry.total("edge_events_total"),
            "runs": runtime.telemetry.total("edge_runs_total"),
            "delivered": sum(upstream["delivered"] for upstream in runtime.desk.sync("status")),
            "received": received.accepted,
            "repeats dropped": received.repeats,
        },
    )


def _reading(stage: Stage, device: Mapping[str, Any]) -> str:
    # an output is not sampled; what its pin drives now is read back
    values = stage.runtime.desk.read(device["name"])["values"] if device["output"] else device["values"]
    return ", ".join(_value(channel, value, device["channels"][channel]) for channel, value in values.items()) or "-"


def _value(channel: str, value: float | bool, unit: str) -> str:
    if unit == "bool":
        return _WORDS[channel][bool(value)]
    return quantity(round(value, 1), unit)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items()) or "-"


def arrival(data: Mapping[str, Any]) -> str:
    """`frost  success  celsius 2.9, state frost, alarm True`."""
    result = data.get("result")
    text = ", ".join(f"{key} {value}" for key, value in result.items()) if isinstance(result, dict) else str(result)
    return f"{data.get('task', '?'):<15} {data.get('status', '?'):<8} {text}"


def bars(values: Sequence[int], width: int) -> str:
    """The last `width` values as blocks of eight heights, the highest one full."""
    shown = list(values)[-width:]
    top = max(shown, default=0) or 1
    return "".join(BARS[-(-value * 8 // top)] for value in shown)
