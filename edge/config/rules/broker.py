"""Devices on the broker: that there is one, what their topics are, and that no two are the same."""

from __future__ import annotations

from typing import Any

from drivers import DriverError, MqttDevice
from edge.config.models import DeviceSettings
from edge.config.report import Report, Steps
from edge.config.rules.survey import Survey
from edge.config.topics import topic_problem

_FOR_WHAT_IS_ASKED = ("jump", "believe", "frozen")


def check_broker_devices(survey: Survey) -> None:
    """After `check_devices`, which finds the drivers and turns their durations into seconds."""
    report, owners = survey.report, dict[tuple[str, str], str]()
    for name, settings in survey.config.devices.items():
        driver = survey.drivers.get(name)
        if driver is None or not issubclass(driver, MqttDevice):
            continue
        steps: Steps = ("devices", name)
        backend = settings.backend or survey.config.edge.backend
        if backend == "real" and "mqtt" not in survey.data and not report.lost(("mqtt",)):
            report.at(steps, f"{name} hangs on the broker, and none is configured", "add mqtt: {broker: mqtt://...}")
        if backend == "replay":
            message = f"{name} hangs on the broker, of which nothing is recorded"
            report.at(steps, message, "give it `backend: sim`")
        for key in _FOR_WHAT_IS_ASKED:
            if key in settings.model_fields_set:
                message = f"{name} speaks when it likes: what jumps or rests cannot be asked again"
                report.at((*steps, key), message, f"delete {key}; `stale` is how long it may be silent")
        if settings.topic is None or report.spoiled(steps):
            continue
        device = _made(name, driver, settings, survey)
        wrong = next(filter(None, map(_problem, device.topics)), "") if device is not None else ""
        if wrong:
            report.at(steps, wrong, "its topics are made of topic and the options that say where it is")
        for claim in device.claims if device is not None else ():
            owner = owners.setdefault((backend, claim), name)
            if owner != name:
                line = report.line(("devices", owner))
                message = f"{claim.rpartition(' ')[2]} of {settings.topic} belongs to {owner} already (line {line})"
                report.at((*steps, "topic"), message, f"use {owner}, or name other channels or another relay")
                break


def check_topic(steps: Steps, settings: DeviceSettings, report: Report) -> None:
    """Where one is given."""
    topic = settings.topic
    if topic is None:
        return
    if problem := _problem(topic):
        report.at((*steps, "topic"), problem, "for many devices at once: a source in mqtt.subscribe")


def _problem(topic: str) -> str:
    if "+" in topic or "#" in topic:
        return f"{topic[:60]} has a wildcard, and a device has one topic"
    return topic_problem(topic)


def _made(name: str, driver: type[MqttDevice], settings: DeviceSettings, survey: Survey) -> MqttDevice | None:
    """The device; None where it cannot be made: that was reported."""
    make: Any = driver
    options = {key: survey.data["devices"][name][key] for key in settings.options}
    try:
        device: MqttDevice = make(None, settings.topic, **options)
    except (DriverError, ValueError, TypeError):
        return None
    return device
