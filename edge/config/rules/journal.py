"""What is to happen to records when there is no room, or no time left: combinations that cannot be meant."""

from __future__ import annotations

from edge.config.report import Steps
from edge.config.rules.survey import Survey, names_of
from edge.config.units import show_duration


def check_journal(survey: Survey) -> None:
    """The journal's policies, against each other and against the upstreams."""
    _check_policies(survey)
    _check_thinning(survey)
    _check_retention(survey)
    _check_expire(survey)


def _check_policies(survey: Survey) -> None:
    report, steps = survey.report, ("journal", "when_full")
    policies = survey.config.journal.when_full
    blocking = [klass for klass, policy in policies.model_dump().items() if policy == "block"]
    if not blocking or report.spoiled(steps):
        return
    if not survey.config.upstream and not report.lost(("upstream",)):
        message = "without an upstream nothing waits to be delivered, so nothing blocks"
        report.warn(steps, message, "add upstream:, or delete block")
    elif "alarm" in blocking:
        place: Steps = (*steps, "alarm") if "alarm" in names_of(survey.data, *steps) else steps
        message = "a full journal starts no task with class: alarm until something was delivered"
        report.warn(place, message, "block telemetry only: {telemetry: block}")


def _check_thinning(survey: Survey) -> None:
    report, steps = survey.report, ("journal", "thin_to")
    policy = survey.config.journal.when_full.telemetry
    if "thin_to" not in names_of(survey.data, "journal") or policy == "thin":
        return
    if not report.lost(steps) and not report.spoiled(("journal", "when_full")):
        message = f"thin_to belongs to when_full: thin, and telemetry has {policy}"
        report.at(steps, message, "write when_full: {telemetry: thin}, or delete thin_to")


def _check_retention(survey: Survey) -> None:
    steps = ("journal", "keep_delivered_count")
    journal = survey.config.journal
    if journal.keep_delivered_count is not None and not journal.keep_delivered:
        message = "keep_delivered is 0s, so nothing that was delivered stays to be counted"
        survey.report.at(steps, message, "give keep_delivered a duration, or delete this key")


def _check_expire(survey: Survey) -> None:
    """A batch that gathers longer than an outcome lives delivers none."""
    expire = survey.config.journal.expire
    shortest = min((life for life in (expire.alarm, expire.telemetry) if life is not None), default=None)
    for name, upstream in survey.config.upstream.items():
        if shortest is not None and upstream.every is not None and upstream.every >= shortest:
            wait, life = show_duration(upstream.every), show_duration(shortest)
            message = f"outcomes gather for up to {wait} here, and journal.expire gives some up after {life}"
            survey.report.at(("upstream", name, "every"), message, "a shorter every, or a longer journal.expire")
