"""Whether a task with an app's settings could stand in this gateway's edge.yaml: the same rules, the same sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.config.models import Config
from edge.config.report import Report
from edge.config.rules.devices import check_devices
from edge.config.rules.survey import CheckCron, Survey, check_cron
from edge.config.rules.triggers import check_triggers
from edge.config.tasks import TaskSettings

Judge = Callable[[str, TaskSettings], str]
"""What is wrong with a task of that name and those settings here; empty when nothing is."""


def judge(config: Config, cron: CheckCron = check_cron) -> Judge:
    """The rules of triggers and grants, over one task at a time."""

    def problems(name: str, settings: TaskSettings) -> str:
        sources = frozenset(config.mqtt.subscribe) if config.mqtt is not None else frozenset()
        survey = Survey(
            config=config.model_copy(update={"tasks": {name: settings}}),
            data=config.model_dump(),
            report=Report(""),
            folder=Path("/"),
            device_names=frozenset(config.devices),
            source_names=sources,
            cron=cron,
            simulated=True,
        )
        check_devices(survey)
        survey.report.problems.clear()  # the devices were judged when the gateway started
        check_triggers(survey)
        prefix = f"tasks.{name}."
        said = [(one.path.removeprefix(prefix), one.message, one.hint) for one in survey.report.problems]
        return "; ".join(f"{path}: {message}" + (f" ({hint})" if hint else "") for path, message, hint in said[:5])

    return problems
