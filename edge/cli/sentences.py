"""Configuration in plain English: what starts a task, and the start-up banner."""

from __future__ import annotations

from drivers import find
from edge.cli.output import plain
from edge.cli.rights import goal, may
from edge.config.models import Config, DurabilityByClass, JournalSection
from edge.config.tasks import TaskSettings, When
from edge.config.units import show_duration, show_size
from edge.handles import place_of
from edge.journal import key_id

_DURABILITY = {
    "fsync": "survives a power cut",
    "written": "survives a crash of the program, not a power cut",
}
_EDGES = {"rising": "turns true", "falling": "turns false", "both": "changes"}


def when(settings: TaskSettings) -> str:
    """`when workshop temperature becomes greater than 30 and stays so for 10s; again after it was 28 or less`."""
    condition = settings.when
    if condition.cron is not None:
        text = f"at the times of cron {condition.cron!r} ({condition.timezone})"
    elif condition.every is not None:
        text = f"every {show_duration(condition.every)}"
    else:
        text = _source(condition)
    if settings.cooldown:
        text += f", then not for {show_duration(settings.cooldown)}"
    return text


def _source(condition: When) -> str:
    subject = " ".join(filter(None, (condition.source, condition.channel or condition.field)))
    if condition.edge is not None:
        return f"when {subject} {_EDGES[condition.edge]}"
    test, clear = _test(condition)
    if not test:
        return f"on every event of {subject}"
    text = f"on every event while {subject} is {test}" if condition.each else f"when {subject} becomes {test}"
    if condition.for_:
        text += f" and stays so for {show_duration(condition.for_)}"
    return text if condition.each else f"{text}; again after it was {clear}"


def _test(condition: When) -> tuple[str, str]:
    if condition.above is not None:
        clear = condition.above if condition.clear is None else condition.clear
        return f"greater than {condition.above:g}", f"{clear:g} or less"
    if condition.below is not None:
        clear = condition.below if condition.clear is None else condition.clear
        return f"less than {condition.below:g}", f"{clear:g} or more"
    if condition.equals is not None:
        return f"{plain(condition.equals)}", "something else"
    return "", ""


def summary(config: Config) -> list[tuple[str, str]]:
    """What the configuration makes of this gateway, as label and sentence: the banner of `run`, the page of `check`."""
    journal = config.journal
    lines = [
        ("gateway", f"{config.edge.id}, {config.edge.backend} hardware"),
        (
            "journal",
            f"{journal.path}: {_durability(journal.durability)}; up to {show_size(journal.max_size)}{_closed(journal)}",
        ),
    ]
    if config.mqtt is not None:
        topics = ", ".join(f"{name} ({source.topic})" for name, source in config.mqtt.subscribe.items())
        lines.append(("broker", f"{config.mqtt.broker}: {topics or 'no sources'}"))
    devices = ", ".join(
        f"{name} ({one.driver}, {place_of(one, find(one.driver).driver)})" for name, one in config.devices.items()
    )
    lines.append(("devices", devices or "none"))
    for name, settings in config.tasks.items():
        lines.append(("task", f"{name} runs {when(settings)}"))
        lines.append(("", f"it may {'; '.join(may(settings, config.tools))}"))
        if settings.check is not None:
            lines.append(("", f"its results are good if {goal(settings.check)}"))
    lines += [
        ("upstream", f"{name}: {upstream.broker}, {upstream.topic}, {_pace(upstream.batch, upstream.every)}")
        for name, upstream in config.upstream.items()
    ]
    if not config.upstream:
        lines.append(("upstream", "none: outcomes stay here"))
    if config.runs.observers:
        lines.append(("observers", f"{', '.join(config.runs.observers)}: told of every run"))
    if config.metrics is not None:
        lines.append(("metrics", f"http://{config.metrics.listen}/metrics and /healthz"))
    return lines


def _closed(journal: JournalSection) -> str:
    """What is said of encryption; what a key did not close is not closed later."""
    if journal.encrypt is None:
        return ""
    current, _ = journal.keys
    what = "plain" if current is None else f"encrypted with key {key_id(current)}"
    return f"; new files are {what}, older ones stay as they are (`edge journal stats` counts both)"


def _durability(levels: DurabilityByClass) -> str:
    if levels.alarm == levels.telemetry == levels.publish:
        return f"{levels.alarm}, {_DURABILITY[levels.alarm]}"
    return ", ".join(f"{klass} {level}" for klass, level in levels)


def _pace(batch: int, every: float | None) -> str:
    message = "one a message" if batch == 1 else f"up to {batch} a message"
    return f"{message}, at once" if every is None else f"{message}, after {show_duration(every)} at most"
