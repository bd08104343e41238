"""What every rule looks at: the mended configuration, and the names that stand in the file, broken entries included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers import Device
from edge.config.cron import parse_cron_fields
from edge.config.models import Config
from edge.config.report import Report, Steps, did_you_mean, listed

CheckCron = Callable[[str, str], object]
"""Takes a cron expression and a time zone; raises ValueError when nothing can be made of them."""


def check_cron(text: str, timezone: str) -> None:
    """The five fields of crontab(5); the time zone is checked apart. Raises ValueError."""
    parse_cron_fields(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """`data` is what `config` was made from.

    drivers   the class of every device whose driver was found
    limits    device -> channel -> lowest and highest value, as they are with its options
    """

    config: Config
    data: dict[str, Any]
    report: Report
    folder: Path
    device_names: frozenset[str]
    source_names: frozenset[str]
    tool_names: frozenset[str]
    cron: CheckCron
    simulated: bool
    drivers: dict[str, type[Device]] = field(default_factory=dict)
    limits: dict[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

    def check_device_names(self, steps: Steps, names: Sequence[str], *, only: str) -> None:
        """Report those in the list at `steps` that are no devices; `only` says so of an MQTT source."""
        for index, device in enumerate(names):
            if device in self.device_names or self.report.lost(("devices",)):
                continue
            known = sorted(self.device_names)
            hint = did_you_mean(device, known, f"there are: {listed(known)}")
            if device in self.source_names:
                hint = f"it is an MQTT source; only devices {only}"
            self.report.at((*steps, index), f"no device called {device!r}", hint)


def names_of(data: Mapping[str, Any], *steps: str) -> frozenset[str]:
    """The keys of the mapping at that place; none where it is something else."""
    place: Any = data
    for step in steps:
        place = place.get(step) if isinstance(place, Mapping) else None
    return frozenset(place) if isinstance(place, Mapping) else frozenset()
