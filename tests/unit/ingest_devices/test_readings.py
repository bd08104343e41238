"""Sensors are sampled on time, and what a sensor does wrong stays its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BusTimeout, Nack, OutOfRange, WrongChip
from edge.ingest.readings import Sampling
from edge.model import EventKind
from tests.unit.ingest_devices.conftest import Bench, Named, Scripted


def scripted(*script: Any, every: float = 5.0, last: Any = 1.0, name: str = "s", **ranges: Any) -> Sampling:
    return Sampling(sensor=Named(name, Scripted(*script, last=last)), every=every, ranges=ranges)


def test_a_reading_becomes_an_event_of_its_device(bench: Bench) -> None:
    sampler = bench.sampler(Sampling(sensor=bench.chip("tmp102", 0x48, "workshop"), every=5))
    bench.world["workshop.temperature"] = 31.5
    bench.run(sampler, 11)
    assert [event.monotonic for event in bench.events] == [0, 5, 10]
    event = bench.events[0]
    assert (event.source, event.kind, dict(event.values)) == ("workshop", EventKind.READING, {"temperature": 31.5})
    assert event.time == bench.clock.wall() - 11
    assert event.quality == "synced"
    assert [name for name, _ in bench.shown] == ["workshop"] * 3
    assert sampler.states["workshop"].state == "ok"


def test_all_channels_of_a_sample_are_one_event(bench: Bench) -> None:
    sampler = bench.sampler(Sampling(sensor=bench.chip("bme280", 0x76, "greenhouse"), every=5))
    sampler.step()
    assert set(bench.events[0].values) == {"temperature", "humidity", "pressure"}


def test_two_periods_on_one_wire_do_not_disturb_each_other(bench: Bench) -> None:
    sampler = bench.sampler(scripted(name="slow", every=3), scripted(name="fast", every=2))
    bench.run(sampler, 6)
    assert [(event.source, event.monotonic) for event in bench.events] == [
        *[("slow", 0), ("fast", 0), ("fast", 2), ("slow", 3), ("fast", 4)],
        *[("slow", 6), ("fast", 6)],
    ]


def test_a_slow_sensor_does_not_make_the_period_drift(bench: Bench) -> None:
    def slowly() -> float:
        bench.clock.advance(0.9)
        return 1.0

    sampler = bench.sampler(scripted(every=2, last=slowly))
    bench.run(sampler, 1000)
    assert [event.monotonic for event in bench.events] == pytest.approx([2 * k + 0.9 for k in range(501)])


def test_a_late_sampler_skips_what_it_missed(bench: Bench) -> None:
    sampler = bench.sampler(scripted(every=1))
    sampler.step()
    bench.clock.advance(7.3)
    assert sampler.step() == 8
    assert len(bench.events) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 20), max_size=30), st.sampled_from([0.1, 1.0, 3.7]))
def test_however_late_it_is_called_there_is_one_sample_a_period_at_most(delays: list[float], every: float) -> None:
    bench = Bench()
    sampler = bench.sampler(scripted(every=every))
    for delay in delays:
        bench.clock.advance(delay)
        next_one = sampler.step()
        now = bench.clock.monotonic()
        assert now < next_one <= now + every * 1.000001
    times = [event.monotonic for event in bench.events]
    for first, third in zip(times, times[2:], strict=False):
        assert third - first > every * 0.999999  # one a period: two may be close, three may not


def test_nothing_to_sample_is_never_due(bench: Bench) -> None:
    assert bench.sampler().step() == math.inf


# -- errors -----------------------------------------------------------------------------------------------------------


def test_an_error_worth_repeating_is_repeated_soon_and_the_sample_is_not_lost(bench: Bench) -> None:
    sampler = bench.sampler(Sampling(sensor=bench.chip("tmp102", 0x48, "workshop"), every=5))
    sampler.step()
    bench.bus.fail(0x48, Nack, times=2)
    bench.clock.advance(5)
    assert sampler.step() == 5.1
    state = sampler.states["workshop"]
    assert (state.state, state.since) == ("degraded", bench.clock.wall())
    assert "0x48" in (state.last_error or "")
    bench.run(sampler, 0.5)
    assert [event.monotonic for event in bench.events] == pytest.approx([0, 5.3])
    assert sampler.states["workshop"].state == "ok"
    assert bench.errors("workshop") == {"nack": 2}
    assert sampler.step() == 10


def test_repeats_are_bounded_and_then_it_counts_as_failed(bench: Bench) -> None:
    bench.bus.stuck = True
    sampler = bench.sampler(Sampling(sensor=bench.chip("tmp102", 0x48, "workshop"), every=10))
    bench.run(sampler, 9)
    assert bench.errors("workshop") == {"timeout": 4}
    assert sampler.states["workshop"].state == "failed"


def test_an_unplugged_sensor_is_asked_less_and_less_but_at_least_once_a_minute(bench: Bench) -> None:
    asked: list[float] = []

    def missing() -> float:
        asked.append(bench.clock.monotonic())
        raise Nack("nobody there")

    sampler = bench.sampler(scripted(every=5, last=missing))
    bench.run(sampler, 300)
    assert asked == pytest.approx([0, 0.1, 0.3, 0.7, 5, 15, 35, 75, 135, 195, 255])


def test_a_replugged_sensor_is_started_anew_and_recovery_is_noticed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = bench.chip("tmp102", 0x48, "workshop")
    sampler = bench.sampler(Sampling(sensor=sensor, every=5))
    sampler.step()
    chip = bench.bus.detach(0x48)
    assert chip is not None
    bench.clock.advance(5)
    bench.run(sampler, 5)
    assert sampler.states["workshop"].state == "failed"
    since = sampler.states["workshop"].since
    bench.run(sampler, 20)
    assert sampler.states["workshop"].since == since, "it is the same failure"
    bench.bus.attach(0x48, chip)
    with caplog.at_level("INFO"):
        bench.run(sampler, 60)
    state = sampler.states["workshop"]
    assert state.state == "ok"
    assert state.since > since
    assert "no answer" in (state.last_error or ""), "what happened can still be read"
    assert sensor.starts > 1
    assert "workshop is back" in caplog.text


def test_a_missing_sensor_at_start_stops_nothing(bench: Bench) -> None:
    missing = bench.chip("bme280", 0x76, "greenhouse")
    bench.bus.detach(0x76)
    sampler = bench.sampler(
        Sampling(sensor=missing, every=5), Sampling(sensor=bench.chip("tmp102", 0x48, "workshop"), every=5)
    )
    bench.run(sampler, 11)
    assert [event.source for event in bench.events] == ["workshop"] * 3
    assert sampler.states["greenhouse"].state == "failed"


def test_what_only_a_person_can_mend_is_not_repeated_soon(bench: Bench) -> None:
    sampler = bench.sampler(scripted(WrongChip("a BMP280 answers"), every=5))
    assert sampler.step() == 5
    assert sampler.states["s"].state == "failed"
    assert bench.errors("s") == {"wrong_chip": 1}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 200.0, -41.0])
def test_a_value_that_cannot_be_is_counted_and_never_an_event(bench: Bench, value: float) -> None:
    sampler = bench.sampler(scripted(value, x=(-40.0, 85.0)))
    assert sampler.step() == 5
    assert bench.events == []
    assert bench.shown == []
    assert bench.errors("s") == {"range": 1}
    assert sampler.states["s"].state == "degraded"
    bench.run(sampler, 5)
    sampler.step()
    assert len(bench.events) == 1
    assert sampler.states["s"].state == "ok"


def test_a_driver_that_reports_the_range_itself_is_treated_the_same(bench: Bench) -> None:
    sampler = bench.sampler(scripted(*[OutOfRange("spike")] * 4))
    bench.run(sampler, 14)
    assert sampler.states["s"].state == "degraded"
    bench.run(sampler, 5)
    assert sampler.states["s"].state == "failed"


def test_a_bug_in_a_driver_ends_nothing_and_is_told_with_its_traceback(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = bench.sampler(
        scripted(ZeroDivisionError("x"), "text", name="bad"),
        scripted(last=SystemExit(0), name="gone"),
        scripted(name="good"),
    )
    bench.run(sampler, 11)
    assert [event.source for event in bench.events].count("good") == 3
    assert bench.errors("bad") == {"bug": 2}
    assert "SystemExit: 0" in str(sampler.states["gone"].last_error)
    assert "ZeroDivisionError" in caplog.text


def test_a_broken_listener_costs_no_reading(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    sampler = bench.sampler(scripted())

    def broken(name: str, reading: object) -> None:
        raise RuntimeError("no link")

    sampler._on_reading = broken
    sampler.step()
    assert len(bench.events) == 1
    assert sampler.states["s"].state == "ok"
    assert "could not be shown" in caplog.text


def test_the_same_failure_is_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def stuck() -> float:
        raise BusTimeout("the bus hung")

    sampler = bench.sampler(scripted(last=stuck))
    bench.run(sampler, 600)
    assert [record.message for record in caplog.records] == ["s is degraded: the bus hung", "s is failed: the bus hung"]
