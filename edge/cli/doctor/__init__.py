"""`edge doctor`: examine this machine, one line a finding, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from edge.cli.arguments import Arguments
from edge.cli.doctor.brokers import examine_brokers
from edge.cli.doctor.findings import Finding, Level, Machine
from edge.cli.doctor.hardware import examine_hardware
from edge.cli.doctor.lines import examine_lines
from edge.cli.doctor.service import examine_service
from edge.cli.doctor.software import examine_software
from edge.cli.doctor.storage import examine_storage
from edge.cli.doctor.timekeeping import examine_time
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import Colour, columns, count, paint, say, say_json
from edge.clock import Clock, SystemClock
from edge.config.models import Config, JournalSection
from edge.errors import ConfigError

_COLOURS: dict[Level, Colour] = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(words: list[str]) -> int:
    """Exit 3 when something fails; warnings alone are fine."""
    options = (
        Arguments(
            "doctor",
            "Examine this machine: Python, packages, buses, pins, ports, power, clock, disk, brokers, service."
            " Changes nothing; with a configuration it looks at what that needs.",
            examples=("doctor", "doctor -c /etc/edge/edge.yaml --json"),
        )
        .with_config()
        .with_json("a list of {level, area, message, remedy}")
        .parse_args(words)
    )
    findings = list(examine(Machine(), SystemClock(), options.config))
    if options.json:
        say_json([asdict(finding) for finding in findings])
    else:
        say(_page(findings))
    return DEGRADED if any(finding.level == "fail" for finding in findings) else FINE


def examine(machine: Machine, clock: Clock, option: str | None) -> Iterator[Finding]:
    """Everything, in the order in which it is best mended."""
    yield from examine_software()
    gateway, config, trouble = _configuration(option)
    yield trouble
    yield from examine_hardware(machine, config)
    yield from examine_lines(machine, config)
    yield from examine_time(machine, clock)
    # without a configuration: where `edge init` would put one
    journal = config.journal if config is not None else JournalSection(path=str(Path.cwd() / "journal"))
    yield from examine_storage(machine, journal, clock)
    if config is not None:
        yield from examine_brokers(machine, config)
    yield from examine_service(machine, gateway)


def _configuration(option: str | None) -> tuple[Gateway | None, Config | None, Finding]:
    try:
        gateway = Gateway(option)
    except Stop as stop:
        # without -c it is fine to have none yet: a doctor is asked first
        return None, None, Finding("fail" if option else "warn", "config", *_parted(str(stop)))
    try:
        config = gateway.full
    except ConfigError as error:
        text = f"{count(len(error.problems), 'problem')} in {gateway.file}"
        return None, None, Finding("fail", "config", text, f"edge check -c {gateway.file}")
    return gateway, config, Finding("ok", "config", f"{gateway.file} has no mistakes")


def _parted(sentence: str) -> tuple[str, str]:
    what, _, remedy = sentence.partition(";")
    return what, remedy.strip()


def _page(findings: list[Finding]) -> str:
    lines: list[str] = []
    rows = columns((_level(one), one.area, one.message) for one in findings).splitlines()
    indent = " " * (6 + max(len(one.area) for one in findings) + 2)
    for row, finding in zip(rows, findings, strict=True):
        lines.append(row)
        if finding.remedy:
            lines.append(f"{indent}-> {finding.remedy}")
    failed = sum(finding.level == "fail" for finding in findings)
    warned = sum(finding.level == "warn" for finding in findings)
    verdict = f"{failed} failed, {count(warned, 'warning')}" if failed or warned else "all fine"
    return "\n".join([*lines, "", verdict])


def _level(finding: Finding) -> str:
    return paint(finding.level, _COLOURS[finding.level])
