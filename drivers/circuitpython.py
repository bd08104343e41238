"""Any CircuitPython driver for an I2C part, unmodified, on our bus: several hundred parts that are not written here.

    air:
      {driver: circuitpython, bus: i2c-1, address: 0x44, module: adafruit_sht31d, class: SHT31D,
       channels: "temperature=degC relative_humidity:humidity=%", sim: sht31}

The package comes from PyPI without its dependencies (`pip install --no-deps`): Adafruit-Blinka, which would look for a
board, is neither needed nor imported. What those drivers import of it is stood in for (`_stand_ins`).

- Each device has copies of the modules for itself (`drivers.bridge.private`), bound to its bus: their classes keep
  buffers that all instances share, and two buses run on two threads. The process's own `sys.modules` shows
  nothing of them.
- `time` in them is the time of the bus (`drivers.bridge.busio`): they sleep by `bus.wait`.
- Whatever they raise is a `DriverError` here, with their text. What a DriverError of ours led to stays that error.
- The modules are named by the configuration and by nothing else; `edge check` imports them.

The values of a sample are read one after another, in the order of the channels, an attribute once: only values of one
attribute (`acceleration_x`, `acceleration_y`) are surely of one measurement.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, ClassVar, Final, NoReturn

from drivers import find, kinds
from drivers.base import Device, Driver, Reading, Seconds, told
from drivers.bridge.busio import I2C, Overdue, WireClock, WireError
from drivers.bridge.foreign import (
    Source,
    address_argument,
    channels_in,
    class_in,
    nearest,
    prove_arguments,
    prove_attribute,
    source_of,
    values_in,
)
from drivers.bridge.private import Names, PrivateModules
from drivers.bridge.private import find as find_module
from drivers.errors import (
    BadData,
    BusError,
    BusFault,
    BusTimeout,
    CatalogueError,
    DriverError,
    Nack,
    NotStarted,
    OutOfRange,
    UnknownDriver,
    WrongChip,
)
from drivers.options import words_in
from drivers.sim import SimChip
from drivers.wires.wire import Bus

LOOK: Final = 0.1
"""Seconds between two looks at a value that is not there yet."""

_OURS: Final = ("drivers", "edge")
_AT_ONCE: Final = Seconds(0.0)
_PATIENCE: Final = Seconds(5.0)


class CircuitPython(Driver):
    """Blocking for as long as the driver it stands for sleeps and transfers.

    module, class   what to import; the class is constructed with the bus and, where it takes one, the address
    channels        `attribute=unit` or `attribute:channel=unit`, several of them; a channel is otherwise called as
                    the attribute, in small letters. An element of a tuple is `attribute_x`, `_y`, `_z` or `_0`, `_1`
    arguments       keyword arguments of the constructor, `name=value`; a value is a number, true, false, none, a
                    text in quotes, or a name in the module (`Mode.NOHEAT_HIGHPRECISION`)
    settings        attributes to be set after that, in the same way
    begin           methods to be called after that
    settle          how long the part needs then until what it says counts: some drivers do not wait for a first value
    patience        how long a start or a sample may take, also where a value is not there yet (None) and is asked for
                    again; some drivers would ask a chip that is gone for ever
    sim             the kind whose simulated chip stands for the part; its ranges hold for channels of the same name
                    and unit
    """

    channels: ClassVar[Mapping[str, str]] = {"temperature": "degC"}
    every: ClassVar[Seconds] = Seconds(10.0)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        module: str,
        class_: str,
        channels: str,
        arguments: str = "",
        settings: str = "",
        begin: str = "",
        settle: Seconds = _AT_ONCE,
        patience: Seconds = _PATIENCE,
        sim: str | None = None,
    ) -> None:
        super().__init__(bus, address)
        assert self.address is not None
        self._who = f"{module}.{class_} at {self.address:#04x}"
        self._clock = WireClock(bus)
        self._module = _imported(module, self._clock)
        self._class = class_in(self._module, class_)
        self._units = {channel: unit for channel, (_, unit) in channels_in(channels).items()}
        attributes = {channel: attribute for channel, (attribute, _) in channels_in(channels).items()}
        self._sources = {channel: source_of(self._class, attribute) for channel, attribute in attributes.items()}
        self._arguments = {
            **address_argument(self._class, self.address),
            **values_in("arguments", arguments, self._module),
        }
        prove_arguments(self._class, self._arguments)
        self._settings = values_in("settings", settings, self._module)
        self._begin = words_in(begin)
        for option, names in (("settings", self._settings), ("begin", self._begin)):
            for name in names:
                prove_attribute(option, self._class, name)
        self._settle = settle
        self._patience = patience
        self._limits = {} if sim is None else _limits_of(sim, self._units)
        self._i2c = I2C(bus, self.address, self._clock)
        self._part: Any = None

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            return {channel: unit for channel, (_, unit) in channels_in(str(options.get("channels", ""))).items()}
        except OutOfRange:
            return cls.channels

    @classmethod
    def simulated_by(cls, options: Mapping[str, Any]) -> str | None:
        kind = options.get("sim")
        return str(kind) if kind in kinds() and kind != "circuitpython" else None

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return self._limits

    def units(self) -> Mapping[str, str]:
        return self._units

    def start(self) -> None:
        """Construct the driver, which mostly proves the chip, prepare it as configured, and take a reading."""
        self._part = None
        self._i2c.answered = 0
        with self._as_driver_errors(starting=True):
            part = self._class(self._i2c, **self._arguments)
            for name, value in self._settings.items():
                setattr(part, name, value)
            for name in self._begin:
                getattr(part, name)()
        self.bus.wait(self._settle)
        self._part = part
        self.read()

    def read(self) -> Reading:
        if self._part is None:
            raise NotStarted(f"{self._who} is not started")
        with self._as_driver_errors():
            attributes = dict.fromkeys(source.attribute for source in self._sources.values())
            seen = {attribute: self._ask(attribute) for attribute in attributes}
            values = {channel: self._number(source, seen) for channel, source in self._sources.items()}
        return self.reading(**values)

    def _ask(self, attribute: str) -> Any:
        while True:
            value = getattr(self._part, attribute)
            value = value() if callable(value) else value
            if value is not None:
                return value
            self._clock.sleep(LOOK)

    def _number(self, source: Source, seen: Mapping[str, Any]) -> float | bool:
        value = seen[source.attribute]
        if source.element is not None:
            value = value[source.element]
        if isinstance(value, bool):
            return value
        if isinstance(value, Real):
            return float(value)
        raise BadData(f"{self._who}: {source.attribute} is {value!r}, which is no number")

    @contextmanager
    def _as_driver_errors(self, *, starting: bool = False) -> Iterator[None]:
        self._clock.allow(self._patience)
        self._i2c.error = None
        try:
            yield
        except DriverError:
            raise
        except WireError as error:
            raise error.error from None
        except Overdue:
            raise self._overdue() from None
        except (Exception, SystemExit) as error:  # code of other people: whatever it raises
            raise self._translated(error, starting=starting) from error

    def _overdue(self) -> DriverError:
        text = f"{self._who} came to no end within its `patience` of {self._patience:g} s"
        error = self._i2c.error
        return BadData(text) if error is None else type(error)(f"{error} ({text})")

    def _translated(self, error: BaseException, *, starting: bool) -> DriverError:
        """What is raised while the part is being constructed is about the chip or, before it answered, the options."""
        text = f"{self._who}: {type(error).__name__}: {error}"
        wire = _wire_error_behind(error) or self._i2c.error
        if wire is not None:
            return type(wire)(f"{wire} ({text})")
        if isinstance(error, OSError):
            return (BusTimeout if isinstance(error, TimeoutError) else BusFault)(text)
        if not starting or re.search(r"crc|checksum", str(error), re.IGNORECASE):
            return BadData(text)
        if not self._i2c.answered:
            return OutOfRange(f"{text}; see `arguments` and `settings`")
        return WrongChip(f"{text}; another chip answers there? check `class:` and `address:`")


def _imported(name: str, clock: WireClock) -> Any:
    root = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise OutOfRange(f"module: {told(name)} is no module's name; write it as Python imports it: adafruit_sht31d")
    if root in (*sys.stdlib_module_names, *_OURS):
        raise OutOfRange(f"module: {root} is no driver but a part of {'this program' if root in _OURS else 'Python'}")
    modules = PrivateModules(_stand_ins(clock), (root, "adafruit_*", "circuitpython_*"))
    try:
        return modules.load(name)
    except ModuleNotFoundError as error:
        missing = error.name or root
        whose = "" if missing.startswith(root) else f", which {name} imports,"
        raise UnknownDriver(f"module: {missing}{whose} is not installed; {_install(missing)}") from error
    except (Exception, SystemExit) as error:
        raise CatalogueError(f"module: {name} cannot be imported: {type(error).__name__}: {error}") from error


def _stand_ins(clock: WireClock) -> dict[str, Any]:
    """What CircuitPython's own modules are here. No board is looked for, whatever else is installed."""
    by_name = {name: Names(name) for name in ("board", "circuitpython_typing", "digitalio", "microcontroller")}
    return {
        **by_name,
        "busio": Names("busio", I2C=I2C),
        "micropython": Names("micropython", const=lambda value: value),
        "time": clock.module(),
    }


