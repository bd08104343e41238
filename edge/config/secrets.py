"""Where `!secret name` finds its value. The first of three places that has it wins:

1. systemd credentials: the file `$CREDENTIALS_DIRECTORY/name` (`LoadCredential=name:/etc/edge/name` in the unit)
2. the environment: `EDGE_SECRET_NAME`, upper case, `-` and `.` written as `_`
3. `secrets.yaml` beside the configuration: `name: value`; refused while others may read it (`chmod 600`)

A secret is a `SecretStr` from the moment it is read: `repr`, errors and dumps show stars.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from edge.config.report import Report, Steps, did_you_mean, shortened
from edge.config.source import SecretRef, read_mapping

FILE = "secrets.yaml"
STAND_IN = "simulated"
"""What stands for a secret that nobody has, where none is needed: in a simulation, or to look at what is plain."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Secrets:
    """Looks secrets up. With `stand_in`, a secret that nobody has is that text: for simulations and tests."""

    def __init__(self, folder: Path, environ: Mapping[str, str], report: Report, stand_in: str | None = None) -> None:
        self._folder = folder
        self._environ = environ
        self._report = report
        self._stand_in = stand_in
        self._file: dict[str, Any] | None = None

    def resolve(self, value: Any, steps: Steps = ()) -> Any:
        """`value` with every `SecretRef` in it replaced; what is missing is reported and becomes an empty secret."""
        if isinstance(value, dict):
            return {key: self.resolve(inner, (*steps, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, (*steps, index)) for index, inner in enumerate(value)]
        return SecretStr(self._look_up(value.name, steps)) if isinstance(value, SecretRef) else value

    def _look_up(self, name: str, steps: Steps) -> str:
        if not _NAME.fullmatch(name):
            self._report.at(
                steps, f"!secret needs the name of a secret, not {shortened(name)}", "!secret mqtt_password"
            )
            return ""
        for found in (self._from_systemd(name, steps), self._environ.get(variable(name))):
            if found is not None:
                return found
        entries = self._entries()
        if isinstance(entries.get(name), str):
            return str(entries[name])
        if self._stand_in is not None:
            return self._stand_in
        if name in entries:
            self._report.at(steps, f"{FILE} holds {name!r}, but not as text", "write its value in quotes")
        else:
            self._report.at(steps, f"there is no secret {name!r}", self._places(name, entries))
        return ""

    def _from_systemd(self, name: str, steps: Steps) -> str | None:
        directory = self._environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            return None
        try:
            return Path(directory, name).read_text(encoding="utf-8").rstrip("\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self._report.at(steps, f"the systemd credential {name} cannot be read: {type(error).__name__}")
            return ""

    def _entries(self) -> dict[str, Any]:
        if self._file is None:
            self._file = {}
            path = self._folder / FILE
            if path.is_file():
                found = Report(str(path))
                if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
                    found.at_line(0, "everybody on this machine can read these secrets", f"chmod 600 {path}")
                else:
                    self._file = read_mapping(path, str(path), found)
                self._report.problems.extend(found.problems)
        return self._file

    def _places(self, name: str, entries: Mapping[str, Any]) -> str:
        near = did_you_mean(name, entries)
        return (
            f"{near + ' ' if near else ''}it is looked for in the systemd credential {name}, the environment variable "
            f"{variable(name)}, and {self._folder / FILE}"
        )


def variable(name: str) -> str:
    """The environment variable of a secret: `mqtt-password` -> `EDGE_SECRET_MQTT_PASSWORD`."""
    return "EDGE_SECRET_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
