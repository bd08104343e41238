"""`edge devices`, `read`, `set` and `outputs safe`: through the runtime where one runs, else on the hardware itself."""

from __future__ import annotations

import threading
from typing import Any

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import columns, note, paint, paint_state, plain, quantity, say, say_json
from edge.config.units import parse_duration
from edge.errors import RuntimeUnreachable

_SLOW = 30.0  # seconds: a bus that hangs takes its time to say so


def devices(words: list[str]) -> int:
    """What is configured, with live values where a runtime runs."""
    options = (
        Arguments(
            "devices",
            "Sensors and outputs with their last values. `edge devices scan` shows what is connected, `edge devices"
            " kinds` every driver there is, `edge devices recover` frees a bus that hangs.",
            examples=("devices", "devices --json", "devices scan", "devices kinds bme280"),
        )
        .with_config()
        .with_json(
            "a list of {name, driver, bus, address, pin, pins, place, backend, channels, output, state, time,"
            " values, told, doubt}"
        )
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    try:
        found: list[dict[str, Any]] = gateway.ask("devices")
    except RuntimeUnreachable:
        note("no runtime runs: this is the configuration; `edge read DEVICE` opens the hardware itself")
        found = _configured(gateway)
    if options.json:
        say_json(found)
    elif not found:
        say(f"no devices in {gateway.file}")
    else:
        say(columns(map(_row, found), ("device", "driver", "place", "backend", "state", "last values")))
    return FINE


def read(words: list[str]) -> int:
    """Exit 3 when the device does not answer."""
    arguments = Arguments("read", "Sample one device now.", examples=("read workshop", "read workshop --json"))
    arguments.add_argument("device", metavar="DEVICE", help="name of a device in edge.yaml")
    arguments.with_config().with_json('{"device", "time", "values", "units", "quality"}')
    options = arguments.parse_args(words)
    gateway = Gateway(options.config)
    try:
        reading: dict[str, Any] = gateway.ask("read", device=options.device, timeout=_SLOW)
    except RuntimeUnreachable:
        reading = _read_directly(gateway, options.device)
    if options.json:
        say_json(reading)
        return FINE
    units = reading["units"]
    say(columns((channel, quantity(value, units.get(channel, ""))) for channel, value in reading["values"].items()))
    return FINE


def set_(words: list[str]) -> int:
    """Without a runtime the value holds only as long as the command: see `--hold`. What hangs on the broker and has no
    safe state keeps it by itself."""
    arguments = Arguments("set", "Set one output now.", examples=("set fan on", "set fan on --hold 30s"))
    arguments.add_argument("device", metavar="DEVICE", help="name of an output in edge.yaml")
    arguments.add_argument("value", metavar="VALUE", help="on, off, true, false, a number or a text")
    arguments.add_argument(
        "--hold",
        metavar="TIME",
        default="1s",
        help="without a runtime: how long to keep the value before the output is safe again (default: 1s)",
    )
    arguments.with_config().with_json('{"device", "value", "kept"}; kept is false where nobody holds it')
    options = arguments.parse_args(words)
    try:
        hold = parse_duration(options.hold)
    except ValueError as error:
        arguments.error(f"--hold: {error}")
    gateway, value = Gateway(options.config), value_of(options.value)
    try:
        answer: dict[str, Any] = {**gateway.ask("set", device=options.device, value=value, timeout=_SLOW), "kept": True}
    except RuntimeUnreachable:
        answer = _set_directly(gateway, options.device, value, hold)
    if options.json:
        say_json(answer)
    elif answer["kept"]:
        say(f"{options.device} is set to {options.value}")
    else:
        say(f"{options.device} was set to {options.value} for {options.hold}, and is safe again")
    return FINE


def safe(words: list[str]) -> int:
    """Exit 3 when an output could not be reached."""
    arguments = Arguments(
        "outputs safe",
        "Put every output into its safe state; systemd runs this after the runtime ended, however it ended.",
        examples=("outputs safe", "outputs safe -c /etc/edge/edge.yaml"),
    )
    options = (
        arguments.with_config().with_json("a list of {device, safe, error}; safe is true or false").parse_args(words)
    )
    gateway = Gateway(options.config)
    try:
        results: list[dict[str, Any]] = gateway.ask("outputs_safe", timeout=_SLOW)
    except RuntimeUnreachable:
        results = _safe_directly(gateway)
    if options.json:
        say_json(results)
    elif not results:
        say(f"no outputs in {gateway.file}")
    else:
        say(columns((one["device"], _safety(one)) for one in results))
    return DEGRADED if any(one["error"] for one in results) else FINE


def value_of(word: str) -> bool | int | float | str:
    """What a person writes as a value: numbers, true and false become themselves, the rest stays text."""
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _read_directly(gateway: Gateway, name: str) -> dict[str, Any]:
    from edge.cli.hardware import opened, outside
    from edge.desk import read_now

    with opened(gateway, [name]) as handles:
        return read_now(handles[name], outside().clock.wall(), outside().clock.quality())


def _set_directly(gateway: Gateway, name: str, value: Any, hold: float) -> dict[str, Any]:
    from drivers import OutOfRange
    from edge.cli.hardware import opened

    with opened(gateway, [name]) as handles:
        try:
            handles[name].set(value)
        except OutOfRange as error:
            raise Stop(f"{name}: {error}") from error
        if handles[name].keeps:
            return {"device": name, "value": value, "kept": True}
        note(f"{name} stays so for {hold:g} s (--hold): no runtime is there to hold it longer")
        threading.Event().wait(hold)
    return {"device": name, "value": value, "kept": False}


def _safe_directly(gateway: Gateway) -> list[dict[str, Any]]:
    from edge.cli.hardware import opened
    from edge.desk import make_safe

    with opened(gateway) as handles:
        return make_safe(handles)


def _configured(gateway: Gateway) -> list[dict[str, Any]]:
    """As the runtime tells it, without what only a runtime knows. Opens nothing."""
    from drivers import Output, find
    from edge.handles import place_of

    listed = []
    for name, settings in gateway.config.devices.items():
        kind = find(settings.driver).driver
        listed.append(
            {
                "name": name,
                "driver": settings.driver,
                "bus": settings.bus,
                "address": settings.address if settings.address is not None else getattr(kind, "address", None),
                "pin": settings.pin,
                "pins": settings.pins,
                "place": place_of(settings, kind),
                "backend": settings.backend or gateway.config.edge.backend,
                "channels": dict(kind.channels_of(settings.traits)),
                "output": issubclass(kind, Output) and kind.acts(settings.options),
                "state": "not running",
                "time": None,
                "values": {},
                "told": None,
                "doubt": None,
            }
        )
    return listed


def _row(device: dict[str, Any]) -> tuple[str, ...]:
    values = ", ".join(
        quantity(value, device["channels"].get(channel, ""))
        if len(device["values"]) == 1
        else f"{channel} {quantity(value, device['channels'].get(channel, ''))}"
        for channel, value in device["values"].items()
    )
    if not values and device["told"] is not None:
        values = f"told {plain(device['told'])}"  # without `every:` nobody asks it: `edge read` does
    return device["name"], device["driver"], device["place"], device["backend"], paint_state(device["state"]), values


def _safety(one: dict[str, Any]) -> str:
    return f"{paint_state('failed')}: {one['error']}" if one["error"] else paint("safe", "green")
