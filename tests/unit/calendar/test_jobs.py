"""Jobs, threadless on a virtual clock and on APScheduler's own thread; the wall clock is a seam in both."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import apscheduler.executors.base
import apscheduler.schedulers.base
import pytest

from edge.links.calendar import Calendar, SteadyTicks, VirtualCalendar, parse_cron
from edge.testing.clock import START, VirtualClock

DAY = 86400.0
PATIENCE = 20.0  # seconds a thread may take before a test gives up; nothing waits that long


class Diary:
    """What happened, in order; also from another thread."""

    def __init__(self) -> None:
        self.entries: queue.Queue[str] = queue.Queue()

    def fire(self, name: str) -> Callable[[], None]:
        return lambda: self.entries.put(name)

    def report(self, name: str, label: str) -> None:
        self.entries.put(f"{name} {label}")

    def all(self) -> list[str]:
        found = []
        while not self.entries.empty():
            found.append(self.entries.get())
        return found

    def next(self) -> str:
        return self.entries.get(timeout=PATIENCE)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()  # Saturday 09:00 UTC


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def virtual(clock: VirtualClock, diary: Diary) -> VirtualCalendar:
    calendar = VirtualCalendar(clock=clock, report=diary.report)
    calendar.start()
    return calendar


def wait(calendar: VirtualCalendar, clock: VirtualClock, seconds: float) -> None:
    end = clock.monotonic() + seconds
    while (deadline := calendar.deadline) is not None and deadline <= end:
        clock.advance(max(0.0, deadline - clock.monotonic()))
        calendar.step()
    clock.advance(end - clock.monotonic())


def test_a_month_of_ticks_comes_in_order(virtual: VirtualCalendar, clock: VirtualClock, diary: Diary) -> None:
    virtual.cron("nightly", "30 2 * * *", "UTC", diary.fire("nightly"))
    virtual.cron("sunday", "0 0 * * 0", "UTC", diary.fire("sunday"))
    wait(virtual, clock, 7 * DAY)
    assert diary.all() == ["sunday", *["nightly"] * 7]
    wait(virtual, clock, 23 * DAY)
    assert len(diary.all()) == 23 + 4


def test_the_safety_net_comes_at_its_interval(virtual: VirtualCalendar, clock: VirtualClock, diary: Diary) -> None:
    virtual.every("sync", 30, diary.fire("sync"))
    wait(virtual, clock, 29)
    assert diary.all() == []
    wait(virtual, clock, 271)
    assert diary.all() == ["sync"] * 10


def test_many_missed_ticks_are_one(virtual: VirtualCalendar, clock: VirtualClock, diary: Diary) -> None:
    virtual.cron("often", "* * * * *", "UTC", diary.fire("often"))
    clock.advance(1800)
    virtual.step()
    assert diary.all() == ["often"]
    assert virtual.deadline == 1860


@pytest.mark.parametrize("years", [7 / 365, 1, 56])
def test_a_step_forward_skips_what_it_passed_over_and_says_so(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary, years: float
) -> None:
    virtual.cron("often", "* * * * *", "UTC", diary.fire("often"))
    virtual.every("sync", 30, diary.fire("sync"))
    clock.step_wall(round(years * 365) * DAY)
    assert virtual.step() is False
    assert diary.all() == ["often missed", "sync missed"]
    wait(virtual, clock, 60)
    assert sorted(diary.all()) == ["often", "sync", "sync"]


def test_a_tick_that_a_short_step_passed_over_still_runs(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary
) -> None:
    virtual.cron("nightly", "30 9 * * *", "UTC", diary.fire("nightly"))
    clock.step_wall(1860)
    virtual.step()
    assert diary.all() == ["nightly"]


def test_after_a_step_back_nobody_waits_for_the_old_time(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary
) -> None:
    virtual.cron("often", "* * * * *", "UTC", diary.fire("often"))
    virtual.every("sync", 30, diary.fire("sync"))
    wait(virtual, clock, 90)
    diary.all()
    clock.step_wall(-3600)
    virtual.step()
    wait(virtual, clock, 60)
    assert sorted(diary.all()) == ["often", "sync", "sync"]


def test_a_slewing_clock_is_no_step(virtual: VirtualCalendar, clock: VirtualClock) -> None:
    for _ in range(100):
        clock.step_wall(0.5)
        assert virtual.watch_clock() == 0.0
    clock.step_wall(-5)
    assert virtual.watch_clock() == pytest.approx(-5)


def test_a_job_that_raises_is_reported_and_comes_again(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary
) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    virtual.every("broken", 10, broken)
    wait(virtual, clock, 20)
    assert diary.all() == ["broken error", "broken error"]


def test_a_report_that_raises_stops_nothing(clock: VirtualClock, diary: Diary) -> None:
    def report(name: str, label: str) -> None:
        raise RuntimeError("full")

    calendar = VirtualCalendar(clock=clock, report=report)
    calendar.start()
    calendar.every("job", 10, diary.fire("job"))
    clock.step_wall(DAY)
    calendar.step()
    wait(calendar, clock, 10)
    assert diary.all() == ["job"]


def test_stopped_it_has_no_deadline_and_started_again_it_plans_from_then(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary
) -> None:
    virtual.every("job", 10, diary.fire("job"))
    virtual.stop()
    virtual.stop()
    assert virtual.deadline is None
    clock.advance(95)
    virtual.start()
    virtual.start()
    wait(virtual, clock, 10)
    assert diary.all() == ["job"]


@pytest.mark.parametrize("ticks", [parse_cron("* * * * *"), SteadyTicks(1)])
@pytest.mark.parametrize("step", [7 * DAY, 56 * 365 * DAY])
def test_a_trigger_never_gives_two_ticks_in_the_past(ticks: Any, step: float) -> None:
    """APScheduler asks for the next tick until it is later than now; it must not get 604,800 answers."""
    begin = datetime.fromtimestamp(START, tz=UTC)
    first = ticks.get_next_fire_time(None, begin)
    now = begin + timedelta(seconds=step)
    assert first < now < ticks.get_next_fire_time(first, now)


# -- the real scheduler ---------------------------------------------------------------------------------------------


@pytest.fixture
def real(clock: VirtualClock, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    """APScheduler with its thread, but its idea of now is the test's."""

    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wall:
            return cls.fromtimestamp(clock.wall(), tz)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Wall)
    monkeypatch.setattr(apscheduler.executors.base, "datetime", Wall)
    calendar = Calendar(clock=clock, report=diary.report)
    calendar.start()
    yield calendar
    calendar.stop()


