"""Addresses and waits."""

from __future__ import annotations

import random

import pytest

from edge.config import parse_broker
from edge.links.backoff import Backoff


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://localhost", ("localhost", 1883, False)),
        ("mqtts://cloud.example", ("cloud.example", 8883, True)),
        ("mqtt://[::1]:1884/", ("::1", 1884, False)),
    ],
)
def test_an_address_names_host_port_and_encryption(url, expected):
    assert parse_broker(url) == expected


@pytest.mark.parametrize("url", ["localhost:1883", "http://localhost", "mqtt://", "mqtt://host/path", "mqtt://h:port"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError):
        parse_broker(url)


def test_waits_are_drawn_between_base_and_cap_and_begin_anew():
    backoff = Backoff(random.Random(4), base=1, cap=30)
    waits = [backoff.next() for _ in range(200)]
    assert all(1 <= wait <= 30 for wait in waits)
    assert sum(waits[-100:]) / 100 > 8

    backoff.reset()

    assert backoff.next() <= 3


def test_two_gateways_do_not_come_back_together():
    assert Backoff(random.Random(1)).next() != Backoff(random.Random(2)).next()
