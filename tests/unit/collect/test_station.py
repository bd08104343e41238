"""What the receiver tells the broker, and when."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edge.collect.receiver import Counts
from edge.collect.station import Station
from edge.links.link import Message, OnConnected, OnDisconnected, OnMessage, Session


class Wire:
    """A link that does what it is told, and notes what was asked of it, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.on_message: OnMessage = lambda message: None
        self.codes: Sequence[int] = (1,)
        self.arriving: list[Message] = []

    def listen(self, connected: OnConnected | None = None, disconnected: OnDisconnected | None = None) -> None:
        self._connected, self._disconnected = connected, disconnected

    def subscribe(self, filters: Sequence[tuple[str, int]], done: Callable[[Sequence[int]], None]) -> None:
        self.asked.append(("subscribe", *filters))
        done(self.codes)

    def ack(self, packet_id: int) -> None:
        self.asked.append(("ack", packet_id))

    def step(self, timeout: float) -> None:
        while self.arriving:
            self.on_message(self.arriving.pop(0))

    def close(self) -> None:
        self.asked.append(("close",))

    def connect(self) -> None:
        self._connected(Session(1, True, "5", 65_535, None, 30.0))

    def cut(self) -> None:
        self._disconnected("gone")


class Shelf:
    """Takes messages; notes them on the wire's list, so that their order against acknowledgements shows."""

    def __init__(self, wire: Wire) -> None:
        self.error: Exception | None = None
        self._asked = wire.asked

    def take(self, payload: bytes) -> Counts:
        if self.error is not None:
            raise self.error
        self._asked.append(("stored", payload))
        return Counts(1, 1)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def shelf(wire: Wire) -> Shelf:
    return Shelf(wire)


@pytest.fixture
def station(wire: Wire, shelf: Shelf) -> Station:
    return Station(wire, shelf, ["edge/+/outcomes"])  # type: ignore[arg-type]


def message(packet_id: int, qos: int = 1) -> Message:
    return Message("edge/a/outcomes", b"%d" % packet_id, qos, False, False, packet_id)


def test_it_subscribes_with_qos_1_on_every_connection(wire: Wire, station: Station) -> None:
    wire.connect()
    wire.connect()

    assert wire.asked == [("subscribe", ("edge/+/outcomes", 1))] * 2
    assert station.ready


def test_it_is_not_ready_without_a_connection(wire: Wire, station: Station) -> None:
    wire.connect()
    wire.cut()

    assert not station.ready


def test_a_message_is_acknowledged_after_it_is_stored(wire: Wire, station: Station) -> None:
    wire.arriving = [message(1), message(2)]
    station.step(0)

    assert wire.asked == [("stored", b"1"), ("ack", 1), ("stored", b"2"), ("ack", 2)]


def test_a_message_of_qos_0_has_nothing_to_acknowledge(wire: Wire, station: Station) -> None:
    wire.arriving = [message(0, qos=0)]
    station.step(0)

    assert wire.asked == [("stored", b"0")]


def test_what_is_no_outcome_is_counted_and_acknowledged(wire: Wire, shelf: Shelf, station: Station) -> None:
    shelf.error = ValueError("not an outcome")
    wire.arriving = [message(1)]
    station.step(0)

    assert wire.asked == [("ack", 1)]
    assert station.unreadable == 1


def test_a_full_disk_acknowledges_nothing_and_is_said(wire: Wire, shelf: Shelf, station: Station) -> None:
    shelf.error = sqlite3.OperationalError("database or disk is full")
    wire.arriving = [message(1), message(2)]
    station.step(0)
    shelf.error = None
    station.step(0)

    assert wire.asked == []
    assert station.failed == "outcomes cannot be stored: database or disk is full"


def test_a_refused_subscription_is_said(wire: Wire, station: Station) -> None:
    wire.codes = (0x87,)
    wire.connect()

    assert not station.ready
    assert "edge/+/outcomes" in str(station.failed)
