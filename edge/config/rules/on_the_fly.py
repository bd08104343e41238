"""`on_the_fly:` what apps may listen to, who may send them, and whether anything could come at all."""

from __future__ import annotations

import importlib.util

from edge.config.keys import parse_key
from edge.config.on_the_fly import OnTheFly
from edge.config.report import Steps, did_you_mean, listed
from edge.config.rules.survey import Survey
from edge.config.tasks import MOST_IN_SANDBOX
from edge.config.units import show_size

_SENDERS = ("local", "runtime", "unknown")


def check_on_the_fly(survey: Survey) -> None:
    """Sources, devices, keys, and what MQTT needs; topics and tools are checked with those of tasks."""
    settings = survey.config.on_the_fly
    if settings is None:
        return
    _check_sources(settings, survey)
    granted: Steps = ("on_the_fly", "grant", "devices")
    survey.check_device_names(granted, settings.grant.devices, only="can be granted")
    for name, text in settings.keys.items():
        _check_key(name, text, survey)
    if settings.remote:
        _check_remote(settings, survey)
    steps: Steps = ("on_the_fly", "limits", "memory")
    if (settings.limits.memory or 0) > MOST_IN_SANDBOX and not survey.report.spoiled(steps):
        survey.report.at(steps, f"a run in the sandbox has at most {show_size(MOST_IN_SANDBOX)}", "write less")


def _check_sources(settings: OnTheFly, survey: Survey) -> None:
    report, known = survey.report, sorted(survey.device_names | survey.source_names)
    for index, source in enumerate(settings.sources):
        if source in known or report.lost(("devices",)) or report.lost(("mqtt",)) or report.lost(("mqtt", "subscribe")):
            continue
        hint = did_you_mean(source, known, f"there are: {listed(known)}")
        report.at(("on_the_fly", "sources", index), f"no device or source called {source!r}", hint)


def _check_key(name: str, text: str, survey: Survey) -> None:
    steps: Steps = ("on_the_fly", "keys", name)
    try:
        parse_key(text)
    except ValueError as error:
        survey.report.at(steps, str(error), "`edge apps keygen FILE` makes a pair")
        return
    if name in _SENDERS:
        message = f"{name!r} is what the audit calls somebody else"
        survey.report.at(steps, message, "give the key another name")
    if importlib.util.find_spec("cryptography") is None:
        message = "the library for signatures is not installed"
        survey.report.at(steps, message, "pip install 'edge-runtime[encryption]'")


def _check_remote(settings: OnTheFly, survey: Survey) -> None:
    report, steps = survey.report, ("on_the_fly", "remote")
    if not settings.keys and not report.lost(("on_the_fly", "keys")):
        message = "without keys nobody could sign what comes over MQTT"
        report.at(steps, message, "add keys: {NAME: PUBLIC KEY}, or delete remote")
    elif "mqtt" not in survey.data and not report.lost(("mqtt",)):
        report.at(steps, "there is no broker over which apps could come", "add mqtt: {broker: mqtt://...}")
