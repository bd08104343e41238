"""How often a task runs, and what follows when it fails: keys that contradict or outdo each other."""

from __future__ import annotations

from collections.abc import Iterator

from edge.config.report import Steps
from edge.config.rules.survey import Survey, names_of
from edge.config.tasks import Breaker, Limits, Retries
from edge.config.units import show_duration

Mistake = tuple[str, str, str]
"""Key, message, hint."""


def check_limits(survey: Survey) -> None:
    """Modes, rates, retries and breakers of every task."""
    for name, settings in survey.config.tasks.items():
        _check_mode(survey, name)
        _report(survey, ("tasks", name, "limits"), _rates(settings.limits))
        if settings.retries is not None:
            _report(survey, ("tasks", name, "retries"), _retries(settings.retries))
        if settings.breaker is not None:
            given = names_of(survey.data, "tasks", name, "breaker")
            _report(survey, ("tasks", name, "breaker"), _breaker(settings.breaker, given))


def _report(survey: Survey, steps: Steps, mistakes: Iterator[Mistake]) -> None:
    if survey.report.spoiled(steps):
        return
    for key, message, hint in mistakes:
        survey.report.at((*steps, key) if key else steps, message, hint)


def _check_mode(survey: Survey, name: str) -> None:
    report, settings, runs = survey.report, survey.config.tasks[name], survey.config.runs
    steps: Steps = ("tasks", name, "max_runs")
    if report.spoiled(steps) or report.spoiled(("tasks", name, "mode")):
        return
    if settings.mode != "parallel":
        if "max_runs" in names_of(survey.data, "tasks", name):
            message = f"max_runs is for mode: parallel; with {settings.mode} one run goes on at a time"
            report.at(steps, message, "write `mode: parallel`, or delete this key")
    elif settings.max_runs > runs.at_once:
        message = f"max_runs is {settings.max_runs}, but only {runs.at_once} runs of all tasks go on at once"
        report.warn(steps, message, "raise runs.at_once, or lower max_runs")


def _rates(limits: Limits) -> Iterator[Mistake]:
    if limits.burst is None:
        return
    rate = limits.per_hour if limits.per_minute is None else limits.per_minute
    key = "per_hour" if limits.per_minute is None else "per_minute"
    if rate is None:
        yield "burst", "burst says how many of a rate come at once, and there is no rate", "add per_minute or per_hour"
    elif limits.burst > rate:
        yield "burst", f"a burst of {limits.burst} never comes: {key} is {rate}", f"at most {rate}, or delete burst"


def _retries(retries: Retries) -> Iterator[Mistake]:
    if not (retries.transient or retries.timeout or retries.failure):
        yield "", "nothing is ever tried again: all are 0", "raise one, or delete retries"
    elif retries.longest < retries.backoff:
        shown = show_duration(retries.backoff)
        yield "longest", f"the longest wait is shorter than the first one, {shown}", f"at least {shown}"


def _breaker(breaker: Breaker, given: frozenset[str]) -> Iterator[Mistake]:
    if not (breaker.timeouts or breaker.failures):
        yield "", "nothing opens this breaker: timeouts and failures are 0", "raise one, or delete breaker"
    elif "of" in given and not breaker.failures:
        yield "of", "of says how many runs failures looks at, and failures is 0", "delete of"
    if breaker.longest < breaker.pause:
        shown = show_duration(breaker.pause)
        yield "longest", f"the longest pause is shorter than the first one, {shown}", f"at least {shown}"
