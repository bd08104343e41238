"""Calendar times: cron schedules and the safety net of sync. The only file that imports apscheduler.

Invariants
- A job's body does one thing: call the given `fire`, which only offers an event or wakes somebody. No job ever stops
  the scheduler or adds jobs.
- A step of the wall clock costs nothing: APScheduler asks a trigger for the tick after the last one until it is past
  now, one by one (604,800 times for a job of one second after a step of seven days); `Ticks` never answers with a
  second tick in the past, so a job that was passed over is found once.
- A tick found later than `GRACE` is not run but reported as missed; several missed ticks of a job are one.
- Wall time is only compared here; how long anything takes is measured elsewhere, on the monotonic clock.

APScheduler starts one thread of its own, named `APScheduler`; the jobs run in it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from edge.clock import Clock
from edge.config.cron import parse_cron_fields

GRACE: Final = 3600
"""Seconds a tick may be late, because the machine slept or the clock was put right, and still run."""

STEP: Final = 2.0
"""Seconds by which the wall clock must leave the monotonic one to count as a step; NTP's slewing stays below."""

_NONE = timedelta(0)
_MOMENT = timedelta(microseconds=1)  # the step of a datetime
_ROUNDING = timedelta(milliseconds=1)  # a deadline in float seconds may come that much before its tick
_GRACE = timedelta(seconds=GRACE)
_LABELS = {EVENT_JOB_ERROR: "error", EVENT_JOB_MAX_INSTANCES: "overrun"}
log = logging.getLogger(__name__)

Fire = Callable[[], object]
Report = Callable[[str, str], None]
"""Takes a job's name and `missed`, `error` or `overrun`; called in the thread that runs the jobs."""


class Ticks(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """A trigger that never gives two ticks in the past."""

    @abstractmethod
    def after(self, moment: datetime) -> datetime | None:
        """The first tick later than `moment`, in UTC; None when there will be none."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's question, asked again and again until the answer is later than now."""
        return self.after(now if previous_fire_time is None else max(previous_fire_time, now))


class CronTicks(Ticks):
    """The ticks of a cron text in a time zone."""

    def __init__(self, text: str, timezone: str) -> None:
        cron = parse_cron_fields(text)
        zone = _zone(timezone)
        # APScheduler counts weekdays from Monday, and wants both day fields where cron is content with one of them
        days = {"day": _list(cron.days)}
        weekdays = {"day_of_week": _list((number - 1) % 7 for number in cron.weekdays)}
        common = {"month": _list(cron.months), "hour": _list(cron.hours), "minute": _list(cron.minutes), "second": "0"}
        chosen = [days, weekdays] if cron.either_day else [days | weekdays]
        self._triggers = [CronTrigger(**common, **fields, timezone=zone) for fields in chosen]

    def after(self, moment: datetime) -> datetime | None:
        later = moment + _MOMENT
        found = [trigger.get_next_fire_time(None, later.astimezone(trigger.timezone)) for trigger in self._triggers]
        return min((tick.astimezone(UTC) for tick in found if tick is not None), default=None)


class SteadyTicks(Ticks):
    """Every so many seconds, from the first question on."""

    def __init__(self, seconds: float) -> None:
        self._period = timedelta(seconds=seconds)
        self._begin: datetime | None = None

    def after(self, moment: datetime) -> datetime:
        # A clock that was put back makes a new beginning: nobody is to wait until the old times come again.
        if self._begin is None or moment < self._begin:
            self._begin = moment
        return self._begin + ((moment - self._begin) // self._period + 1) * self._period


def parse_cron(text: str, timezone: str = "UTC") -> Ticks:
    """The trigger of `minute hour day month weekday`, as crontab(5) reads it: 0 and 7 are Sunday.

    Raises ValueError naming the field, or the time zone.
    """
    return CronTicks(text, timezone)


@dataclass(slots=True)
class _Job:
    name: str
    ticks: Ticks
    fire: Fire


class Schedule(ABC):
    """Named jobs at calendar times. The same name again replaces the job."""

    def __init__(self, *, clock: Clock, report: Report) -> None:
        self._clock = clock
        self._report = report
        self._jobs: dict[str, _Job] = {}
        self._offset = clock.wall() - clock.monotonic()

    def cron(self, name: str, text: str, timezone: str, fire: Fire) -> None:
        """Call `fire` at the times of a cron text. Raises ValueError, see `parse_cron`."""
        self._add(_Job(name, parse_cron(text, timezone), fire))

    def every(self, name: str, seconds: float, fire: Fire) -> None:
        """Call `fire` every so many seconds, the first time after that long; a step of the clock may move it."""
        self._add(_Job(name, SteadyTicks(seconds), fire))

    def remove(self, name: str) -> None:
        """Fire that job no more; nothing where there is none."""
        if name in self._jobs:
            self._jobs = {known: job for known, job in self._jobs.items() if known != name}
            self._unplan(name)

    def watch_clock(self) -> float:
        """Look whether the wall clock stepped, and `reschedule` if it did; returns the step in seconds, else 0.0."""
        offset = self._clock.wall() - self._clock.monotonic()
        step, self._offset = offset - self._offset, offset
        if abs(step) < STEP:
            return 0.0
        log.warning("the wall clock stepped by %+.1f s", step, extra={"action": "clock_step", "seconds": step})
        self.reschedule()
        return step

    @abstractmethod
    def start(self) -> None:
        """Plan every job from now on; idempotent, also after `stop`."""

    @abstractmethod
    def stop(self) -> None:
        """Run no more jobs; idempotent."""

    @abstractmethod
    def reschedule(self) -> None:
        """Compute every job's next tick anew from the wall clock as it is now.

        A tick that the clock passed over by no more than `GRACE` still runs; an older one is reported as missed.
        After a step back, times that come again fire again.
        """

    @abstractmethod
    def _plan(self, job: _Job) -> None: ...

    @abstractmethod
    def _unplan(self, name: str) -> None: ...

    def _add(self, job: _Job) -> None:
        self._jobs = {**self._jobs, job.name: job}  # a new one: others may be going through the old
        self._plan(job)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), tz=UTC)

    def _say(self, name: str, label: str) -> None:
        try:
            self._report(name, label)
        except Exception:
            log.exception("what became of job %s (%s) could not be recorded", name, label)


