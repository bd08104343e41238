"""Devices: the driver, its wire, its options, and who else sits on the pin or address."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import drivers
from drivers import Device, DriverError, Option, Output, PartOnPins, PinDevice, Push, Seconds, UnknownDriver
from drivers.base import WireKind
from drivers.options import keywords
from edge.config.models import DeviceSettings
from edge.config.report import Report, Steps, did_you_mean, listed, shortened
from edge.config.rules.broker import check_topic
from edge.config.rules.survey import Survey
from edge.config.units import parse_duration

RESERVED = ("status", "outcomes", "apps", "event")
FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77
LAST_PIN = 27
SELECT_PINS = (8, 7)
"""What the two chip selects of spi-0 do."""
HEADER_BUSES: Mapping[str, tuple[int, ...]] = {"i2c-1": (2, 3), "spi-0": (9, 10, 11), "serial0": (14, 15)}
"""The pins of the kernel's buses. `ttyAMA0` is the header's port on some boards and Bluetooth's on others."""
_NO_DURATION = object()
"""Fits no option."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Which keys say where a part is. `needs`: key -> what to write; `takes`: those that may be left out."""

    told: str
    needs: Mapping[str, str]
    takes: tuple[str, ...] = ()


_PLACES: Mapping[WireKind, _Place] = {
    "i2c": _Place("is a chip on an I2C bus", {"bus": "bus: i2c-1"}, ("address",)),
    "spi": _Place("is a chip on an SPI bus", {"bus": "bus: spi-0"}, ("select",)),
    "pin": _Place("sits on a header pin", {"pin": "pin: 17 is GPIO17"}),
    "serial": _Place("talks over a serial port", {"port": "port: /dev/ttyAMA0"}),
    "sysfs": _Place("is read through the kernel", {}, ("id",)),
    "mqtt": _Place("hangs on the broker", {"topic": "topic: plug1, as the device's own settings call it"}),
}
_PLACE_KEYS = ("bus", "address", "select", "pin", "pins", "port", "id", "topic")


def _place(driver: type[Device], first: int = 17) -> _Place:
    """`first`: the pin that the example begins with."""
    if not issubclass(driver, PartOnPins) or issubclass(driver, PinDevice):
        return _PLACES[driver.wire]
    numbers = (first, *(number for number in (17, 27, 22, 23) if number != first))
    example = ", ".join(f"{role}: {number}" for role, number in zip(driver.roles, numbers, strict=False))
    return _Place("sits on several header pins", {"pins": f"pins: {{{example}}}"})


def example_of(kind: str, driver: type[Device]) -> str:
    """A device of this kind as a configuration may have it: what must be given, no more."""
    needs = [example.partition(" is ")[0].partition(", as ")[0] for example in _place(driver).needs.values()]
    if driver.wire == "i2c" and getattr(driver, "address", None) is None:
        needs.append("address: 0x20")
    needs += [f"{option.name}: ..." for option in drivers.options_of(driver).values() if option.required]
    return f"{{{', '.join([f'driver: {kind}', *needs])}}}"


def check_devices(survey: Survey) -> None:
    """Every device and every name. Fills `survey.drivers` and `survey.limits`.

    Options that are durations become seconds in its data.
    """
    _check_names(survey)
    for name, settings in survey.config.devices.items():
        steps: Steps = ("devices", name)
        _check_ranges(steps, settings, survey.report)
        check_topic(steps, settings, survey.report)
        driver = _find(steps, settings, survey.report)
        if driver is not None:
            survey.drivers[name] = driver
            _check_wire(steps, settings, driver, survey.report)
            _check_roles(steps, settings, driver, survey.report)
            _check_traits(steps, settings, driver, survey.report)
            _check_options(steps, settings, driver, survey)
    _check_sharing(survey)


def _check_names(survey: Survey) -> None:
    report = survey.report
    places: list[Steps] = [("devices", name) for name in survey.device_names]
    places += [("mqtt", "subscribe", name) for name in survey.source_names]
    for steps in sorted(places, key=report.line):
        name = steps[-1]
        if name in RESERVED:
            report.at(steps, f"{name!r} is a topic of the runtime's own, edge/<id>/{name}", "choose another name")
    for name in survey.device_names & survey.source_names:
        first, second = sorted((("devices", name), ("mqtt", "subscribe", name)), key=report.line)
        message = f"{report.dotted(first)} on line {report.line(first)} has this name already"
        report.at(second, message, "devices and sources share one set of names: rename one of them")


