"""From a file to a `Config`, or to every reason why not.

    read lines -> environment over it -> secrets -> types (what is wrong is taken out) -> references -> Config

Every step adds to one report and goes on, so one run of `edge check` finds all there is to find. Only text that is
not YAML ends it early.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config.models import Config, is_one_upstream
from edge.config.overrides import override
from edge.config.report import Report, Steps
from edge.config.rules import (
    CheckCron,
    Survey,
    check_broker_devices,
    check_cron,
    check_devices,
    check_encryption,
    check_journal,
    check_limits,
    check_links,
    check_memory,
    check_multiplexers,
    check_on_the_fly,
    check_plausible,
    check_programs,
    check_provisions,
    check_simulation,
    check_tools,
    check_triggers,
    names_of,
)
from edge.config.schema import all_models, mend
from edge.config.secrets import STAND_IN, Secrets
from edge.config.source import read_mapping
from edge.errors import ConfigError, Problem

# Names that the types use in Python because the file's words are keywords there.
_PYTHON_NAMES = {"for_": "for", "klass": "class"}


@dataclass(frozen=True, slots=True)
class Examined:
    """`config` is None when there are problems. Warnings do not stop the runtime."""

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def load(
    path: str | Path,
    *,
    environ: Mapping[str, str] = os.environ,
    cron: CheckCron = check_cron,
    simulated: bool = False,
) -> Config:
    """The configuration in the file at `path`, ready to use: paths absolute, `{id}` filled in, secrets `SecretStr`.

    `cron` judges cron expressions; a calendar that understands less than the five fields can say so here.
    `simulated` is for tests and demos: secrets that nobody has get a stand-in, and TLS files may be missing.
    Raises `ConfigError` with every problem at once.
    """
    examined = examine(path, environ=environ, cron=cron, simulated=simulated)
    if examined.config is None:
        raise ConfigError(list(examined.problems))
    return examined.config


def check(path: str | Path, *, environ: Mapping[str, str] = os.environ, cron: CheckCron = check_cron) -> list[Problem]:
    """Every problem, then every warning (its message begins with `warning:`); never raises for what is in the file."""
    examined = examine(path, environ=environ, cron=cron)
    return [*examined.problems, *examined.warnings]


def examine(
    path: str | Path,
    *,
    environ: Mapping[str, str] = os.environ,
    cron: CheckCron = check_cron,
    simulated: bool = False,
) -> Examined:
    """Like `load`, with problems and warnings as values."""
    file = Path(path)
    report = Report(str(path))
    config = _examine(file, environ, cron, simulated, report)
    problems = tuple(sorted(report.problems, key=lambda problem: (problem.file != report.file, problem.line)))
    return Examined(None if problems else config, problems, tuple(report.warnings))


def _examine(file: Path, environ: Mapping[str, str], cron: CheckCron, simulated: bool, report: Report) -> Config | None:
    folder = file.absolute().parent
    data = read_mapping(file, report.file, report)
    if report.broken:
        return None
    if is_one_upstream(data.get("upstream")):
        data["upstream"] = {"default": data["upstream"]}
        report.aliases["upstream", "default"] = ("upstream",)
    override(data, environ, report)
    data = _without_nothing(data, (), report)
    data = Secrets(folder, environ, report, STAND_IN if simulated else None).resolve(data)
    devices, sources, tools = names_of(data, "devices"), names_of(data, "mqtt", "subscribe"), names_of(data, "tools")
    context = {"folder": folder, "id": _id(data)}
    config = mend(data, report, context)
    if config is None:
        return None
    survey = Survey(
        config=config,
        data=data,
        report=report,
        folder=folder,
        device_names=devices,
        source_names=sources,
        tool_names=tools,
        cron=cron,
        simulated=simulated,
    )
    for rule in _RULES:
        rule(survey)
    # Once more: the rules turned the durations among the drivers' options into seconds.
    return None if report.problems else Config.model_validate(data, context=context)


_RULES = (
    check_devices,
    check_multiplexers,
    check_plausible,
    check_broker_devices,
    check_simulation,
    check_on_the_fly,
    check_triggers,
    check_programs,
    check_provisions,
    check_memory,
    check_limits,
    check_tools,
    check_links,
    check_journal,
    check_encryption,
)


def _id(data: Mapping[str, Any]) -> str:
    edge = data.get("edge")
    name = edge.get("id") if isinstance(edge, Mapping) else None
    return name if isinstance(name, str) else "unknown"


def _without_nothing(data: Any, steps: Steps, report: Report) -> Any:
    """Without keys that have no value: `above:` with nothing behind it is a slip, not a condition that is not there."""
    if not isinstance(data, dict):
        return data
    kept: dict[str, Any] = {}
    for key, value in data.items():
        path = (*steps, key)
        if value is None:
            report.at(path, f"nothing stands after {key}:", "give a value, {} for an empty section, or delete the line")
        elif key in _PYTHON_NAMES and "tasks" in steps[:1]:
            report.at(path, f"there is no key {key!r} here", f"did you mean {_PYTHON_NAMES[key]!r}?")
        else:
            kept[key] = _without_nothing(value, path, report)
    return kept


def schema() -> dict[str, Any]:
    """The JSON Schema of edge.yaml: what `edge config schema` prints, and what editors complete from."""
    made = Config.model_json_schema(by_alias=True)
    by_name = all_models()
    for name, described in made["$defs"].items():
        written = by_name[name].model_construct().model_dump(mode="json", by_alias=True)
        for key, value in written.items():
            described["properties"][key]["default"] = value  # as in the file: 10s, not 10.0
    one = {"$ref": "#/$defs/MqttUpstream"}
    upstream = made["properties"]["upstream"]
    shared = {key: upstream.pop(key) for key in ("description", "title", "default") if key in upstream}
    made["properties"]["upstream"] = {**shared, "anyOf": [one, upstream]}
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "edge.yaml"
    return made
