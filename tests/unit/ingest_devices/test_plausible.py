"""Which readings are believed: jumps need a second opinion and time, standing still needs a limit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Nack
from edge.ingest.plausible import Expected, Judge, Unconfirmed
from edge.ingest.readings import Sampling
from tests.unit.ingest_devices.conftest import Bench, Named, Scripted

DROPPED = "dropped"


def judged(expected: Expected, *readings: tuple[float, Any]) -> list[str]:
    """What becomes of readings at their times: "" (good), "jump", "frozen" or "dropped"."""
    judge, told = Judge(expected), []
    for now, value in readings:
        try:
            doubt = judge.judge(value if isinstance(value, dict) else {"x": value}, now)
        except Unconfirmed:
            told.append(DROPPED)
        else:
            told.append("" if doubt is None else doubt.kind)
    return told


STRICT = Expected(jump={"x": 2.0}, believe=20.0)


def test_what_moves_as_expected_is_good_after_the_first_was_confirmed() -> None:
    assert judged(STRICT, (0, 20.0), (0.1, 20.1), (5, 22.0), (10, 23.9), (15, 22.0)) == [DROPPED, "", "", "", ""]


def test_a_lone_jump_is_dropped_and_what_comes_back_is_good_at_once() -> None:
    assert judged(STRICT, (0, 20.0), (0.1, 20.0), (5, 84.0), (5.1, 20.1)) == [DROPPED, "", DROPPED, ""]


def test_a_confirmed_jump_is_told_with_its_doubt_until_it_has_held() -> None:
    told = judged(STRICT, (0, 20), (0.1, 20), (5, 30), (5.1, 30), (10, 31), (20, 31.5), (25.1, 32), (30, 32))

    assert told == [DROPPED, "", DROPPED, "jump", "jump", "jump", "", ""]


def test_a_spike_that_ends_in_time_was_never_believed() -> None:
    told = judged(STRICT, (0, 20), (0.1, 20), (5, 30), (5.1, 30), (10, 30), (15, 20.5), (20, 20.4))

    assert told == [DROPPED, "", DROPPED, "jump", "jump", "", ""]


def test_readings_that_agree_with_nothing_are_all_dropped_and_the_doubt_begins_anew() -> None:
    told = judged(STRICT, (0, 20), (0.1, 20), (5, 84), (5.1, 52), (5.3, 36), (5.7, 84), (6, 84), (25, 84), (26, 84))

    assert told == [DROPPED, "", DROPPED, DROPPED, DROPPED, DROPPED, "jump", "jump", ""]


def test_after_a_long_silence_a_moved_value_is_doubted_all_the_same() -> None:
    assert judged(STRICT, (0, 20), (0.1, 20), (3600, 30), (3600.1, 30)) == [DROPPED, "", DROPPED, "jump"]


def test_each_channel_has_its_own_limit_and_one_without_may_do_as_it_likes() -> None:
    expected = Expected(jump={"x": 2.0})
    first = {"x": 20.0, "light": 0.0, "open": False}

    assert judged(expected, (0, first), (0.1, first), (5, {"x": 20.0, "light": 5e4, "open": True})) == [DROPPED, "", ""]


def test_what_a_part_cannot_do_is_good_when_it_is_seen_twice() -> None:
    """`slew` is of the part, not of the place: a second reading settles it, and the first one ever is taken."""
    told = judged(Expected(slew={"x": 10.0}), (0, 20), (1, 28), (2, 90), (2.1, 90.5), (3.1, 26), (3.2, 90))

    assert told == ["", "", DROPPED, "", DROPPED, ""]


def test_only_all_channels_at_rest_are_frozen_and_any_bit_ends_it() -> None:
    expected = Expected(frozen=60.0)
    still = [(float(at), {"x": 20.0, "y": 1.0}) for at in range(0, 90, 10)]
    assert judged(expected, *still) == [""] * 6 + ["frozen"] * 3
    assert judged(expected, *still, (90, {"x": 20.0, "y": 1.01}), (100, {"x": 20.0, "y": 1.01}))[-2:] == ["", ""]


def test_two_readings_with_a_failure_between_them_are_one_each() -> None:
    judge = Judge(STRICT)
    for now, value in ((0.0, 20.0), (0.1, 20.0), (5.0, 30.0), (90.0, 30.0)):
        if now in (0.0, 5.0, 90.0):
            with pytest.raises(Unconfirmed):
                judge.judge({"x": value}, now)
        else:
            judge.judge({"x": value}, now)
        if now == 5.0:
            judge.failed()


def test_a_part_that_got_stuck_in_a_lie_is_not_believed_for_its_patience() -> None:
    expected = Expected(jump={"x": 2.0}, believe=20.0, frozen=40.0)
    lie = [(5.0, 30.0), (5.1, 30.0), *((float(at), 30.0) for at in range(10, 60, 5))]

    told = judged(expected, (0, 20), (0.1, 20.1), *lie, (60, 20.2), (65, 30.0), (65.1, 30.1), (90, 30.2))
    assert told[2:13] == [DROPPED, *["jump"] * 9, "frozen"]
    assert told[-4:] == ["", DROPPED, "jump", ""]


@given(st.lists(st.floats(-1, 1), max_size=60), st.sampled_from([0.1, 5.0, 60.0]))
def test_a_signal_within_its_limit_is_never_doubted(steps: list[float], every: float) -> None:
    value, readings = 20.0, [(0.0, 20.0)]
    for number, step in enumerate(steps, 1):
        value += 2 * step * 0.999
        readings.append((number * every, value))

    assert judged(STRICT, *readings) == ([DROPPED] + [""] * len(steps))[: len(readings)]


@given(
    st.lists(st.tuples(st.floats(0.1, 60), st.floats(-50, 50)), min_size=1, max_size=40),
)
def test_a_lie_is_believed_only_when_readings_agreed_for_as_long_as_was_said(script: list[tuple[float, float]]) -> None:
    """Whatever comes: a good reading is near the good one before it, or near all readings of the last 20 s."""
    readings, now = [(0.0, 20.0), (0.1, 20.0)], 0.1
    for pause, value in script:
        now += pause
        readings.append((now, value))
    told = judged(STRICT, *readings)
    good = 20.0
    for number, (at, value) in enumerate(readings[2:], 2):
        if told[number] == "":
            if abs(value - good) > 2:
                since = next(n for n in range(number, -1, -1) if readings[n][0] <= at - 20)
                run = [x for _, x in readings[since : number + 1]]
                assert all(abs(b - a) <= 2 for a, b in pairwise(run))
            good = value


# -- in the sampler ---------------------------------------------------------------------------------------------------


def sampling(*script: Any, last: Any, **expected: Any) -> Sampling:
    return Sampling(sensor=Named("s", Scripted(*script, last=last)), every=5.0, expected=Expected(**expected))


def test_a_lone_jump_costs_a_tenth_of_a_second_and_is_counted(bench: Bench) -> None:
    sampler = bench.sampler(sampling(20.0, 20.0, 84.0, last=20.5, jump={"x": 2.0}))
    bench.run(sampler, 6)

    assert [(event.monotonic, event.values["x"], event.doubt) for event in bench.events] == [
        (pytest.approx(0.1), 20.0, ""),
        (pytest.approx(5.1), 20.5, ""),
    ]
    assert bench.errors("s") == {"unconfirmed": 2}
    assert sampler.states["s"].state == "ok"
    assert "x jumped from 20 to 84" in (sampler.states["s"].last_error or "")


def test_a_doubted_reading_is_an_event_with_its_mark_and_the_device_is_degraded(bench: Bench) -> None:
    sampler = bench.sampler(sampling(20.0, 20.0, last=31.0, jump={"x": 2.0}, believe=8.0))
    bench.run(sampler, 12)

    assert [(event.values["x"], event.doubt) for event in bench.events] == [(20.0, ""), (31.0, "jump"), (31.0, "jump")]
    state = sampler.states["s"]
    assert (state.state, state.last_error) == ("degraded", "x jumped from 20 to 31: doubted until it has held for 8 s")
    assert bench.events[-1].data()["doubt"] == "jump"
    bench.run(sampler, 5)
    assert (bench.events[-1].values["x"], bench.events[-1].doubt) == (31.0, "")
    assert sampler.states["s"].state == "ok"


def test_a_part_that_agrees_with_nothing_fails_and_is_started_anew(bench: Bench) -> None:
    sensor = Named("s", Scripted(20.0, 20.0, 84.0, 52.0, 36.0, -20.0, last=20.0))
    sampler = bench.sampler(Sampling(sensor=sensor, every=5.0, expected=Expected(jump={"x": 2.0})))
    bench.run(sampler, 9)
    assert sampler.states["s"].state == "failed"
    bench.run(sampler, 10)
    assert sampler.states["s"].state == "ok"
    assert sensor.starts == 2


def test_a_part_that_is_back_from_a_failure_is_asked_for_its_second_reading_at_once(bench: Bench) -> None:
    sampler = bench.sampler(sampling(20.0, 20.0, *[Nack("away")] * 5, last=31.0, jump={"x": 2.0}, believe=1.0))
    bench.run(sampler, 21)

    assert [(event.values["x"], event.doubt) for event in bench.events][:2] == [(20.0, ""), (31.0, "jump")]
    assert bench.events[1].monotonic == pytest.approx(20.1)


def test_a_part_that_stands_still_is_degraded_and_its_readings_are_marked(bench: Bench) -> None:
    sampler = bench.sampler(sampling(last=20.0, frozen=20.0))
    bench.run(sampler, 31)

    assert [event.doubt for event in bench.events] == [""] * 4 + ["frozen"] * 3
    assert sampler.states["s"].state == "degraded"
    assert "no bit of it has changed for 30 s" in (sampler.states["s"].last_error or "")


def test_a_device_of_which_nothing_is_expected_is_not_judged(bench: Bench) -> None:
    sampler = bench.sampler(sampling(20.0, 1e6, last=20.0))
    bench.run(sampler, 11)

    assert sampler._plans[0].judge is None
    assert [event.values["x"] for event in bench.events] == [20.0, 1e6, 20.0]