def _find(steps: Steps, settings: DeviceSettings, report: Report) -> type[Device] | None:
    kind = settings.driver
    try:
        return drivers.find(kind).driver
    except UnknownDriver:
        known = drivers.kinds()
        hint = did_you_mean(kind, known, f"`edge devices kinds` shows the {len(known)} there are")
        report.at((*steps, "driver"), f"no driver called {shortened(kind)}", hint)
    except DriverError as error:
        report.at((*steps, "driver"), str(error), "reinstall its package")
    return None


def _check_ranges(steps: Steps, settings: DeviceSettings, report: Report) -> None:
    for way, pin in _pins(settings):
        if not 0 <= pin <= LAST_PIN:
            hint = "pins are BCM numbers (GPIO17), not positions on the header"
            report.at((*steps, *way), f"there is no pin {pin}; the header has 0 to {LAST_PIN}", hint)
    address = settings.address
    if address is not None and not FIRST_ADDRESS <= address <= LAST_ADDRESS:
        where = f"{address:#04x}" if address >= 0 else str(address)
        message = f"{where} is no I2C address; they go from {FIRST_ADDRESS:#04x} to {LAST_ADDRESS:#04x}"
        report.at((*steps, "address"), message, _address_hint(address))
    if settings.select not in range(len(SELECT_PINS)):
        message = f"there is no chip select {settings.select}; a bus has 0 and 1"
        report.at((*steps, "select"), message, "0 is GPIO8 (CE0), 1 is GPIO7 (CE1)")


def _pins(settings: DeviceSettings) -> list[tuple[Steps, int]]:
    """Every header pin, and the way to it."""
    one: list[tuple[Steps, int]] = [] if settings.pin is None else [(("pin",), settings.pin)]
    return one + [(("pins", role), pin) for role, pin in (settings.pins or {}).items()]


def _address_hint(address: int) -> str:
    if FIRST_ADDRESS <= address // 2 <= LAST_ADDRESS:
        return (
            f"an 8-bit address from a datasheet? then it is {address // 2:#04x}; `edge devices scan` shows who answers"
        )
    return "`edge devices scan` shows who answers"


def _check_wire(steps: Steps, settings: DeviceSettings, driver: type[Device], report: Report) -> None:
    kind, place = settings.driver, _place(driver)
    meant = ""
    for key, example in place.needs.items():
        if getattr(settings, key) is not None or report.lost((*steps, key)):
            continue
        if (other := {"pin": "pins", "pins": "pin"}.get(key, "")) in settings.model_fields_set:
            meant = other
            hint = f"write {_moved(driver, settings)}"
            report.at((*steps, other), f"{kind} {place.told}; it has no {other}", hint)
        else:
            report.at(steps, f"{kind} {place.told}, and {key} is missing", example)
    nowhere = "address" in place.takes and settings.address is None and getattr(driver, "address", None) is None
    if nowhere and not report.spoiled(steps):
        report.at(steps, f"{kind} has no usual address, and address is missing", "`edge devices scan` shows it")
    for key in _PLACE_KEYS:
        if key in settings.model_fields_set and key not in (*place.needs, *place.takes, meant):
            report.at((*steps, key), f"{kind} {place.told}; it has no {key}", f"delete {key}")
    fits = settings.bus is None or settings.bus.startswith(f"{driver.wire}-") or settings.behind is not None
    if "bus" in place.needs and not (fits and (settings.behind is None or driver.wire == "i2c")):
        report.at((*steps, "bus"), f"{kind} {place.told}, and {settings.bus} is none", place.needs["bus"])


def _moved(driver: type[Device], settings: DeviceSettings) -> str:
    """`pin` as `pins`, or the other way round, with the numbers that are given."""
    if settings.pin is not None:
        return _place(driver, settings.pin).needs["pins"]
    return f"pin: {next(iter((settings.pins or {}).values()), 17)}"


