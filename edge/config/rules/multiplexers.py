"""Chips behind multiplexers: whose channel it is, and who would answer at the same address."""

from __future__ import annotations

from drivers.wires.trunk import Multiplexer
from edge.config.models import DeviceSettings
from edge.config.report import Steps, did_you_mean, listed
from edge.config.rules.survey import Survey

_CHANNELS = 8
"""Of a multiplexer whose configuration does not say."""


def check_multiplexers(survey: Survey) -> None:
    """Every device with a bus like `mux/3`, and every multiplexer; after `check_devices`, which finds the drivers."""
    for name, settings in survey.config.devices.items():
        driver = survey.drivers.get(name)
        if settings.behind is None or driver is None or survey.report.spoiled(("devices", name)):
            continue
        if issubclass(driver, Multiplexer):
            message = f"{name} is a multiplexer behind a multiplexer, which is not supported"
            hint = "put it on the bus itself: eight of them fit, 0x70 to 0x77"
            survey.report.at(("devices", name, "bus"), message, hint)
        elif (above := _above(name, settings, survey)) is not None:
            _check_channel(name, settings, above, survey)
            _check_addresses(name, settings, above, survey)


def _above(name: str, settings: DeviceSettings, survey: Survey) -> DeviceSettings | None:
    """The multiplexer that the device names, if it is one."""
    steps: Steps = ("devices", name, "bus")
    wanted = str(settings.behind)
    known = sorted(other for other, kind in survey.drivers.items() if issubclass(kind, Multiplexer))
    if wanted not in survey.device_names:
        hint = did_you_mean(wanted, known, f"multiplexers: {listed(known)}" if known else "add {driver: tca9548a, ...}")
        survey.report.at(steps, f"{settings.bus} is channel {_channel(settings)} of {wanted!r}, and there is no such"
                         " device", hint)  # fmt: skip
    elif wanted in survey.drivers and wanted not in known:
        message = f"{wanted} is a {survey.config.devices[wanted].driver}, which has no further buses"
        survey.report.at(steps, message, "only a multiplexer has channels: driver: tca9548a")
    elif wanted in survey.drivers and survey.config.devices[wanted].bus is not None:
        return survey.config.devices[wanted]
    return None


def _check_channel(name: str, settings: DeviceSettings, above: DeviceSettings, survey: Survey) -> None:
    steps: Steps = ("devices", name, "bus")
    channels = above.options.get("channels", _CHANNELS)
    if isinstance(channels, int) and _channel(settings) >= channels:
        message = f"{settings.behind} has the channels 0 to {channels - 1}; there is no {_channel(settings)}"
        survey.report.at(steps, message, "count from 0, as the labels SD0, SD1 on the board")
    usual = survey.config.edge.backend
    if (settings.backend or usual) != (above.backend or usual):
        message = f"{name} has another backend than {settings.behind}, behind which it is"
        survey.report.at(steps, message, "a multiplexer and what is behind it are real or simulated together")


def _check_addresses(name: str, settings: DeviceSettings, above: DeviceSettings, survey: Survey) -> None:
    usual = survey.config.edge.backend
    here = _address(name, settings, survey)
    for other, neighbour in survey.config.devices.items():
        same_bus = (neighbour.bus, neighbour.backend or usual) == (above.bus, above.backend or usual)
        if same_bus and here is not None and _address(other, neighbour, survey) == here:
            line = survey.report.line(("devices", other, "address"))
            message = f"{here:#04x} belongs to {other} on {above.bus} itself (line {line}): both would answer at once"
            hint = f"a multiplexer does not hide its own bus: put {other} behind a channel too, or change an address"
            survey.report.at(("devices", name, "address"), message, hint)


def _address(name: str, settings: DeviceSettings, survey: Survey) -> int | None:
    if settings.address is not None or name not in survey.drivers:
        return settings.address
    usual: int | None = getattr(survey.drivers[name], "address", None)
    return usual


def _channel(settings: DeviceSettings) -> int:
    return int(str(settings.bus).partition("/")[2])
