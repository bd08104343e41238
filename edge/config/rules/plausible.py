"""`jump`, `believe` and `frozen` of a device: whether they say something about what it measures."""

from __future__ import annotations

from collections.abc import Mapping

from drivers import Device, Push
from edge.config.models import DeviceSettings
from edge.config.report import Report, Steps, did_you_mean, listed
from edge.config.rules.survey import Survey
from edge.config.units import show_duration

_KEYS = ("jump", "believe", "frozen")


def check_plausible(survey: Survey) -> None:
    """Every device; after `check_devices`, which finds the drivers."""
    for name, settings in survey.config.devices.items():
        steps: Steps = ("devices", name)
        given = [key for key in _KEYS if key in settings.model_fields_set]
        if not given or name not in survey.drivers or survey.report.spoiled(steps):
            continue
        driver = survey.drivers[name]
        measured = {channel: unit for channel, unit in driver.channels_of(settings.options).items() if unit != "bool"}
        if issubclass(driver, Push) or not measured:
            message = f"{settings.driver} measures nothing that could jump or freeze"
            survey.report.at((*steps, given[0]), message, f"delete {given[0]}")
            continue
        _check_jump(steps, settings, measured, survey.report)
        _check_frozen(steps, settings, driver, survey.report)


def _check_jump(steps: Steps, settings: DeviceSettings, measured: Mapping[str, str], report: Report) -> None:
    jump = settings.jump
    if not jump:
        if "believe" in settings.model_fields_set:
            report.at((*steps, "believe"), "believe says how long a jump must hold, and there is no jump", "add jump")
    elif "*" not in jump:
        for channel in sorted(jump.keys() - measured.keys()):
            hint = did_you_mean(channel, measured, f"what it measures: {listed(measured)}")
            report.at((*steps, "jump", channel), f"{settings.driver} does not measure {channel!r}", hint)
    elif len(set(measured.values())) > 1:
        example = ", ".join(f"{channel}: {jump['*']:g}" for channel in measured)
        message = f"one jump for channels with several units ({listed(measured)})"
        report.at((*steps, "jump"), message, f"a number for each: {{{example}}}")


def _check_frozen(steps: Steps, settings: DeviceSettings, driver: type[Device], report: Report) -> None:
    every = settings.every or driver.every
    if settings.frozen is not None and settings.frozen < 2 * every:
        message = f"a reading every {show_duration(every)} cannot stand still within {show_duration(settings.frozen)}"
        report.at((*steps, "frozen"), message, f"at least {show_duration(2 * every)}, better much more")
