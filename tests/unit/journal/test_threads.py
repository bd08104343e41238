"""Many threads on one journal: everything appended becomes durable once and is handed out once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edge.clock import SystemClock
from edge.journal import Limits, open_journal
from edge.model import Verdict

from .conftest import record

PRODUCERS, EACH = 4, 1500


class Crowd:
    """The threads and what they saw."""

    def __init__(self, path: Path) -> None:
        self.confirmed: list[int] = []
        self.appended: list[int] = []
        self.delivered: list[int] = []
        self.failures: list[BaseException] = []
        self.done = threading.Event()
        limits = Limits(segment=100_000, keep_delivered=0, buffer=50_000)
        self.journal = open_journal(
            str(path), clock=SystemClock(), upstreams=("cloud",), limits=limits, on_durable=self.confirmed.append
        )

    def thread(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # reported by the test's own thread
                self.failures.append(error)

        return threading.Thread(target=run)

    def produce(self) -> None:
        for number in range(EACH):
            self.appended.append(self.journal.append([record(number)]).sequence)

    def write(self) -> None:
        while not self.done.is_set():
            if self.journal.wait(0.01):
                self.journal.commit()

    def send(self) -> None:
        while len(self.delivered) < PRODUCERS * EACH and not self.failures:
            found = [stored.sequence for stored in self.journal.pending("cloud", limit=64)]
            verdict = Verdict.DEAD if len(found) % 5 == 1 else Verdict.DELIVERED  # a refusal commits, like the writer
            assert self.journal.settle("cloud", found, verdict) == len(found)
            self.delivered += found

    def keep_state(self) -> None:
        for number in range(50):
            self.journal.table("memory").upsert({"k": 1, "n": number}, lambda doc: bool(doc["k"] == 1))
            self.journal.stats()
            list(self.journal.records())


def test_producers_a_writer_a_sender_and_tables_share_a_journal(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    workers = [crowd.thread(work) for work in [crowd.produce] * PRODUCERS + [crowd.send, crowd.keep_state]]
    writer = crowd.thread(crowd.write)
    for thread in (*workers, writer):
        thread.start()
    for thread in workers:
        thread.join(60)
    crowd.done.set()
    writer.join(60)

    assert crowd.failures == []
    assert sorted(crowd.delivered) == sorted(crowd.appended)
    assert crowd.delivered == sorted(crowd.delivered)
    assert max(crowd.confirmed) >= max(crowd.appended)
    assert crowd.journal.table("memory").all() == [{"k": 1, "n": 49}]
    cloud = crowd.journal.stats()["upstreams"]["cloud"]
    assert cloud["delivered"] + cloud["dead"] == PRODUCERS * EACH
    assert len(crowd.journal.dead_letters("cloud")) == cloud["dead"]
    crowd.journal.close()
