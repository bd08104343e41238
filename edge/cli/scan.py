"""`edge devices scan` and `edge devices recover`: what is connected, and a bus that hangs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from drivers import DriverError
from drivers.wires.rescue import PINS, commands, nine_clocks
from drivers.wires.scan import FIRST, LAST
from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.hardware import outside
from edge.cli.output import columns, note, paint, say, say_json
from edge.config.models import Config
from edge.connected import connected
from edge.devices import Wiring
from edge.errors import ConfigError, RuntimeUnreachable
from edge.scanning import Scanner, solder

_HANGING = 60.0  # seconds for a bus of which every address takes its time
_SOON = 1.0  # seconds after which a person is told what is waited for
_NONE = "no I2C bus; on a Raspberry Pi: sudo raspi-config nonint do_i2c 0 (dtparam=i2c_arm=on), then reboot"

Look = Callable[..., Any]
"""`look()` gives the buses, `look(name)` one of them with what is on it."""


def scan(words: list[str]) -> int:
    """Exit 3 when a bus could not be scanned."""
    arguments = Arguments(
        "devices scan",
        "What is connected: who answers on each I2C bus and which chips those may be, 1-Wire sensors, what the kernel"
        " reads already, serial ports; each with a line for edge.yaml. Asks questions only: nothing is written into a"
        " chip, and what a kernel driver owns (UU) is left alone. Needs no configuration.",
        examples=("devices scan", "devices scan i2c-1 --json", "devices scan mux/3"),
    )
    arguments.add_argument("bus", metavar="BUS", nargs="*", help="i2c-1, or mux/3 behind a multiplexer (default: all)")
    arguments.add_argument("--real", action="store_true", help="this machine's buses, where edge.yaml simulates all")
    arguments.with_config().with_json(
        "{buses: [{bus, backend, adapter, clock, skipped, found: [{address, kernel, device, likely, proven, wrong,"
        " yaml}], note, error}], others: [{kind, place, what, device, likely, yaml}]}"
    )
    options = arguments.parse_args(words)
    gateway = _gateway(options.config)
    if options.real and gateway is not None and not _has_real(gateway.config):
        gateway = None
    config = gateway.config if gateway is not None else Config.model_validate({"edge": {"id": "none"}})
    with _looking(gateway, config) as look:
        told: dict[str, Any] = {"buses": _buses(look, options.bus), "others": []}
    if not options.bus:
        told["others"] = connected(outside().wires.open_tree(), config, Path("/"))
    if options.json:
        say_json(told)
    else:
        say(_page(told))
    return DEGRADED if any(bus.get("error") for bus in told["buses"]) else FINE


def recover(words: list[str]) -> int:
    """Exit 3 when the bus still hangs."""
    arguments = Arguments(
        "devices recover",
        "Free a bus on which a chip holds SDA low: up to nine clocks and a stop, made with the pins (pinctrl of"
        " Raspberry Pi OS, as root). A bus that does not hang is left alone.",
        examples=("devices recover i2c-1", "devices recover i2c-3 --pins 4,5"),
    )
    arguments.add_argument("bus", metavar="BUS", help="i2c-1")
    arguments.add_argument("--pins", metavar="SDA,SCL", help="BCM numbers; known for i2c-0 and i2c-1")
    options = arguments.with_config().with_json("{bus, clocks}; 0 clocks: it did not hang").parse_args(words)
    gateway = _gateway(options.config)
    clocks = _simulated(gateway, options.bus) if _is_simulated(gateway, options.bus) else _real(arguments, options)
    if options.json:
        say_json({"bus": options.bus, "clocks": clocks})
    else:
        say(f"{options.bus} is free after {clocks} clocks" if clocks else f"{options.bus} does not hang: SDA is high")
    return FINE


def _gateway(option: str | None) -> Gateway | None:
    """The configuration, if there is one that can be read: names come from it, nothing else."""
    try:
        gateway = Gateway(option)
        _ = gateway.config
    except Stop:
        if option is not None:
            raise
        return None
    except ConfigError as error:
        note(f"{len(error.problems)} mistakes in the configuration (`edge check`): scanning without it")
        return None
    return gateway


@contextmanager
def _looking(gateway: Gateway | None, config: Config) -> Iterator[Look]:
    if gateway is not None:
        try:
            gateway.ask("status")
        except RuntimeUnreachable:
            pass
        else:
            yield lambda *bus: gateway.ask("scan", timeout=_HANGING, **dict(zip(["bus"], bus, strict=False)))
            return
    clock, began, told = outside().clock, outside().clock.monotonic(), set[str]()

    def progress(bus: str, address: int) -> None:
        if bus not in told and clock.monotonic() - began > _SOON:
            told.add(bus)
            note(f"{bus}: at {address:#04x}; a bus that hangs takes its time")

    with closing(Wiring(config, outside().wires)) as wiring:
        solder(wiring)
        scanner = Scanner(wiring, config)

        def look(*bus: str) -> Any:
            return scanner.bus(bus[0], progress) if bus else scanner.buses()

        yield look


def _buses(look: Look, named: Sequence[str]) -> list[dict[str, Any]]:
    if named:
        return [look(name) for name in named]
    return [bus if bus["skipped"] else look(bus["bus"]) for bus in look()]


def _is_simulated(gateway: Gateway | None, bus: str) -> bool:
    if gateway is None:
        return False
    usual = gateway.config.edge.backend
    return any(one.bus == bus and (one.backend or usual) == "sim" for one in gateway.config.devices.values())


def _has_real(config: Config) -> bool:
    """Whether a runtime would use buses of this machine itself, so that it has to be asked."""
    return any((one.backend or config.edge.backend) == "real" for one in config.devices.values())


def _simulated(gateway: Gateway | None, bus: str) -> int:
    assert gateway is not None
    try:
        answer: dict[str, int] = gateway.ask("recover", bus=bus)
    except RuntimeUnreachable as error:
        raise Stop(f"{bus} is simulated, and nothing hangs where no runtime runs") from error
    return answer["clocks"]


def _real(arguments: Arguments, options: Any) -> int:
    try:
        sda, scl = map(int, options.pins.split(",")) if options.pins else PINS[options.bus]
    except (ValueError, KeyError):
        arguments.error(f"the pins of {options.bus} are not known: name them, --pins SDA,SCL")
    try:
        return nine_clocks(_run, options.bus, sda, scl)
    except DriverError as error:
        by_hand = "\n  ".join(commands(sda, scl))
        hint = f"\nBy hand:\n  {by_hand}" if isinstance(error.__cause__, OSError) else ""
        raise Stop(f"{error}{hint}", DEGRADED) from error


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError("it did not end within 10 s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"it ended with {done.returncode}"
        raise OSError(f"{said}; it needs root: sudo $(command -v edge) devices recover ...")
    return done.stdout


# -- the page ---------------------------------------------------------------------------------------------------------


def _page(told: dict[str, Any]) -> str:
    parts = [_bus(bus) for bus in told["buses"]] or [_NONE]
    if told["others"]:
        rows = [
            (one["kind"], one["place"], one["what"], one["device"] or _likely(one["likely"], proven=False))
            for one in told["others"]
        ]
        parts.append(columns(rows, ("not on I2C", "place", "called", "device or driver")))
    lines = [one["yaml"] for bus in told["buses"] for one in bus.get("found", ()) if one["yaml"]]
    lines += [one["yaml"] for one in told["others"] if one["yaml"] and not one["device"]]
    if lines:
        parts.append("\n".join(["lines for edge.yaml, below devices:", *(f"  {one}" for one in _distinct(lines))]))
    return "\n\n".join(parts)


def _distinct(lines: Sequence[str]) -> Iterator[str]:
    """No two devices with one name."""
    seen: dict[str, int] = {}
    for line in lines:
        name, _, rest = line.partition(": ")
        seen[name] = seen.get(name, 0) + 1
        yield line if seen[name] == 1 else f"{name}-{seen[name]}: {rest}"


def _bus(bus: dict[str, Any]) -> str:
    what = [bus["adapter"]] if bus.get("adapter") else []
    what += [f"{bus['clock'] / 1000:g} kHz"] if bus.get("clock") else []
    what += ["simulated"] if bus["backend"] == "sim" else []
    title = paint(bus["bus"], "bold") + (f"  {', '.join(what)}" if what else "")
    if bus["skipped"]:
        return f"{title}\nnot scanned, because {bus['skipped']}; `edge devices scan {bus['bus']}` does it all the same"
    parts = [title]
    if bus["found"] or not bus["error"]:
        parts += [_grid(bus["found"])] if bus["found"] else []  # eight empty ones of a multiplexer fill two screens
        parts += [_list(bus["found"])]
    return "\n".join(part for part in [*parts, bus["note"], paint(bus["error"] or "", "red")] if part)


def _grid(found: Sequence[dict[str, Any]]) -> str:
    """As i2cdetect shows it."""
    shown = {one["address"]: "UU" if one["kernel"] else f"{one['address']:02x}" for one in found}
    rows = ["     " + "  ".join(f"{column:x}" for column in range(16))]
    for row in range(0x00, 0x80, 0x10):
        cells = (shown.get(at, "--") if FIRST <= at <= LAST else "  " for at in range(row, row + 0x10))
        rows.append(f"{row:02x}: {' '.join(cells)}".rstrip())
    return "\n".join(rows)


def _list(found: Sequence[dict[str, Any]]) -> str:
    return columns([(f"{one['address']:#04x}", _who(one)) for one in found]) if found else "nobody answers"


def _who(one: dict[str, Any]) -> str:
    if one["kernel"]:
        return f"in use by the kernel driver {one['kernel']}: read it with driver iio or hwmon, or unbind that"
    what = _likely(one["likely"], proven=one["proven"] is not None)
    if one["device"] is None:
        return what
    return (
        f"{one['device']}: {paint('another chip', 'red')} than {what}" if one["wrong"] else f"{one['device']}: {what}"
    )


def _likely(kinds: Sequence[str], *, proven: bool) -> str:
    if not kinds:
        return "none of the drivers here has this address"
    return f"{kinds[0]}, its id says so" if proven else " or ".join(kinds)
