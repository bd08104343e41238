"""The configured devices without a runtime: the command opens the wires itself, says so, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache

from drivers import DriverError
from edge.cli.exits import DEGRADED, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import note
from edge.devices import Wiring
from edge.handles import Handle, find
from edge.outside import Outside


@cache
def outside() -> Outside:
    """This machine's own."""
    return Outside.real()


@contextmanager
def opened(gateway: Gateway, names: Sequence[str] | None = None) -> Iterator[Mapping[str, Handle]]:
    """These devices (all when None), each started when it is first used. Raises Stop for what the hardware did."""
    note(f"no runtime runs for {gateway.file}: opening the hardware directly")
    try:
        with closing(Wiring(gateway.config, outside().wires)) as wiring:
            handles = wiring.handles
            yield handles if names is None else {name: find(handles, name) for name in names}
    except DriverError as error:
        raise Stop(f"{', '.join(names or ['devices'])}: {error}", DEGRADED) from error
