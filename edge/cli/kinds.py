"""`edge devices kinds`: every driver that is installed, and what one of them can be told. Opens nothing."""

from __future__ import annotations

import inspect
from typing import Any

import drivers
from drivers import Device, Driver, DriverError, Entry, Output, PartOnPins, PinDevice, Push
from drivers.options import REQUIRED, Option
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import columns, note, paint, say, say_json
from edge.config.rules.devices import example_of
from edge.config.units import show_duration

_WIRES = {"i2c": "I2C", "spi": "SPI", "pin": "pin", "serial": "serial port", "sysfs": "kernel", "mqtt": "broker"}


def kinds(words: list[str]) -> int:
    """Exit 1 where there is no such driver."""
    arguments = Arguments(
        "devices kinds",
        "Every driver that can stand behind `driver:`, built in or installed; with a name, all that one can be told.",
        examples=("devices kinds", "devices kinds ads1115", "devices kinds --json"),
    )
    arguments.add_argument("kind", metavar="KIND", nargs="?", help="name of a driver")
    options = arguments.with_json(
        "a list of {kind, part, wire, addresses, pins, channels, options, output, push, origin, example}"
    ).parse_args(words)
    if options.kind is None:
        entries = _all()
        if options.json:
            say_json([_data(entry) for entry in entries])
        else:
            say(columns(map(_row, entries), ("driver", "wire", "channels", "part")))
        return FINE
    try:
        entry = drivers.find(options.kind)
    except DriverError as error:
        raise Stop(str(error)) from error
    if options.json:
        say_json([_data(entry)])
    else:
        _tell(entry)
    return FINE


def _all() -> list[Entry]:
    found = []
    for kind in drivers.kinds():
        try:
            found.append(drivers.find(kind))
        except DriverError as error:
            note(str(error))
    return found


def _part(entry: Entry) -> str:
    """The first sentence that its file says about it."""
    module = inspect.getmodule(entry.driver)
    text = " ".join((module.__doc__ or "").split("\n\n")[0].split()) if module is not None else ""
    return text.partition(". ")[0].rstrip(".")


def _row(entry: Entry) -> tuple[str, ...]:
    channels = list(entry.driver.channels)
    shown = ", ".join(channels[:4]) + (f" .. {channels[-1]}" if len(channels) > 4 else "")
    return entry.kind, _WIRES.get(entry.driver.wire, entry.driver.wire), shown, _part(entry)


def _data(entry: Entry) -> dict[str, Any]:
    driver = entry.driver
    return {
        "kind": entry.kind,
        "part": _part(entry),
        "wire": driver.wire,
        "addresses": list(driver.addresses) if issubclass(driver, Driver) else [],
        "pins": _pins(driver),
        "channels": {
            name: {"unit": unit, "range": driver.ranges.get(name), "resolution": driver.resolution.get(name)}
            for name, unit in driver.channels.items()
        },
        "options": {
            name: {"takes": option.describe(), "required": option.required, "default": _default(option)}
            for name, option in drivers.options_of(driver).items()
        },
        "output": issubclass(driver, Output),
        "push": issubclass(driver, Push),
        "origin": entry.origin,
        "example": example_of(entry.kind, driver),
    }


def _default(option: Option) -> Any:
    return None if option.default is REQUIRED else option.default


def _tell(entry: Entry) -> None:
    driver = entry.driver
    say(f"{paint(entry.kind, 'bold')}  {_part(entry)} ({entry.origin})\n")
    say(inspect.cleandoc(driver.__doc__ or ""))
    say()
    if issubclass(driver, Driver) and driver.addresses:
        usual = f"; usually {driver.address:#04x}" if driver.address is not None else ""
        say(f"addresses: {', '.join(f'{address:#04x}' for address in driver.addresses)}{usual}\n")
    if pins := _pins(driver):
        said = ", ".join(role if needed else f"{role} (may be left out)" for role, needed in pins.items())
        say(f"pins: {said}\n")
    say(columns(_channels(entry), ("channel", "unit", "range", "step")))
    options = drivers.options_of(driver)
    if options:
        say()
        say(columns(map(_option, options.values()), ("option", "default", "takes")))
    say(f"\n{_habits(driver)}\n\n  NAME: {example_of(entry.kind, driver)}")


def _habits(driver: type[Device]) -> str:
    acts = issubclass(driver, Output)
    how = f"is asked every {show_duration(driver.every)} by default"
    if issubclass(driver, Push) or driver.wire == "mqtt":
        how = "reports by itself"
    elif acts:
        how = "is sampled only where `every:` is given"
    return f"{'It can be set' if acts else 'It measures'}, and {how}"


def _pins(driver: type[Device]) -> dict[str, bool]:
    """What its wires are called, and whether each must be given; empty for a part on one pin, or on none."""
    if not issubclass(driver, PartOnPins) or issubclass(driver, PinDevice):
        return {}
    return dict.fromkeys(driver.roles, True) | dict.fromkeys(driver.optional_roles, False)


def _channels(entry: Entry) -> list[tuple[str, ...]]:
    driver = entry.driver
    return [
        (
            name,
            unit,
            "{:g} .. {:g}".format(*driver.ranges[name]) if name in driver.ranges else "-",
            f"{driver.resolution[name]:.3g}" if name in driver.resolution else "-",
        )
        for name, unit in driver.channels.items()
    ]


def _option(option: Option) -> tuple[str, ...]:
    default = "required" if option.required else "-" if option.default is None else str(option.default)
    return option.name, default, option.describe()