def _check_roles(steps: Steps, settings: DeviceSettings, driver: type[Device], report: Report) -> None:
    if settings.pins is None or not issubclass(driver, PartOnPins) or issubclass(driver, PinDevice):
        return
    roles = (*driver.roles, *driver.optional_roles)
    unknown = [role for role in settings.pins if role not in roles]
    for role in unknown:
        hint = did_you_mean(role, roles, f"its pins: {listed(roles)}")
        report.at((*steps, "pins", role), f"{settings.driver} has no pin {shortened(role)}", hint)
    missing = [r for r in driver.roles if r not in settings.pins and not report.lost((*steps, "pins", r))]
    if missing and not unknown:
        message = f"{settings.driver} needs a pin for {listed(missing)}"
        report.at((*steps, "pins"), message, f"add {missing[0]}: and its BCM number")
    owners: dict[int, str] = {}
    for role, pin in settings.pins.items():
        owner = owners.setdefault(pin, role)
        if owner != role:
            report.at((*steps, "pins", role), f"pin {pin} belongs to its {owner} already", "one role a pin")


def _check_traits(steps: Steps, settings: DeviceSettings, driver: type[Device], report: Report) -> None:
    kind, given = settings.driver, settings.model_fields_set
    if "every" in given and (issubclass(driver, Push) or driver.wire == "mqtt"):
        report.at((*steps, "every"), f"{kind} reports by itself; it is not asked at intervals", "delete every")
    settled = getattr(driver, "settled", None)
    if "debounce" in given and settled is not None and not set(settled) & set(settings.numbers):
        message = f"debounce is for the pin {listed(settled)} of {kind}, which is not connected"
        report.at((*steps, "debounce"), message, "delete debounce")
    if "debounce" in given and not issubclass(driver, Push):
        report.at((*steps, "debounce"), f"{kind} has no edges to debounce", "delete debounce")
    if settings.remote_set and not (issubclass(driver, Output) and driver.acts(settings.options)):
        report.at((*steps, "remote_set"), f"{kind} measures; it cannot be set", "delete remote_set")


def _check_options(steps: Steps, settings: DeviceSettings, driver: type[Device], survey: Survey) -> None:
    report = survey.report
    options = drivers.options_of(driver)
    given: dict[str, Any] = {}
    for key, value in settings.options.items():
        option = options.get(key)
        if option is None:
            known = [*DeviceSettings.model_fields, *options]
            hint = did_you_mean(key, known, f"its options: {listed(options)}")
            report.at((*steps, key), f"{settings.driver} has no option {shortened(key)}", hint)
            continue
        given[key] = _seconds(option, value)
        problem = option.problem(given[key])
        if problem is not None:
            report.at((*steps, key), *_sentence(option, value, problem))
    for option in options.values():
        if option.required and option.name not in settings.options:
            message = f"{settings.driver} needs {option.name}: {option.describe()}"
            report.at(steps, message, f"add {option.name}")
    if not report.spoiled(steps):
        _try(steps, settings, driver, given, survey)
        _check_stand_in(steps, settings, driver, survey)
        survey.data["devices"][steps[-1]].update(given)


def _seconds(option: Option, value: Any) -> Any:
    if _is_duration(option):
        try:
            return parse_duration(value)
        except ValueError:
            # a bare number is no duration; text, or nothing, may still be one of the option's other choices
            return value if isinstance(value, str) or value is None else _NO_DURATION
    return value


def _is_duration(option: Option) -> bool:
    return Seconds in (option.type, *typing.get_args(option.type))


def _sentence(option: Option, value: Any, problem: str) -> tuple[str, str]:
    """Message and hint."""
    if _is_duration(option):
        return f"{shortened(value)} is not {option.describe()}", "write a number and its unit, such as 50ms or 2s"
    message, _, hint = problem.partition("; ")
    words = {True: ("on", "true"), False: ("off", "false")}[value] if isinstance(value, bool) else (str(value),)
    meant = [choice for choice in option.choices if isinstance(choice, str) and choice in words and choice != value]
    if meant:
        hint = f'write it in quotes: "{meant[0]}"'
    return f"{option.name} {message}", hint or (f"the default is {option.default}" if not option.required else "")