def _install(missing: str) -> str:
    root = missing.partition(".")[0]
    if not root.startswith("adafruit_"):
        return "install the package that has it, with `pip install --no-deps`"
    usual = (root, "adafruit_bus_device", "adafruit_register")
    wanted = dict.fromkeys(name for name in usual if name == root or find_module(name) is None)
    packages = (name.removeprefix("adafruit_").replace("bus_device", "busdevice") for name in wanted)
    return f"`pip install --no-deps {' '.join(f'adafruit-circuitpython-{name}' for name in packages)}`"


def _limits_of(sim: str, units: Mapping[str, str]) -> Mapping[str, tuple[float, float]]:
    if sim not in kinds():
        raise OutOfRange(f"sim: there is no kind {sim!r}{nearest(sim, kinds())}")
    kind = find(sim).driver
    if not issubclass(find(sim).sim, SimChip) or sim == "circuitpython":
        raise OutOfRange(f"sim: {sim} is no chip on an I2C bus")
    if kind.limits is not Device.limits:
        return {}  # an option moves them, and whether it is set alike is not known
    return {
        name: kind.ranges[name] for name, unit in units.items() if name in kind.ranges and kind.channels[name] == unit
    }


def _wire_error_behind(error: BaseException) -> BusError | None:
    """The bus error that this one was raised from, or while it was handled."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, WireError):
        behind = behind.__cause__ or behind.__context__
    return None if behind is None else behind.error


class SimUnknown(SimChip):
    """Where nobody said what the part is: nobody answers, and the error says why."""

    def write(self, data: bytes) -> None:
        self._miss()

    def read(self, count: int) -> bytes:
        self._miss()

    def _miss(self) -> NoReturn:
        raise Nack(f"{self.name}: nothing stands here in simulation: name one of our kinds, such as `sim: sht31`")


DRIVER, SIM = CircuitPython, SimUnknown
