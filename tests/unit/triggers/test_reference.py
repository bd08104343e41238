"""The compiled, incremental triggers agree with a definition that looks at a whole trace at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model import EventKind
from tests.unit.triggers.conftest import Bench

Trace = list[tuple[float, Any, EventKind]]


def reference(when: dict[str, Any], hold: float | None, cooldown: float | None, trace: Trace, end: float) -> list[int]:
    """Which event starts the task, in the order of the moments at which it does."""
    pulse = "edge" in when
    held: list[tuple[int, float, bool]] = []  # what each event that can be judged says: index, time, does it hold
    for index, (at, value, kind) in enumerate(trace):
        verdict = judge(when, value, kind, held[-1][2] if held else False)
        if verdict is not None:
            held.append((index, at, verdict))
    runs: list[list[int]] = []  # positions of events between becoming true and becoming false
    for position, (_, _, verdict) in enumerate(held):
        if verdict and not pulse and position and held[position - 1][2]:
            runs[-1].append(position)
        elif verdict:
            runs.append([position])
    moments: list[tuple[float, int]] = []
    for run in runs:
        begin = held[run[0]][1]
        after = held[run[-1] + 1][1] if run[-1] + 1 < len(held) else math.inf
        due = begin if hold is None else begin + hold
        if after < due or due > end:
            continue
        latest = [p for p in run if held[p][1] < due] if hold is not None else []
        moments.append((due, held[latest[-1] if latest else run[0]][0]))
        if when.get("each"):
            rest = [p for p in run[1:] if held[p][1] >= due]
            moments += [(held[p][1], held[p][0]) for p in rest]
    quiet, starts = -math.inf, []
    for moment, index in sorted(moments):
        if moment >= quiet:
            starts.append(index)
            quiet = moment + (cooldown or 0.0)
    return starts


def judge(when: dict[str, Any], value: Any, kind: EventKind, before: bool) -> bool | None:
    if "edge" in when:
        wanted = {"rising": [True], "falling": [False], "both": [True, False]}[when["edge"]]
        return value in wanted if kind is EventKind.EDGE and isinstance(value, bool) else None
    if isinstance(value, float) and math.isnan(value):
        return None
    if "equals" in when:
        return bool(value == when["equals"])
    if not isinstance(value, (int, float)):
        return None
    sign, threshold = (1, when["above"]) if "above" in when else (-1, when["below"])
    if sign * value > sign * threshold:
        return True
    return before and sign * value > sign * when.get("clear", threshold)


@st.composite
def whens(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(["above", "below", "equals", "edge"]))
    if key == "edge":
        return {"edge": draw(st.sampled_from(["rising", "falling", "both"]))}
    when: dict[str, Any] = {"each": draw(st.booleans())}
    when[key] = draw(st.sampled_from([True, False, 2, "on"])) if key == "equals" else draw(st.integers(0, 4))
    if key in ("above", "below") and draw(st.booleans()):
        when["clear"] = when[key] + (-1 if key == "above" else 1) * draw(st.integers(0, 2))
    return when


values = st.sampled_from([0, 1, 2, 3, 4, 5, 2.5, True, False, True, False, math.nan, "on", None])
kinds = st.sampled_from([EventKind.EDGE, EventKind.EDGE, EventKind.READING])
steps = st.lists(st.tuples(st.integers(0, 4), values, kinds), max_size=30)


@settings(max_examples=600, deadline=None)
@given(
    when=whens(),
    hold=st.none() | st.integers(0, 6),
    cooldown=st.none() | st.integers(0, 10),
    steps=steps,
    prompt=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_they_agree_however_late_the_triggers_are_asked(
    when: dict[str, Any], hold: int | None, cooldown: int | None, steps: list[Any], prompt: list[bool]
) -> None:
    task: dict[str, Any] = {"when": {"source": "s", **when}}
    if hold is not None:
        task["when"]["for"] = f"{hold}s"
    if cooldown is not None:
        task["cooldown"] = f"{cooldown}s"
    bench = Bench(t=task)
    trace: Trace = []
    started: list[str] = []
    for (seconds, value, kind), asks in zip(steps, prompt, strict=False):
        bench.clock.advance(seconds)
        if asks:
            started += [start.event.id for start in bench.triggers.due()]
        event = bench.event(value, kind=kind)
        trace.append((event.monotonic, value, kind))
        started += [start.event.id for start in bench.triggers.match(event)[0]]
    started += [start.event.id for start in bench.wait(8)]
    expected = reference(when, hold, cooldown, trace, bench.clock.monotonic())
    assert sorted(int(number) - 1 for number in started) == sorted(expected)


@settings(max_examples=100, deadline=None)
@given(
    period=st.integers(1, 7),
    cooldown=st.none() | st.integers(0, 20),
    waits=st.lists(st.integers(0, 30), max_size=20),
)
def test_every_starts_at_the_last_multiple_of_its_period_whenever_it_is_asked(
    period: int, cooldown: int | None, waits: list[int]
) -> None:
    bench = Bench(t={"when": {"every": f"{period}s"}} | ({"cooldown": f"{cooldown}s"} if cooldown else {}))
    now, last, quiet, expected, started = 0, 0, 0, [], []
    for seconds in waits:
        now += seconds
        bench.clock.advance(seconds)
        if (tick := now // period * period) > last:
            last = tick
            if tick >= quiet:
                expected.append(tick)
                quiet = tick + (cooldown or 0)
        started += [start.event.monotonic for start in bench.triggers.due()]
    assert started == expected


def test_the_reference_itself_finds_what_a_person_would() -> None:
    reading: Callable[[float, Any], tuple[float, Any, EventKind]] = lambda at, value: (at, value, EventKind.READING)  # noqa: E731
    trace = [reading(0, 31), reading(4, 29), reading(12, 31), reading(13, 20), reading(14, 31)]
    assert reference({"above": 30, "clear": 28}, 10, None, trace, 100) == [1, 4]
    assert reference({"above": 30, "clear": 28}, None, None, trace, 100) == [0, 4]
    assert reference({"above": 30, "clear": 28}, None, 20, trace, 100) == [0]
