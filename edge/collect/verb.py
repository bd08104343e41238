"""`edge collect`: receive outcomes from a broker into a SQLite file, each of them once."""

from __future__ import annotations

import math
import os
import random
import socket
import sqlite3
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from pydantic import SecretStr

from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, USAGE, Stop
from edge.cli.logs import set_up
from edge.cli.output import columns, note, say, say_json
from edge.cli.supervisor import Signals
from edge.clock import Clock, SystemClock
from edge.collect.receiver import Counts, Envelope, Receiver
from edge.collect.station import Station
from edge.config import filter_problem
from edge.config.models import Broker
from edge.links.backoff import Backoff
from edge.links.embedded import LOOPBACK, EmbeddedBroker
from edge.links.mqtt import MqttLink

TOPIC = "edge/+/outcomes"
PASSWORD = "EDGE_COLLECT_PASSWORD"
_LOOK = 0.2  # seconds between two looks for Ctrl-C


def collect(words: list[str]) -> int:
    """Blocks until Ctrl-C, SIGTERM or the end of --seconds. Exit 3 when it could not go on."""
    options = _options(words)
    set_up("warning", as_json=False, stream=sys.stderr)
    clock = SystemClock()
    with Signals() as signals, ExitStack() as stack:
        # printed between the steps: a reader that has gone away is our end, not the link's
        fresh = deque[Envelope](maxlen=None if options.print else 0)
        receiver = stack.enter_context(closing(_open(options, fresh.append)))
        broker = _listen(options, stack) if options.listen is not None else _elsewhere(options)
        station = stack.enter_context(closing(Station(_link(options, broker, clock), receiver, options.topic)))
        note(f"collecting {', '.join(options.topic)} from {broker.broker} into {options.into}; Ctrl-C stops")
        end = math.inf if options.seconds is None else clock.monotonic() + options.seconds
        while signals.wait(0) is None and station.failed is None and clock.monotonic() < end:
            station.step(_LOOK)
            while fresh:
                say_json(fresh.popleft(), line=True)
            sys.stdout.flush()
        counts = receiver.gateways
    if options.json:
        say_json({"gateways": {name: count.data() for name, count in counts.items()}, "unreadable": station.unreadable})
    elif not options.print:
        say(_table(counts, station.unreadable))
    if station.failed is not None:
        raise Stop(station.failed, DEGRADED)
    return FINE


def _options(words: list[str]) -> Namespace:
    arguments = Arguments(
        "collect",
        "Receive outcomes over MQTT, drop repeats by their id, and keep each one in a SQLite file.\n"
        "A message is acknowledged after it is stored; the broker keeps the session while this is away.",
        examples=(
            "collect --broker mqtt://127.0.0.1:1883 --into outcomes.sqlite",
            "collect --listen --print | jq .data.result",
        ),
    ).with_json('{"gateways": {id: {"received", "accepted", "repeats"}}, "unreadable"}, at the end')
    add = arguments.add_argument
    add("--broker", metavar="URL", default="mqtt://127.0.0.1:1883", help="where to connect (%(default)s)")
    add(
        "--listen",
        metavar="HOST:PORT",
        nargs="?",
        const=f"{LOOPBACK}:1883",
        help="start a broker here instead, without passwords: keep it to this machine (%(const)s)",
    )
    add("--topic", metavar="FILTER", action="append", help=f"topic filter, may be repeated ({TOPIC})")
    add("--into", metavar="FILE", type=Path, default=Path("outcomes.sqlite"), help="SQLite file (%(default)s)")
    add("--print", action="store_true", help="also print each new outcome, one JSON object a line")
    add("--seconds", metavar="N", type=float, help="end after this long")
    add("--client-id", default=f"edge-collect-{socket.gethostname()}", help="its session belongs to it (%(default)s)")
    add("--user", metavar="NAME", help=f"user name; the password comes from ${PASSWORD}")
    add("--ca", metavar="FILE", help="authority that signed the certificate of an mqtts:// broker")
    options = arguments.parse_args(words)
    options.topic = options.topic or [TOPIC]
    for topic in options.topic:
        if problem := filter_problem(topic):
            arguments.error(f"--topic {topic}: {problem}")
    return options


def _open(options: Namespace, on_accepted: Callable[[Envelope], None]) -> Receiver:
    try:
        return Receiver(options.into, on_accepted=on_accepted)
    except sqlite3.Error as error:
        raise Stop(f"{options.into}: cannot be used: {error}; give another file with --into") from error


def _listen(options: Namespace, stack: ExitStack) -> Broker:
    """Start our own broker; its sessions live beside the file, so that a crash of ours loses nothing either."""
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal():
        raise Stop(f"--listen {options.listen}: write an address and a port, such as {LOOPBACK}:1883", USAGE)
    broker = EmbeddedBroker(options.into.absolute().with_suffix(".broker"), host=host, port=int(port))
    stack.callback(broker.stop)
    broker.start()
    if not broker.keeps_sessions:
        note("amqtt forgets its sessions when it stops; install mosquitto where outcomes matter")
    return broker.settings


def _elsewhere(options: Namespace) -> Broker:
    password = os.environ.get(PASSWORD)
    return Broker(
        broker=options.broker,
        user=options.user,
        ca=options.ca,
        password=SecretStr(password) if password is not None else None,
    )


def _link(options: Namespace, broker: Broker, clock: Clock) -> MqttLink:
    try:
        return MqttLink(broker, client_id=options.client_id, clock=clock, backoff=Backoff(random.Random(), cap=5.0))
    except ValueError as error:
        raise Stop(f"--broker: {error} (an address is mqtt://host:1883 or mqtts://host:8883)", USAGE) from error


def _table(counts: Mapping[str, Counts], unreadable: int) -> str:
    rows = [(name, count.received, count.accepted, count.repeats) for name, count in counts.items()]
    table = columns(rows, ("gateway", "received", "accepted", "repeats")) if rows else "nothing was received"
    return f"{table}\n{unreadable} messages were no outcomes" if unreadable else table
