"""`when:` and the names in `grant:`: what starts a task, and whether it can."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from drivers import Push
from edge.config.report import Steps, did_you_mean, kind_of, listed
from edge.config.rules.survey import Survey
from edge.config.tasks import When

_CONDITIONS = ("above", "below", "equals", "edge")
_TWO_VALUES = ("bool", "event")
_SCHEDULES = ("every", "cron")
_SWITCHES = ("each", "doubtful")
Mistake = tuple[str, str, str]
"""Key (empty: the `when` as a whole), message, hint."""


def check_triggers(survey: Survey) -> None:
    """Every task's `when` and granted devices; after `check_devices`, which finds the drivers."""
    for name, settings in survey.config.tasks.items():
        steps: Steps = ("tasks", name, "when")
        when = settings.when
        if not survey.report.spoiled(steps):
            for key, message, hint in _mistakes(when):
                survey.report.at((*steps, key) if key else steps, message, hint)
        if when.source is not None:
            _check_source(steps, when, when.source, survey)
        _check_schedule(steps, when, survey)
        granted: Steps = ("tasks", name, "grant", "devices")
        survey.check_device_names(granted, settings.grant.devices, only="can be granted")


def _given(when: When) -> list[str]:
    """The keys that say something, as written in the file."""
    return [
        info.alias or key
        for key, info in When.model_fields.items()
        if key in when.model_fields_set and getattr(when, key) is not (False if key in _SWITCHES else None)
    ]


def _mistakes(when: When) -> Iterator[Mistake]:
    given = _given(when)
    conditions = [key for key in _CONDITIONS if key in given]
    schedules = [key for key in _SCHEDULES if key in given]
    yield from _starts(given, conditions, schedules)
    if "above" in given and "below" in given:
        yield "below", "above and below together do not say whether inside or outside is meant", "write two tasks"
    elif len(conditions) > 1:
        yield conditions[1], f"{' and '.join(conditions)}: there is at most one condition", "write one task for each"
    if "clear" in given:
        yield from _clear(when)
    if not conditions:
        if "for" in given:
            yield (
                "for",
                "for says how long a condition must hold, and there is none",
                "add above, below, equals or edge",
            )
        if "each" in given:
            yield "each", "each belongs to a condition; without one every event starts the task anyway", "delete each"
    if "channel" in given and "field" in given:
        yield "field", "channel is for devices and field for MQTT messages", "delete one of them"
    if "timezone" in given and "cron" not in given:
        yield "timezone", "timezone belongs to cron", "delete it, or add cron"


def _starts(given: list[str], conditions: list[str], schedules: list[str]) -> Iterator[Mistake]:
    if "source" in given:
        if schedules:
            hint = "write two tasks with the same run:"
            yield schedules[0], f"a source and a schedule ({listed(schedules)}) in one when", hint
    elif schedules:
        loose = [key for key in (*conditions, "clear", "for", *_SWITCHES, "channel", "field") if key in given]
        if loose:
            yield loose[0], f"{listed(loose)} without a source: a schedule carries no values", "add source, or delete"
        if len(schedules) > 1:
            yield "cron", "every and cron in one when", "write two tasks with the same run:"
    elif given:
        yield "", f"{listed(given)} without a source", "add `source:` with a device or a name of mqtt.subscribe"
    else:
        yield "", "nothing starts this task", "`when: {source: NAME}`, `when: {every: 1m}` or `when: {cron: ...}`"


def _clear(when: When) -> Iterator[Mistake]:
    if when.above is None and when.below is None:
        yield "clear", "clear says where above or below ends, and there is neither", "delete clear"
    elif when.clear is None or (when.above is not None and when.below is not None):
        return
    elif when.above is not None and when.clear > when.above:
        hint = f"such as clear: {when.above - 1:g}"
        yield "clear", f"clear {when.clear:g} must not be higher than above {when.above:g}", hint
    elif when.below is not None and when.clear < when.below:
        hint = f"such as clear: {when.below + 1:g}"
        yield "clear", f"clear {when.clear:g} must not be lower than below {when.below:g}", hint


def _check_source(steps: Steps, when: When, source: str, survey: Survey) -> None:
    report = survey.report
    if source in survey.drivers:
        _check_device_source(steps, when, source, survey)
    elif source in survey.source_names:
        if when.channel is not None:
            hint = f"field: {when.channel} reads that field of the JSON message"
            report.at((*steps, "channel"), f"{source} is an MQTT source; its messages have fields, not channels", hint)
        if when.edge is not None:
            report.at((*steps, "edge"), f"{source} is an MQTT source; edges belong to pins", "use equals: true")
        if when.doubtful:
            report.at((*steps, "doubtful"), f"{source} is an MQTT source; only readings are doubted", "delete doubtful")
    elif source not in survey.device_names and not report.lost(("devices",)):
        if report.lost(("mqtt",)) or report.lost(("mqtt", "subscribe")):
            return  # it may well stand in what could not be read
        known = sorted(survey.device_names | survey.source_names)
        hint = did_you_mean(source, known, f"there are: {listed(known)}")
        report.at((*steps, "source"), f"no device or source called {source!r}", hint)


