"""Every broker of the configuration: is it there, does it let us in, and will it keep what it must."""

from __future__ import annotations

from collections.abc import Iterator

from edge.cli.doctor.findings import Finding, Machine
from edge.cli.doctor.greeting import greet
from edge.config import parse_broker
from edge.config.models import Broker, Config

# With its defaults a killed Mosquitto forgets sessions, and an offline queue keeps 1,000 messages.
MOSQUITTO = {
    "persistence": "true",
    "autosave_on_changes": "true",
    "autosave_interval": "1",
    "max_queued_messages": "0",
    "max_inflight_messages": "1000",
}
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def examine_brokers(machine: Machine, config: Config) -> Iterator[Finding]:
    """One line a broker, and one on what the Mosquitto here keeps, or should keep elsewhere."""
    brokers: dict[str, Broker] = {f"upstream {name}": upstream for name, upstream in config.upstream.items()}
    if config.mqtt is not None:
        brokers = {"mqtt": config.mqtt, **brokers}
    for name, broker in brokers.items():
        yield _reached(name, broker)
    places = {name: parse_broker(broker.broker).host in _HERE for name, broker in brokers.items()}
    here = [name for name, local in places.items() if local]
    elsewhere = [name for name, local in places.items() if not local]
    if here:
        yield _kept(machine, ", ".join(here))
    if elsewhere:
        yield _advice(", ".join(elsewhere))


def _reached(name: str, broker: Broker) -> Finding:
    shown = f"{name}: {broker.broker}"
    try:
        greeting = greet(broker)
    except OSError as error:
        remedy = "is it running, is the address right, does a firewall stand between? The gateway starts without it"
        return Finding("fail", "broker", f"{shown} is not reachable: {error.strerror or error}", remedy)
    if greeting.refused:
        return Finding("fail", "broker", f"{shown} refuses us: {greeting.refused}", "see user: and password: there")
    if greeting.version != "5":
        remedy = "it works; with MQTT 5 the broker says why it refuses, and spares us our own messages"
        return Finding("warn", "broker", f"{shown} speaks MQTT {greeting.version} only", remedy)
    limits = greeting.limits
    window = limits.get("receive_maximum", 65_535)
    text = f"{shown} is there: MQTT 5, {window} messages on their way at once"
    if "packet_size" in limits:
        text += f", packets up to {limits['packet_size']} bytes"
    if limits.get("qos", 2) < 1:
        return Finding("fail", "broker", f"{text}, QoS 0 only", "QoS 0 cannot promise anything: use another broker")
    return Finding("ok", "broker", text)


def _kept(machine: Machine, name: str) -> Finding:
    """A Mosquitto on this machine tells by its files."""
    files = [path for path in (machine.path("/etc/mosquitto/mosquitto.conf"),) if path.is_file()]
    files += machine.glob("/etc/mosquitto/conf.d", "*.conf")
    if not files:
        return _advice(name)
    text, said = "", {}
    for path in files:
        try:
            text = path.read_text(errors="replace")
        except PermissionError:
            return _advice(name)
        for line in text.splitlines():
            key, _, value = line.strip().partition(" ")
            said[key] = value.strip()
    missing = [f"{key} {value}" for key, value in MOSQUITTO.items() if said.get(key) != value]
    if missing:
        remedy = f"/etc/mosquitto/conf.d/edge.conf (deploy/mosquitto.conf): {'; '.join(missing)}"
        return Finding("warn", "broker", f"{name}: Mosquitto here forgets sessions or messages when it dies", remedy)
    return Finding("ok", "broker", f"{name}: Mosquitto here keeps sessions and queues over a crash")


def _advice(name: str) -> Finding:
    lines = "; ".join(f"{key} {value}" for key, value in MOSQUITTO.items())
    return Finding(
        "ok", "broker", f"{name}: what it keeps over a crash cannot be seen from here; Mosquitto needs {lines}"
    )
