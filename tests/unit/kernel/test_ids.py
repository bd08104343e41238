"""Ids are ULIDs that never repeat."""

from __future__ import annotations

import random
import threading

from edge.ids import Minter
from edge.testing.clock import START, VirtualClock

CROCKFORD = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_an_id_is_the_edge_and_a_ulid_of_the_wall_clock():
    edge, ulid = Minter("pi", VirtualClock(), random.Random(1)).mint().split(":")

    assert edge == "pi"
    assert len(ulid) == 26
    assert set(ulid) <= CROCKFORD
    milliseconds = 0
    for digit in ulid[:10]:
        milliseconds = milliseconds * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(digit)
    assert milliseconds == int(START * 1000)


def test_ids_never_repeat_within_a_millisecond_nor_when_the_wall_clock_steps_back():
    clock = VirtualClock()
    minter = Minter("pi", clock, random.Random(1))
    ids = [minter.mint() for _ in range(2000)]
    clock.advance(1)
    ids += [minter.mint() for _ in range(2000)]
    clock.step_wall(-1)
    ids += [minter.mint() for _ in range(2000)]

    assert len(set(ids)) == 6000


def test_ids_of_one_millisecond_sort_in_the_order_they_were_minted():
    minter = Minter("pi", VirtualClock(), random.Random(1))
    ids = [minter.mint() for _ in range(100)]

    assert ids == sorted(ids)


def test_threads_share_a_minter():
    minter = Minter("pi", VirtualClock(), random.Random(1))
    found: list[list[str]] = [[] for _ in range(4)]

    def mint(into: list[str]) -> None:
        into.extend(minter.mint() for _ in range(5000))

    threads = [threading.Thread(target=mint, args=(into,)) for into in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id for ids in found for id in ids}) == 20_000
