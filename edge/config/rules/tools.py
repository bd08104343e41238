"""`tools:` and who names them: servers, commands and files that can be used, and no grant of what is not there."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from edge.config.http import header_problem, plain_server
from edge.config.report import Steps, did_you_mean, listed, shortened
from edge.config.rules.survey import Survey
from edge.config.secrets import STAND_IN
from edge.config.tasks import Grant, Limits
from edge.config.tools import HttpTool, KvTool, ShellTool, SqlTool
from edge.config.units import show_size

_ALL = "*"


def check_tools(survey: Survey) -> None:
    """Every tool, and every grant, denial and limit that names one."""
    for name, settings in survey.config.tools.items():
        steps: Steps = ("tools", name)
        match settings:
            case HttpTool():
                _check_http(steps, settings, survey)
            case KvTool():
                _check_kv(steps, settings, survey)
            case SqlTool():
                _check_sql(steps, settings, survey)
            case ShellTool():
                _check_shell(steps, settings, survey)
    for name, task in survey.config.tasks.items():
        _check_names(("tasks", name), task.grant, task.limits, survey)
    if survey.config.on_the_fly is not None:
        _check_names(("on_the_fly",), survey.config.on_the_fly.grant, survey.config.on_the_fly.limits, survey)


def _check_http(steps: Steps, settings: HttpTool, survey: Survey) -> None:
    report = survey.report
    for index, host in enumerate(settings.hosts):
        try:
            plain_server(host)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            report.at((*steps, "hosts", index), f"{shortened(host)}: {message}", hint)
    for key, secret in settings.headers.items():
        value = secret.get_secret_value()
        problem = header_problem(key, "" if value == STAND_IN else value)
        if problem:
            report.at((*steps, "headers", key), problem, "such as `authorization: !secret weather_token`")
    if settings.ca is not None and not survey.simulated and not Path(settings.ca).is_file():
        report.at((*steps, "ca"), f"there is no file {settings.ca}", "relative paths start at this file's folder")
    if importlib.util.find_spec("httpx") is None and not survey.simulated:
        report.at(steps, "the library for http is not installed", "pip install 'edge-runtime[http]'")


def _check_kv(steps: Steps, settings: KvTool, survey: Survey) -> None:
    room = survey.config.journal.table_size
    if settings.value > room:
        message = f"a value may be larger than a whole table, {show_size(room)}"
        survey.report.at((*steps, "value"), message, "make it smaller, or journal.table_size larger")


def _check_sql(steps: Steps, settings: SqlTool, survey: Survey) -> None:
    file = Path(settings.file)
    if not survey.simulated and not file.is_file():
        what = f"no file {file}" if file.parent.is_dir() else f"no folder {file.parent}"
        survey.report.warn((*steps, "file"), f"there is {what}", "every call fails until somebody makes it")


def _check_shell(steps: Steps, settings: ShellTool, survey: Survey) -> None:
    report = survey.report
    for name, command in settings.commands.items():
        place: Steps = (*steps, "commands", name)
        if command[0] in ("", "{}") or "\0" in "".join(command):
            report.at(place, "the first word is the program, which no task chooses", "such as [/usr/bin/uptime]")
        for word in command:
            if "{}" in word and word != "{}":
                report.at(place, f"{shortened(word)}: {{}} stands for a whole argument", 'write "{}" alone, in quotes')


def _check_names(steps: Steps, grant: Grant, limits: Limits, survey: Survey) -> None:
    for place, name in _named(steps, grant, limits):
        if name == _ALL and place[-2] == "tools" and place[-3] == "grant":
            continue
        if name == _ALL:
            survey.report.at(place, "* stands for tools only in grant.tools", "name each of them")
        elif name not in survey.tool_names:
            known = f"there are: {listed(sorted(survey.tool_names))}"
            hint = did_you_mean(name, survey.tool_names, known if survey.tool_names else "add it to tools:")
            survey.report.at(place, f"no tool called {shortened(name)}", hint)


def _named(steps: Steps, grant: Grant, limits: Limits) -> Iterator[tuple[Steps, str]]:
    for key, names in (("tools", grant.tools), ("deny_tools", grant.deny_tools)):
        yield from (((*steps, "grant", key, index), name) for index, name in enumerate(names))
    yield from (((*steps, "limits", "tools", name), name) for name in limits.tools)
