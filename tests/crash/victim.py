"""A process to kill: appends, settles and keeps a table under load, and says on standard output what it was promised.

`D number...`: these outcomes are durable.  `S number...`: these were settled, the call has returned.  `T number`: the
document of that number is durable.
"""

from __future__ import annotations

import itertools
import sys
import threading
from functools import partial

from edge.clock import SystemClock
from edge.journal import Limits, open_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict

UPSTREAMS = ("cloud", "plant")


def outcome(number: int) -> Record:
    name = f"box:{number:026d}"
    klass = RecordClass.ALARM if number % 10 == 0 else RecordClass.TELEMETRY
    return Record(RecordKind.OUTCOME, klass, name, b'{"id":"' + name.encode() + b'"}' + b"x" * (number % 700))


class Victim:
    """Six threads on one journal: two append, one commits, two settle for an upstream each, one changes a table."""

    def __init__(self, path: str, start: int) -> None:
        self.numbers = itertools.count(start)
        self.waiting: dict[int, int] = {}  # sequence number -> outcome, appended and not said to be durable
        self.lines = threading.Lock()
        self.pause = threading.Event()
        limits = Limits(segment=200_000, keep_delivered=0, max_size=10**9)
        self.journal = open_journal(
            path, clock=SystemClock(), upstreams=UPSTREAMS, limits=limits, on_durable=self.on_durable
        )

    def say(self, kind: str, numbers: list[int]) -> None:
        if numbers:
            with self.lines:
                sys.stdout.write(f"{kind} {' '.join(map(str, numbers))}\n")
                sys.stdout.flush()

    def on_durable(self, sequence: int) -> None:
        mine = [self.waiting.pop(each, 0) for each in sorted(self.waiting.copy()) if each <= sequence]
        self.say("D", [number for number in mine if number])  # 0: another thread that committed has said it

    def append(self) -> None:
        for number in self.numbers:
            while number % 100 == 0 and self.journal.backlog("cloud") > 3000:
                self.pause.wait(0.001)
            ticket = self.journal.append([outcome(number)], Delivery("paho", number % 65_535 + 1, number + 1))
            self.waiting[ticket.sequence] = number

    def write(self) -> None:
        while True:
            if self.journal.wait(0.05):
                self.journal.commit()

    def settle(self, upstream: str, every: int) -> None:
        while True:
            found = self.journal.pending(upstream, limit=50)[::every]
            self.journal.settle(upstream, [stored.sequence for stored in found], Verdict.DELIVERED)
            if upstream == "cloud":
                self.say("S", [int(stored.record.id[4:]) for stored in found])

    def remember(self) -> None:
        """A document for every number; whenever fifty came, those before them go."""
        table = self.journal.table("memory")
        for number in itertools.count(max((doc["n"] for doc in table), default=0) + 1):
            table.insert({"n": number})
            self.say("T", [number])
            if number % 50 == 0:
                table.remove(doc_ids=[doc.doc_id for doc in table if doc["n"] <= number - 50])
            self.pause.wait(0.002)

    def run(self) -> None:
        for work in (self.append, self.write, partial(self.settle, "cloud", 2), partial(self.settle, "plant", 1)):
            threading.Thread(target=work, daemon=True).start()
        threading.Thread(target=self.append, daemon=True).start()
        self.remember()


if __name__ == "__main__":
    Victim(sys.argv[1], int(sys.argv[2])).run()
