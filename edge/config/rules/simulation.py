"""What stands below simulated and replayed devices: the scenario's and the recording's file, and what they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import drivers
from drivers.simulation.line_faults import KINDS
from drivers.simulation.pin_faults import PinKind
from drivers.simulation.weather import BusKind
from edge.config.report import Report, Steps, did_you_mean, listed
from edge.config.rules.survey import Survey
from edge.config.scenario import Scenario, read_scenario

_WIRES: Mapping[str, Sequence[str]] = {"i2c": get_args(BusKind), "pin": get_args(PinKind), **KINDS}
"""What can go wrong where."""


def check_simulation(survey: Survey) -> None:
    """`backend: replay` has a recording; a scenario can be read and names what is configured."""
    edge = survey.config.edge
    _check_recording(survey)
    if edge.scenario is not None:
        inner = Report(edge.scenario)
        scenario = read_scenario(edge.scenario, inner)
        if scenario is not None:
            _check_names(scenario, survey, inner)
        survey.report.problems.extend(inner.problems)


def _check_recording(survey: Survey) -> None:
    edge, report = survey.config.edge, survey.report
    for name, device in survey.config.devices.items():
        if (device.backend or edge.backend) != "replay":
            continue
        if edge.recording is None:
            steps: Steps = ("devices", name, "backend") if device.backend else ("edge", "backend")
            report.at(steps, f"{name} plays a recording back, and there is none", "edge: {recording: FILE}")
        elif not Path(edge.recording).is_file():
            report.at(("edge", "recording"), f"there is no file {edge.recording}", "`edge record FILE` makes one")
        return


def _check_names(scenario: Scenario, survey: Survey, report: Report) -> None:
    for steps, settings in scenario.replays:
        try:
            settings.series()
        except (OSError, ValueError) as error:
            report.at(steps, str(error), "see docs/guides/simulation.md")
    if survey.drivers.keys() != survey.device_names:
        return  # a device is wrong already: its signals are not known
    devices = survey.config.devices
    signals = sorted(
        f"{name}.{signal}"
        for name in survey.drivers
        for signal in drivers.find(devices[name].driver).signals(devices[name].traits)
    )
    for name, steps in scenario.names.items():
        if name not in signals:
            hint = did_you_mean(name, signals, f"there are {listed(signals)}")
            report.at(steps, f"no device has the signal {name!r}", hint)
    for number, fault in enumerate(scenario.faults):
        _check_fault(("faults", number, "device"), fault.device, fault.kind, survey, report)
        device = survey.config.devices.get(fault.device)
        if device is not None and fault.role is not None and fault.role not in device.numbers:
            hint = did_you_mean(fault.role, device.numbers, f"its pins: {listed(device.numbers)}")
            report.at(("faults", number, "role"), f"{fault.device} has no pin {fault.role!r}", hint)
    for name, rates in scenario.weather.items():
        for kind in rates:
            if report.spoiled(("weather", name)):
                break
            _check_fault(("weather", name), name, kind, survey, report)


def _check_fault(steps: Steps, name: str, kind: str, survey: Survey, report: Report) -> None:
    device = survey.config.devices.get(name)
    if device is None:
        report.at(steps, f"no device called {name!r}", did_you_mean(name, survey.device_names))
        return
    driver = survey.drivers[name]
    kinds = _WIRES.get(driver.wire, ())
    if kind not in kinds:
        report.at(steps, f"{kind} cannot happen to {name}", f"what can: {listed(kinds) or 'nothing'}")
    if (device.backend or survey.config.edge.backend) != "sim" and not survey.simulated:
        report.at(steps, f"{name} is not simulated: nothing can be made to go wrong there", "backend: sim")