class Calendar(Schedule):
    """Jobs on the wall clock of this machine. Any thread but the jobs' own.

    Call `watch_clock` every second or so: APScheduler itself sleeps through a step of the clock.
    """

    def __init__(self, *, clock: Clock, report: Report) -> None:
        super().__init__(clock=clock, report=report)
        self._lock = threading.Lock()
        self._scheduler: Any = None
        self._telling = threading.Lock()
        self._missed: dict[str, datetime] = {}  # the last tick of each job that was told as missed

    def start(self) -> None:
        with self._lock:
            if self._scheduler is not None:
                return
            self._scheduler = BackgroundScheduler(
                timezone=UTC,
                executors={"default": DebugExecutor()},  # runs jobs in the scheduler's thread: they only offer
                job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE},
            )
            self._scheduler.add_listener(self._listen, EVENT_JOB_MISSED | EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES)
            for job in self._jobs.values():
                self._submit(job)
            self._scheduler.start()

    def stop(self) -> None:
        with self._lock:
            scheduler, self._scheduler = self._scheduler, None
            if scheduler is not None:
                scheduler.shutdown()

    def reschedule(self) -> None:
        with self._lock:
            if self._scheduler is None:
                return
            now = self._now()
            for job in self._jobs.values():
                planned = self._scheduler.get_job(job.name)
                late = now - planned.next_run_time if planned is not None else -_MOMENT
                if late > _GRACE:
                    self._tell_missed(job.name, planned.next_run_time)
                if not _NONE <= late <= _GRACE:
                    self._submit(job)
            self._scheduler.wakeup()

    def _plan(self, job: _Job) -> None:
        with self._lock:
            if self._scheduler is not None:
                self._submit(job)

    def _unplan(self, name: str) -> None:
        with self._lock:
            if self._scheduler is not None:
                with contextlib.suppress(JobLookupError):  # it had no next time
                    self._scheduler.remove_job(name)

    def _submit(self, job: _Job) -> None:
        due = job.ticks.after(self._now())
        if due is not None:
            self._scheduler.add_job(
                job.fire, job.ticks, id=job.name, name=job.name, next_run_time=due, replace_existing=True
            )

    def _listen(self, event: Any) -> None:
        if event.code == EVENT_JOB_MISSED:
            self._tell_missed(event.job_id, event.scheduled_run_time)
        else:
            self._say(event.job_id, _LABELS[event.code])

    def _tell_missed(self, name: str, tick: datetime) -> None:
        # the scheduler may find a tick that was passed over at the same moment as whoever watches the clock
        with self._telling:
            known, self._missed[name] = self._missed.get(name), tick
        if known != tick:
            self._say(name, "missed")


class VirtualCalendar(Schedule):
    """The same jobs without a thread: whoever moves the clock calls `step`. For tests."""

    def __init__(self, *, clock: Clock, report: Report) -> None:
        super().__init__(clock=clock, report=report)
        self._running = False
        self._next: dict[str, datetime] = {}

    def start(self) -> None:
        if not self._running:
            self._running = True
            for job in self._jobs.values():
                self._plan(job)

    def stop(self) -> None:
        self._running = False
        self._next.clear()

    def reschedule(self) -> None:
        now = self._now()
        for name, due in tuple(self._next.items()):
            late = now - due
            if late > _GRACE:
                self._say(name, "missed")
            if not _NONE <= late <= _GRACE:
                self._plan(self._jobs[name])

    @property
    def deadline(self) -> float | None:
        """Monotonic time of the next tick; None while there is none."""
        if not self._next:
            return None
        return self._clock.monotonic() + (min(self._next.values()) - self._now()).total_seconds()

    def step(self) -> bool:
        """Run what is due, each job at most once; False when nothing was."""
        self.watch_clock()
        now = self._now()
        due = sorted((tick, name) for name, tick in self._next.items() if tick <= now + _ROUNDING)
        for tick, name in due:
            self._plan(self._jobs[name], after=tick)
            if now - tick > _GRACE:
                self._say(name, "missed")
                continue
            try:
                self._jobs[name].fire()
            except Exception:
                log.exception("job %s raised", name)
                self._say(name, "error")
        return bool(due)

    def _plan(self, job: _Job, after: datetime | None = None) -> None:
        if not self._running:
            return
        now = self._now()
        due = job.ticks.after(now if after is None else max(now, after))
        if due is None:
            self._next.pop(job.name, None)
        else:
            self._next[job.name] = due

    def _unplan(self, name: str) -> None:
        self._next.pop(name, None)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"timezone: no time zone {name!r} on this machine; names are such as Europe/Vienna") from error


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