def _try(steps: Steps, settings: DeviceSettings, driver: Any, given: dict[str, Any], survey: Survey) -> None:
    """Constructing a driver touches no hardware, so it may say itself what it thinks of its options."""
    report = survey.report
    try:
        survey.limits[str(steps[-1])] = driver(None, settings.where, **keywords(given)).limits()
    except (DriverError, ValueError, TypeError) as error:
        option, colon, rest = str(error).partition(": ")
        explained = f"`edge devices kinds {settings.driver}` explains"
        if colon and option in given:
            message, _, hint = rest.partition("; ")
            report.at((*steps, option), message, hint or explained)
            return
        if (culprit := _culprit(settings, driver, given)) is not None:
            report.at((*steps, culprit), str(error), explained)
            return
        key = "address" if driver.wire == "i2c" and "address" in settings.model_fields_set else ""
        names = listed(list(drivers.options_of(driver)))
        hint = f"the options of {settings.driver}: {names or 'none'}; {explained}"
        hint = _other_address(settings.address, driver) if key else hint
        report.at((*steps, key) if key else steps, str(error), hint)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's code: the rest is still to be checked
        message = f"the driver {settings.driver} cannot be made: {type(error).__name__}: {error}"
        report.at((*steps, "driver"), message, "`edge.testing.driver_suite` tells its author what is wrong")


def _other_address(address: int | None, driver: Any) -> str:
    """What may be meant by an address that the part cannot have: often the 0x is forgotten."""
    spelt = int(str(address), 16)
    if spelt in driver.addresses:
        return f"{address} is {address:#04x}; write {spelt:#04x}, with 0x, if that is meant"
    return "`edge devices scan` shows who answers where"


def _culprit(settings: DeviceSettings, driver: Any, given: dict[str, Any]) -> str | None:
    """The first option without which the driver could be made."""

    def complaint(options: dict[str, Any]) -> Exception | None:
        try:
            driver(None, settings.where, **keywords(options))
        except Exception as error:  # noqa: BLE001 - somebody else's code
            return error
        return None

    return next((left for left in given if complaint({k: v for k, v in given.items() if k != left}) is None), None)


def _check_stand_in(steps: Steps, settings: DeviceSettings, driver: type[Device], survey: Survey) -> None:
    """A driver for many parts has to be told which simulated one it meets."""
    simulated = (settings.backend or survey.config.edge.backend) == "sim"
    if simulated and "sim" in drivers.options_of(driver) and "sim" not in settings.options:
        message = f"nothing stands for this {settings.driver} device in simulation"
        survey.report.at(steps, message, "name one of our kinds: sim: sht31")


def _check_sharing(survey: Survey) -> None:
    taken: dict[tuple[Any, ...], Steps] = {}
    for name, settings in survey.config.devices.items():
        backend, steps = settings.backend or survey.config.edge.backend, ("devices", name)
        for way, pin in _pins(settings):
            _take(taken, (backend, pin), (*steps, *way), f"pin {pin}", survey.report)
        address = settings.address
        if address is None and name in survey.drivers and survey.drivers[name].wire == "i2c":
            address = getattr(survey.drivers[name], "address", None)
        if settings.bus is not None and address is not None:
            place = f"{address:#04x} on {settings.bus}"
            _take(taken, (backend, settings.bus, address), (*steps, "address"), place, survey.report)
        if settings.port is not None:
            # the kernel has one port under several names; the last part of a path is what differs least
            port = settings.port.rpartition("/")[2]
            _take(taken, (backend, "port", port), (*steps, "port"), settings.port, survey.report)
        if settings.bus is not None and settings.bus.startswith("spi-"):
            spot = f"chip select {settings.select} of {settings.bus}"
            _take(taken, (backend, settings.bus, settings.select), (*steps, "select"), spot, survey.report)
    _check_header_buses(taken, survey)


def _check_header_buses(taken: Mapping[tuple[Any, ...], Steps], survey: Survey) -> None:
    """No part sits on a pin of a bus that another device is on."""
    told: set[Steps] = set()
    for name, settings in survey.config.devices.items():
        bus = settings.bus or (settings.port or "").rpartition("/")[2]
        pins = HEADER_BUSES.get(bus, ())
        if bus == "spi-0" and settings.select in range(len(SELECT_PINS)):
            pins = (*pins, SELECT_PINS[settings.select])
        for pin in pins:
            owner = taken.get((settings.backend or survey.config.edge.backend, pin))
            if owner is not None and owner not in told:
                told.add(owner)
                line = survey.report.line(("devices", name))
                message = f"GPIO{pin} belongs to {bus}, which {name} is on (line {line})"
                survey.report.at(owner, message, "take another pin")


def _take(taken: dict[tuple[Any, ...], Steps], wire: tuple[Any, ...], steps: Steps, place: str, report: Report) -> None:
    owner = taken.setdefault(wire, steps)
    if owner[1] != steps[1]:
        message = f"{place} belongs to {owner[1]} already (line {report.line(owner)})"
        report.at(steps, message, "one device a pin or address")
