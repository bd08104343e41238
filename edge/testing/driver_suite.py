"""The conformance suite for drivers, those of other packages too: every rule that one breaks, in words.

    from edge.testing import driver_suite

    def test_the_driver_keeps_the_contract():
        assert driver_suite.problems("as5600") == []

    driver_suite.problems("scale", where={"bus": "spi-0", "select": 1}, gain=64)      what it cannot do without

Found by its name as `edge.yaml` finds it; then by `drivers.suite` on its own simulated counterpart; then as a device of
a whole gateway, which must notice when the part is pulled and when it is back.
"""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from drivers import Driver, DriverError, Entry, Output, PartOnPins, PinDevice, Push, SimEnd, find, options_of
from drivers.suite import PINS, broken
from edge.config import load
from edge.config.models import Config, DeviceSettings
from edge.config.units import show_duration
from edge.errors import ConfigError
from edge.testing.harness import Harness

PLACES: Final[Mapping[str, Mapping[str, Any]]] = {
    "i2c": {"bus": "i2c-1"},
    "pin": {"pin": 17},
    "serial": {"port": "/dev/ttyUSB0"},
    "spi": {"bus": "spi-0"},
    "mqtt": {"topic": "part"},
}
"""Where a part is plugged in if nobody says so."""

_NAME: Final = "part"
_NOWHERE: Final[Mapping[str, Any]] = MappingProxyType({})


def problems(kind: str, *, where: Mapping[str, Any] = _NOWHERE, **options: Any) -> list[str]:
    """Every rule the driver of that name breaks; empty when it conforms. `where` and `options` as in `edge.yaml`."""
    try:
        entry = find(kind)
    except DriverError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 - an author wants to be told, whatever the module does
        return [f"the module of {kind!r} cannot be imported: {_told(error)}"]
    hidden = [
        f"the option {name!r} is a key of every device: configuration would never hand it on; rename it"
        for name in options_of(entry.driver)
        if name in DeviceSettings.model_fields
    ]
    if hidden:
        return hidden
    bare = not where and not options and not any(option.required for option in options_of(entry.driver).values())
    if bare and (found := list(_caught("the contract", lambda: broken(entry)))):
        return found
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "edge.yaml")
        file.write_text(_written(entry, where, options), encoding="utf-8")
        try:
            config = load(file, simulated=True)
        except ConfigError as error:
            return [f"edge check: {problem.message}; {problem.hint}" for problem in error.problems]
        given = config.devices[_NAME].options
        return list(_caught("the contract", lambda: broken(entry, given))) or list(
            _caught("in a gateway", lambda: _lives(entry, config, file))
        )


def _written(entry: Entry, where: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    place = dict(where) or dict(PLACES.get(entry.driver.wire, {}))
    if not where and issubclass(entry.driver, PartOnPins) and not issubclass(entry.driver, PinDevice):
        place = {"pins": dict(zip((*entry.driver.roles, *entry.driver.optional_roles), PINS, strict=False))}
    if issubclass(entry.driver, Driver) and entry.driver.address is None and "address" not in place:
        place["address"] = (entry.driver.addresses or (0x08,))[0]
    device = json.dumps({"driver": entry.kind, **place, **options})
    broker = "mqtt: {broker: mqtt://localhost}\n" if entry.driver.wire == "mqtt" else ""
    return f"edge: {{id: suite, backend: sim}}\n{broker}devices:\n  {_NAME}: {device}\njournal: {{path: ./journal}}\n"


def _lives(entry: Entry, config: Config, file: Path) -> Iterator[str]:
    driver, settings = entry.driver, config.devices[_NAME]
    every = settings.every or driver.every
    with closing(Harness(file)) as edge:

        def state_after(seconds: float) -> str:
            edge.advance(show_duration(round(seconds)))
            [state] = [part["state"] for part in edge.runtime.status() if part["name"] == _NAME]
            return str(state)

        if (state := state_after(2 * every + 10)) != "ok":
            [error] = [part["last_error"] for part in edge.runtime.status() if part["name"] == _NAME]
            yield f"in a gateway it is {state} after {2 * every + 10:g} s: {error}"
            return
        if issubclass(driver, Push) or (issubclass(driver, Output) and settings.every is None):
            return  # not asked at intervals: nobody would notice
        told = edge.runtime.instruments.values(_NAME)
        if set(told) != set(driver.channels_of(settings.traits)):
            yield f"in a gateway it tells {sorted(told)}, channels says {sorted(driver.channels_of(settings.traits))}"
        if driver.wire in ("pin", "mqtt"):
            return  # a pin without anything on it has a level too; a device on a broker says itself that it goes
        pull, put_back = _plug(edge, entry)
        pull()
        if (state := state_after(2 * every + 20)) != "failed":
            yield f"in a gateway it is {state} {2 * every + 20:g} s after it was unplugged; it must be failed"
        put_back()
        if (state := state_after(2 * every + 70)) != "ok":
            yield f"in a gateway it is {state} {2 * every + 70:g} s after it was plugged in again; it must be ok"


def _plug(edge: Harness, entry: Entry) -> tuple[Callable[[], object], Callable[[], object]]:
    """What pulls the part, and what puts it back."""
    if issubclass(entry.sim, SimEnd):
        line = edge.line(_NAME)
        return line.unplug, line.plug
    settings = edge.config.devices[_NAME]
    assert settings.bus is not None
    bus, device = edge.bus(settings.bus), entry.driver
    address = settings.address if settings.address is not None else getattr(device, "address", None)
    assert address is not None
    chip = None

    def pull() -> None:
        nonlocal chip
        chip = bus.detach(address)

    def put_back() -> None:
        assert chip is not None
        bus.attach(address, chip)

    return pull, put_back


def _caught(when: str, check: Callable[[], Iterator[str]]) -> Iterator[str]:
    """What is found, also where the driver ends it with an exception of its own."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - told with its place: the author's code, or what it was not made for
        yield f"{when}: {_told(error)}"


def _told(error: Exception) -> str:
    """The error, and the last line of code that is not ours."""
    ours = Path(__file__).parents[2]
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [one for one in frames if not one.filename.startswith(("<", str(ours / "edge"), str(ours / "drivers")))]
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    return f"{type(error).__name__}: {error}{where}"
