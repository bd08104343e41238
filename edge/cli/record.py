"""`edge record`: what the wires of the configured devices say, into a file that tests play back."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from drivers import find
from drivers.simulation.recording import Recorder
from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import note, say, say_json
from edge.config import Config
from edge.config.units import parse_size, show_duration, show_size
from edge.errors import RuntimeUnreachable
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.instruments import Instruments
from edge.outside import Outside
from edge.telemetry import Telemetry

_LONGEST = 1.0  # seconds between two looks whether the file is full


def record(words: list[str]) -> int:
    """Exit 3 when nothing at all was recorded."""
    arguments = Arguments(
        "record",
        "Sample the configured devices as the runtime would, without tasks, and write every exchange on a wire and"
        " every pin edge into FILE.",
        examples=("record --minutes 10 workshop.rec", "record --minutes 0.5 -c edge.yaml bug.rec --json"),
    )
    arguments.add_argument("file", metavar="FILE", help="a new file; `edge: {recording: FILE}` plays it back")
    arguments.add_argument("--minutes", metavar="N", type=float, default=10.0, help="how long (default: 10)")
    arguments.add_argument("--limit", metavar="SIZE", default="10MB", help="largest file (default: 10MB)")
    options = arguments.with_config().with_json("{file, seconds, transactions, edges, bytes, full}").parse_args(words)
    if not options.minutes > 0:
        arguments.error("--minutes must be more than 0")
    try:
        limit = parse_size(options.limit)
    except ValueError as error:
        arguments.error(f"--limit: {error}")
    gateway = Gateway(options.config)
    _refuse_if_running(gateway)
    config, seconds = gateway.config, options.minutes * 60
    if not config.devices:
        raise Stop(f"{gateway.file} has no devices: there is nothing to record")
    with _new(Path(options.file)) as file:
        outside, never = Outside.real(), threading.Event()
        recorder = Recorder(_durably(file), now=outside.clock.monotonic, limit=limit)
        note(f"recording for {show_duration(seconds)}; Ctrl-C ends it sooner, and what was recorded stays")
        with closing(recorder):
            watch(config, outside, recorder, seconds, lambda pause: bool(never.wait(pause)))
    return _told(options.file, recorder, outside.clock.monotonic() - recorder.began, as_json=options.json)


def watch(
    config: Config, outside: Outside, recorder: Recorder, seconds: float, pause: Callable[[float], object]
) -> None:
    """Sample every device when it is due and hear every edge, with the recorder on the wires, for that long.

    `pause` lets time pass. Ends early when the recorder is full.
    """
    clock, telemetry = outside.clock, Telemetry()
    config = _without_broker(config)
    end = clock.monotonic() + seconds
    instruments = Instruments(
        config,
        replace(outside.wires, recorder=recorder),
        clock=clock,
        inbox=Inbox(dropped=telemetry.counter("edge_events_dropped_total", reason="inbox_full")),
        minter=Minter(config.edge.id, clock, outside.random),
        telemetry=telemetry,
        show=lambda device, values: None,
    )
    with closing(instruments):
        for part in instruments.parts:
            part.start()
        while (left := end - clock.monotonic()) > 0 and not recorder.full:
            due = min((part.turn(block=False) for part in instruments.parts), default=left)
            pause(max(min(due, left, _LONGEST), 0.0))


def _without_broker(config: Config) -> Config:
    """What hangs on the broker needs no recording: its messages are text that anybody can keep."""
    devices = {name: device for name, device in config.devices.items() if find(device.driver).driver.wire != "mqtt"}
    return config.model_copy(update={"devices": devices})


def _refuse_if_running(gateway: Gateway) -> None:
    try:
        gateway.ask("status")
    except RuntimeUnreachable:
        return
    raise Stop(f"a runtime runs for {gateway.file} and has the hardware: stop it first (`systemctl stop edge`)")


def _new(path: Path) -> BinaryIO:
    try:
        return path.open("xb", buffering=0)
    except FileExistsError:
        raise Stop(f"{path} exists already: name a new file") from None
    except OSError as error:
        raise Stop(f"{path} cannot be written: {error.strerror}") from error


def _durably(file: BinaryIO) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        if data:
            file.write(data)
            os.fsync(file.fileno())

    return write


def _told(file: str, recorder: Recorder, seconds: float, *, as_json: bool) -> int:
    counts = {"transactions": recorder.transactions, "edges": recorder.edges, "bytes": recorder.size}
    if as_json:
        say_json({"file": file, "seconds": round(seconds, 3), **counts, "full": recorder.size >= recorder.limit})
    else:
        full = "; it is full" if recorder.size >= recorder.limit else ""
        say(
            f"{file}: {recorder.transactions:,} transactions and {recorder.edges:,} edges in"
            f" {show_duration(round(seconds))}, {show_size(recorder.size)}{full}"
        )
    return FINE if recorder.transactions or recorder.edges else DEGRADED