def _check_device_source(steps: Steps, when: When, source: str, survey: Survey) -> None:
    report, driver = survey.report, survey.drivers[source]
    settings = survey.config.devices[source]
    kind, channels = settings.driver, driver.channels_of(settings.traits)
    condition = any(getattr(when, key) is not None for key in _CONDITIONS)
    if not channels:
        return  # the device is without an option that names them, which is said there
    if when.field is not None:
        report.at((*steps, "field"), f"{source} is a device; its readings have channels: {listed(channels)}",
                  did_you_mean(when.field, channels, "use channel"))  # fmt: skip
    if when.channel is not None and when.channel not in channels:
        hint = did_you_mean(when.channel, channels, f"its channels: {listed(channels)}")
        report.at((*steps, "channel"), f"{source} ({kind}) has no channel {when.channel!r}", hint)
        return
    if when.channel is None and when.field is None and condition and len(channels) > 1:
        report.at(
            steps, f"{source} ({kind}) has several channels, and channel is missing", f"one of {listed(channels)}"
        )
        return
    if when.edge is not None and not issubclass(driver, Push):
        report.at((*steps, "edge"), f"{source} ({kind}) is sampled; it has no edges", "use above, below or equals")
    channel = when.channel or next(iter(channels))
    unit = channels.get(channel)
    _check_reach(steps, when, source, channel, survey)
    if when.edge is not None and issubclass(driver, Push) and unit not in _TWO_VALUES:
        report.at((*steps, "edge"), f"{when.channel} of {source} is a number; it has no edges", "use above or below")
    if unit in _TWO_VALUES and not _possible(when):
        key, limit = ("below", when.below) if when.above is None else ("above", when.above)
        name = when.channel or next(iter(channels))
        message = f"{name} of {source} is true or false, which {key}: {limit:g} cannot tell apart"
        report.at((*steps, key), message, f"write {'edge: rising' if unit == 'event' else 'equals: true'} instead")
    if unit == "event" and not condition:
        message = f"{when.channel} of {source} becomes true when it happens, and false again at the next press"
        report.at((*steps, "channel"), message, "add edge: rising")
    if isinstance(when.equals, str):
        values = "true or false" if unit in _TWO_VALUES else "numbers"
        message = f"{source} gives {values}, never {kind_of(when.equals)}"
        report.at((*steps, "equals"), message, "write the value without quotes")


def _possible(when: When) -> bool:
    """Whether true and false, which count as 1 and 0, are on both sides of the threshold, if there is one."""
    return (when.above is None or 0 <= when.above < 1) and (when.below is None or 0 < when.below <= 1)


def _check_reach(steps: Steps, when: When, source: str, channel: str, survey: Survey) -> None:
    """A condition that can never be true, or never ends: what the part cannot measure is an error, not a reading."""
    limits = survey.limits.get(source, {})
    if channel not in limits:
        return
    low, high = limits[channel]
    same = None if isinstance(when.equals, bool | str) else when.equals
    settings = survey.config.devices[source]
    unit = survey.drivers[source].channels_of(settings.traits)[channel]
    never = {
        "above": f"above {high:g}" if when.above is not None and when.above >= high else "",
        "below": f"below {low:g}" if when.below is not None and when.below <= low else "",
        "equals": f"{same}" if same is not None and not low <= same <= high else "",
    }
    if when.clear is not None:
        ends = when.clear >= low if when.above is not None else when.clear <= high
        never["clear"] = "" if ends else f"{when.clear:g}"
    for key, what in never.items():
        if what:
            message = f"{channel} of {source} ({settings.driver}) is never {what} {unit}"
            survey.report.at((*steps, key), message, f"a value within {low:g} .. {high:g} {unit}")


def _check_schedule(steps: Steps, when: When, survey: Survey) -> None:
    report = survey.report
    if "timezone" in when.model_fields_set and not _is_timezone(when.timezone):
        known = zoneinfo.available_timezones()
        nearest = {name.lower(): name for name in known}
        hint = did_you_mean(when.timezone, nearest, "such as Europe/Vienna or UTC")
        for low, name in nearest.items():
            hint = hint.replace(f"{low!r}", f"{name!r}")
        report.at((*steps, "timezone"), f"no time zone called {when.timezone!r}",
                  hint if len(known) > 1 else "this machine has no time zones: apt install tzdata")  # fmt: skip
    elif when.cron is not None:
        try:
            survey.cron(when.cron, when.timezone)
        except ValueError as error:
            report.at((*steps, "cron"), f"{when.cron[:60]!r} is no cron expression: {error}",
                      'minute hour day month weekday: "30 2 * * *" is 2:30 every night')  # fmt: skip


def _is_timezone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
