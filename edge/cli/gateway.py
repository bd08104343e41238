"""The configured gateway as a second process sees it: its file, and its runtime if one runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from edge import control
from edge.cli.exits import DEGRADED, MISTAKE, Stop
from edge.config import Examined, examine
from edge.config.models import Config
from edge.errors import ConfigError, RuntimeUnreachable

SERVICE_FILE = Path("/etc/edge/edge.yaml")
SERVICE_SOCKET = Path("/run/edge/control.sock")  # RuntimeDirectory=edge of deploy/edge.service
_TIMEOUT = 10.0


def config_file(option: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration that was meant. Raises Stop where there is none."""
    named = option or environ.get("EDGE_CONFIG")
    if named:
        path = Path(named)
        if path.is_dir():
            path /= "edge.yaml"
        if not path.is_file():
            source = "" if option else "$EDGE_CONFIG: "
            raise Stop(f"{source}{path}: there is no such file; `edge init DIR` writes a configuration to start from")
        return path
    for path in (Path("edge.yaml"), SERVICE_FILE):
        if path.is_file():
            return path
    raise Stop(
        f"no configuration: neither ./edge.yaml nor {SERVICE_FILE} exists;"
        " name one with -c FILE, or write one with `edge init DIR`"
    )


class Gateway:
    """One configuration, read when first needed, and the way to its runtime."""

    def __init__(self, option: str | None) -> None:
        self.file = config_file(option)

    @cached_property
    def examined(self) -> Examined:
        """All that is to be said about the file; raises nothing for what is in it."""
        from edge.links.calendar import parse_cron  # brings the scheduler, which most verbs have no use for

        return examine(self.file, cron=parse_cron)

    @cached_property
    def config(self) -> Config:
        """The configuration for a verb that connects to nothing: whoever may not read a secret may still look, so
        missing ones get a stand-in. Raises ConfigError."""
        return config_of(examine(self.file, simulated=True))

    @property
    def full(self) -> Config:
        """The configuration with its secrets, to run it. Raises ConfigError."""
        return config_of(self.examined)

    def ask(self, verb: str, *, timeout: float = _TIMEOUT, **args: Any) -> Any:
        """Call the running runtime. Raises RuntimeUnreachable where none runs, Stop with what it refused."""
        journal = self.config.journal.path
        paths = [control.socket_path(journal), control.socket_path(journal, {})]
        if self.file.resolve() == SERVICE_FILE:
            paths.append(SERVICE_SOCKET)  # a person's shell has no $RUNTIME_DIRECTORY
        for path in dict.fromkeys(paths):
            try:
                return control.ask(path, verb, args, journal=journal, timeout=timeout)
            except RuntimeUnreachable:
                continue
            except control.Refused as refused:
                raise Stop(str(refused), MISTAKE if refused.mistake else DEGRADED) from refused
            except control.ControlError as error:
                denied = isinstance(error.__cause__, PermissionError)
                raise Stop(str(error), MISTAKE if denied else DEGRADED) from error
        raise RuntimeUnreachable(
            f"no runtime runs for {self.file}; start it with `edge run -c {self.file}`, or `systemctl start edge`"
        )


def config_of(examined: Examined) -> Config:
    """The configuration, or every reason why not as ConfigError."""
    if examined.config is None:
        raise ConfigError(list(examined.problems))
    return examined.config
