"""Runs begin and end on many threads while apps change: every run counts once, and no limit is passed."""

from __future__ import annotations

import threading

from edge.apps import NoSuchApp
from edge.model import Status
from tests.unit.apps.conftest import Gateway, parcel

THREADS, RUNS = 4, 200


def hammer(gateway: Gateway) -> int:
    """Runs from all threads at once, with ticks between; how many were let."""
    let = [0] * THREADS
    start = threading.Barrier(THREADS + 1)

    def work(number: int) -> None:
        start.wait()
        for _ in range(RUNS):
            leave = gateway.apps.begin("look")
            if leave is not None:
                let[number] += 1
                gateway.apps.finished(leave, Status.SUCCESS)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        gateway.apps.tick()
    for thread in threads:
        thread.join()
    gateway.apps.tick()
    return sum(let)


def test_every_run_counts_once() -> None:
    gateway = Gateway()
    gateway.apps.install(parcel(life={"runs": 10_000}))
    assert hammer(gateway) == THREADS * RUNS
    assert gateway.apps.get("look").runs == THREADS * RUNS


def test_the_last_run_is_the_last() -> None:
    gateway = Gateway()
    gateway.apps.install(parcel(life={"runs": 300}))
    assert hammer(gateway) == 300
    try:
        gateway.apps.get("look")
    except NoSuchApp:
        return
    raise AssertionError("it is still there")
