"""A broker of our own: it comes, goes, comes back to the same address, and says why when it cannot."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.links import embedded
from edge.links.embedded import LOOPBACK, EmbeddedBroker, NoBroker

PRODUCTS = [
    pytest.param("mosquitto", marks=pytest.mark.broker),
    pytest.param(
        "amqtt",
        marks=pytest.mark.skipif(importlib.util.find_spec("amqtt") is None, reason="the extra `broker` is missing"),
    ),
]


@pytest.fixture(params=PRODUCTS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker", product=request.param)
    yield broker
    broker.stop()


def answers(broker: EmbeddedBroker) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex((broker.host, broker.port or 0)) == 0


def test_it_goes_and_comes_back_to_the_same_address(broker: EmbeddedBroker) -> None:
    broker.start()
    first = broker.url
    assert answers(broker)

    broker.stop()
    broker.stop()
    assert not broker.running
    assert not answers(broker)

    broker.start()
    broker.start()
    assert answers(broker)
    assert broker.url == first


def test_while_it_is_away_nobody_else_gets_its_address(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A client that waits for it must not find a stranger there, who would acknowledge and forget."""
    broker.start()
    with closing(socket.create_connection((broker.host, broker.port or 0))):
        broker.stop(keep_seat=True)

    assert not answers(broker)
    with pytest.raises(OSError, match="in use"):
        socket.create_server((broker.host, broker.port or 0))
    with pytest.raises(NoBroker):
        EmbeddedBroker(tmp_path / "other", port=broker.port, product=broker.product).start()

    broker.start()
    assert answers(broker)


def test_two_of_them_find_two_ports(broker: EmbeddedBroker, tmp_path: Path) -> None:
    other = EmbeddedBroker(tmp_path / "other", product=broker.product)
    broker.start()
    other.start()
    try:
        assert broker.port != other.port
    finally:
        other.stop()


def test_a_taken_port_is_said_with_its_number(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(NoBroker, match=f"port {port} of 127.0.0.1 is taken"):
            EmbeddedBroker(tmp_path, port=port).start()


def test_without_any_broker_both_ways_to_get_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_mosquitto", lambda: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoBroker, match=r"apt install mosquitto.*pip install 'edge-runtime\[broker\]'"):
        EmbeddedBroker(tmp_path).start()


def test_a_broker_that_does_not_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\necho 'Error: Invalid bridge configuration.'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "find_mosquitto", lambda: str(program))
    with pytest.raises(NoBroker, match="mosquitto does not start: Error: Invalid bridge configuration"):
        EmbeddedBroker(tmp_path / "broker").start()