def test_the_scheduler_runs_a_job_at_its_time_once(real: Calendar, clock: VirtualClock, diary: Diary) -> None:
    real.cron("nightly", "30 9 * * *", "UTC", diary.fire("nightly"))
    real.every("wake", 1801, diary.fire("wake"))
    clock.step_wall(1801)
    assert real.watch_clock() == 1801
    assert sorted([diary.next(), diary.next()]) == ["nightly", "wake"]
    real.stop()
    assert diary.all() == []


@pytest.mark.parametrize("step", [7 * DAY, 56 * 365 * DAY])
def test_the_scheduler_survives_a_step_forward_without_a_storm(
    real: Calendar, clock: VirtualClock, diary: Diary, step: float
) -> None:
    real.every("job", 1, diary.fire("job"))
    clock.step_wall(step)
    real.watch_clock()
    assert diary.next() == "job missed"
    clock.step_wall(3)
    real.watch_clock()
    assert diary.next() == "job"
    real.stop()
    assert diary.all() == []


def test_the_scheduler_that_finds_a_passed_over_tick_by_itself_reports_it_once(
    real: Calendar, clock: VirtualClock, diary: Diary
) -> None:
    """Whoever watches the clock may be slower than the scheduler: it must not matter."""
    asked = []

    class Counted(SteadyTicks):
        def after(self, moment: datetime) -> datetime:
            asked.append(moment)
            return super().after(moment)

    real.every("job", 1, diary.fire("job"))
    counted = Counted(1)
    real._jobs["job"].ticks = counted
    real.reschedule()
    asked.clear()
    clock.step_wall(7 * DAY)
    real._scheduler.wakeup()
    assert diary.next() == "job missed"
    real.stop()
    assert diary.all() == []
    assert len(asked) <= 3


