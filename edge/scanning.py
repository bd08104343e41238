"""Which chips are on the configured buses and this machine's own, each with the line for `edge.yaml`.

Asks questions only (see `drivers.scan`), under the lock of each wire, one address at a time: sampling goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import drivers
from drivers import BusTimeout, BusUnavailable, DriverError
from drivers.adapters import Adapter, adapter, adapters
from drivers.scan import Catalogue, Found, scan
from drivers.trunk import Multiplexer, Trunk
from edge.buses import address_of
from edge.config.models import Backend, Config
from edge.connected import line
from edge.devices import Wiring
from edge.errors import EdgeError

Progress = Callable[[str, int], object]
"""Told of the bus and the address that is asked next."""


_NOT_QUICK = (
    "the adapter cannot ask without a byte of data: chips that only take commands (SHT3x, SGP40) may be missing"
)


class UnknownBus(EdgeError, LookupError):
    """There is no bus of that name to scan."""


class Scanner:
    """Looks at one machine's wires, with the names that a configuration gives them. Any thread.

    real    what stands for `/`; the machine's own buses count also where the configuration names none
    """

    def __init__(self, wiring: Wiring, config: Config, *, root: Path = Path("/")) -> None:
        self._wiring = wiring
        self._config = config
        self._root = root

    def buses(self) -> list[dict[str, Any]]:
        """What can be scanned: `bus`, `backend`, `adapter`, `clock`, and in `skipped` why it is not unless named."""
        known: dict[str, Backend] = {}
        for settings in self._config.devices.values():
            bus = self._wiring.buses.root(settings)
            if bus is not None and bus.startswith("i2c-"):
                known.setdefault(bus, settings.backend or self._config.edge.backend)
        found = [self._bus(name, backend) for name, backend in known.items()]
        found += [self._bus(one.name, "real") for one in adapters(self._root) if one.name not in known]
        for name, settings in self._config.devices.items():
            if issubclass(drivers.find(settings.driver).driver, Multiplexer):
                backend = settings.backend or self._config.edge.backend
                channels = range(int(settings.options.get("channels", 8)))
                found += [{**self._bus(f"{name}/{one}", backend), "adapter": settings.bus} for one in channels]
        return found

    def bus(self, name: str, progress: Progress = lambda bus, address: None) -> dict[str, Any]:
        """One of them with `found`, and in `error` what kept it from being scanned. Raises `UnknownBus`."""
        known = {one["bus"]: one for one in self.buses()}
        if name not in known:
            there = ", ".join(known) or "none"
            raise UnknownBus(f"no bus {name!r} to scan; there are {there}")
        result = known[name]
        result |= {"found": [], "note": None, "error": None}
        try:
            for found in self._look(name, result["backend"], progress):
                result["found"].append(self._told(name, found))
            if not getattr(self._wiring.bus(self._wire(name), result["backend"]), "quick", True):
                result["note"] = _NOT_QUICK
        except BusTimeout as error:
            result["error"] = f"{error}; `edge devices recover {self._wire(name)}` may free it"
        except DriverError as error:
            result["error"] = str(error)
        finally:
            if all(self._wiring.buses.root(one) != self._wire(name) for one in self._config.devices.values()):
                self._wiring.buses.release(name, result["backend"])
        return result

    def _bus(self, name: str, backend: Backend) -> dict[str, Any]:
        one = adapter(name, self._root) if backend == "real" else Adapter(name)
        return {
            "bus": name,
            "backend": backend,
            "adapter": one.title,
            "clock": one.clock,
            "skipped": {
                "display": "it belongs to a display",
                "mainboard": "it belongs to the mainboard and its memory modules",
                None: None,
            }[one.belongs],
        }

    def _wire(self, name: str) -> str:
        """The bus itself, of one behind a multiplexer."""
        multiplexer, channel, _ = name.partition("/")
        return str(self._config.devices[multiplexer].bus) if channel else name

    def _look(self, name: str, backend: Backend, progress: Progress) -> Iterator[Found]:
        if backend == "replay":
            raise BusUnavailable(f"{name} is played back from a recording: nobody is there to answer")
        wire, channel = self._wire(name), "/" in name
        lock = self._wiring.lock_of(wire, backend)
        trunk = self._wiring.buses.reach(wire, backend)
        assert isinstance(trunk, Trunk)
        here = {
            address_of(settings): settings.driver for settings in self._config.devices.values() if settings.bus == name
        }

        def turn() -> AbstractContextManager[object]:
            return lock if channel else _alone(lock, trunk)

        # whoever is on the bus itself answers behind every channel as well
        itself = set(_addresses(trunk, lock)) if channel else set()
        for found in scan(
            self._wiring.buses.reach(name, backend),
            catalogue(),
            configured=here,
            turn=turn,
            progress=lambda address: progress(name, address),
        ):
            if found.address not in itself:
                yield found

    def _told(self, bus: str, found: Found) -> dict[str, Any]:
        names = [
            name
            for name, settings in self._config.devices.items()
            if settings.bus == bus and address_of(settings) == found.address
        ]
        kind = found.proven or (found.likely[0] if found.likely else None)
        place = f"driver: {kind}, bus: {bus}, address: {found.address:#04x}"
        return {
            "address": found.address,
            "kernel": found.owner,
            "device": names[0] if names else None,
            "likely": list(found.likely),
            "proven": found.proven,
            "wrong": found.wrong,
            "yaml": None if kind is None or names else line(kind, place, self._config),
        }


@cache
def catalogue() -> Catalogue:
    """Every driver, imported when first asked for."""
    return Catalogue.load()


@contextmanager
def _alone(lock: threading.RLock, trunk: Trunk) -> Iterator[None]:
    """The bus itself, with nothing joined that is behind a multiplexer; a reading may have joined it meanwhile."""
    with lock:
        trunk.let_go()
        yield


def _addresses(trunk: Trunk, lock: threading.RLock) -> list[int]:
    found = scan(trunk, Catalogue(), configured={}, turn=lambda: _alone(lock, trunk))
    return [one.address for one in found]


def solder(wiring: Wiring) -> None:
    """Put every simulated chip on its bus, without starting a driver: for who only looks."""
    for handle in wiring.handles.values():
        if handle.backend == "sim" and handle.settings.bus is not None and handle.settings.bus[:3] != "spi":
            wiring.solder(handle)
