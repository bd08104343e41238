"""Python, the libraries, and who owns the three names that we install."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from edge.cli.doctor.findings import Finding

DISTRIBUTION = "edge-runtime"
NAMES = ("edge", "drivers", "tasks")
_LIBRARIES = (
    "paho-mqtt",
    "pydantic",
    "APScheduler",
    "tinydb",
    "gpiozero",
    "smbus2",
    "orjson",
    "ruamel.yaml",
    "lgpio",
    "cryptography",
    "httpx",
)


def examine_software() -> Iterator[Finding]:
    """Two or three lines; ownership only when something is wrong, or that nothing is."""
    yield _python(sys.version_info[:3], platform.machine())
    found = [f"{name} {_version(name)}" for name in (DISTRIBUTION, *_LIBRARIES) if _version(name)]
    yield Finding("ok", "versions", ", ".join(found))
    yield from examine_ownership(packages_distributions(), {name: _folder(name) for name in NAMES})


def examine_ownership(owners: Mapping[str, Sequence[str]], folders: Mapping[str, Path | None]) -> Iterator[Finding]:
    """pip overwrites one distribution's files with another's without a word, and `pip check` sees nothing."""
    home = folders["edge"]
    remedy = f"install {DISTRIBUTION} into a virtual environment of its own: python3 -m venv /opt/edge/venv"
    fine = True
    for name in NAMES:
        # an editable install lists no files: then only the place speaks
        strangers = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if strangers:
            fine = False
            yield Finding("fail", "packages", f"{name!r} also belongs to {', '.join(strangers)}", remedy)
        elif folders[name] is None or folders[name] != home:
            fine = False
            where = folders[name] or "nowhere"
            yield Finding("fail", "packages", f"{name!r} is found in {where}, and edge in {home}", remedy)
    if fine:
        yield Finding("ok", "packages", f"edge, drivers and tasks are ours, in {home}")


def _python(found: tuple[int, ...], machine: str) -> Finding:
    text = f"Python {'.'.join(map(str, found))} on {machine}"
    if machine.startswith("armv6"):
        remedy = "pydantic-core has no wheel for armv6; a Raspberry Pi Zero 2 or newer runs it"
        return Finding("fail", "python", f"{text} is not supported", remedy)
    if found < (3, 11):
        return Finding("fail", "python", f"{text} is too old", "3.11 or newer is needed: Debian 12 has it")
    return Finding("ok", "python", text)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _folder(name: str) -> Path | None:
    """The folder that holds the package."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent.parent if spec is not None and spec.origin else None