def test_a_passed_over_tick_is_told_once_though_two_find_it(real: Calendar, clock: VirtualClock, diary: Diary) -> None:
    """The scheduler wakes just when whoever watches the clock has seen it."""
    looked = threading.Event()

    class Watched(SteadyTicks):
        def after(self, moment: datetime) -> datetime:
            looked.set()
            return super().after(moment)

    real.every("job", 1, diary.fire("job"))
    real._jobs["job"].ticks = Watched(1)
    real._plan(real._jobs["job"])

    def report(name: str, label: str) -> None:
        diary.report(name, label)
        looked.clear()
        real._scheduler.wakeup()
        assert looked.wait(PATIENCE)

    real._report = report
    clock.step_wall(7 * DAY)
    real.watch_clock()
    real._report = diary.report
    real.stop()

    assert diary.all() == ["job missed"]


def test_the_scheduler_does_not_stall_after_a_step_back(real: Calendar, clock: VirtualClock, diary: Diary) -> None:
    real.cron("often", "* * * * *", "UTC", diary.fire("often"))
    clock.step_wall(-3600)
    real.watch_clock()
    clock.step_wall(61)
    real.watch_clock()
    assert diary.next() == "often"


def test_a_job_and_a_report_that_raise_do_not_end_the_scheduler(
    clock: VirtualClock, real: Calendar, diary: Diary
) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    real.every("broken", 5, broken)
    for _ in range(2):
        clock.step_wall(5)
        real.watch_clock()
        assert diary.next() == "broken error"


def test_start_and_stop_are_idempotent_and_it_starts_again(real: Calendar, clock: VirtualClock, diary: Diary) -> None:
    real.start()
    real.every("job", 5, diary.fire("job"))
    real.stop()
    real.stop()
    real.start()
    clock.step_wall(5)
    real.watch_clock()
    assert diary.next() == "job"


def test_the_same_name_replaces_a_job(real: Calendar, clock: VirtualClock, diary: Diary) -> None:
    real.every("job", 5, diary.fire("old"))
    real.every("job", 5, diary.fire("new"))
    clock.step_wall(5)
    real.watch_clock()
    assert diary.next() == "new"
    real.stop()
    assert diary.all() == []


def test_a_job_that_is_removed_fires_no_more(virtual: VirtualCalendar, clock: VirtualClock, diary: Diary) -> None:
    virtual.cron("often", "* * * * *", "UTC", diary.fire("often"))
    virtual.cron("other", "* * * * *", "UTC", diary.fire("other"))
    virtual.remove("often")
    virtual.remove("never there")
    wait(virtual, clock, 120)
    assert diary.all() == ["other", "other"]


def test_a_removed_job_stays_away_when_the_clock_steps(
    virtual: VirtualCalendar, clock: VirtualClock, diary: Diary
) -> None:
    virtual.cron("often", "* * * * *", "UTC", diary.fire("often"))
    virtual.remove("often")
    clock.step_wall(DAY)
    virtual.step()
    assert diary.all() == []


def test_a_job_of_the_real_calendar_is_removed_before_and_after_its_start(
    real: Calendar, clock: VirtualClock, diary: Diary
) -> None:
    real.every("gone", 5, diary.fire("gone"))
    real.every("stays", 5, diary.fire("stays"))
    real.remove("gone")
    real.remove("gone")
    clock.step_wall(5)
    real.watch_clock()
    assert diary.next() == "stays"
    real.stop()
    real.remove("stays")
    real.start()
    real.every("last", 5, diary.fire("last"))
    clock.step_wall(5)
    real.watch_clock()
    assert diary.next() == "last"
    assert diary.all() == []
