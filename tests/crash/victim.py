"""A process to kill: appends and settles under load, and says on standard output what it was promised.

`D number`: outcomes up to that number are durable.  `S number...`: these were settled, the call has returned.
"""

from __future__ import annotations

import itertools
import sys
import threading

from edge.clock import SystemClock
from edge.journal import Limits, open_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict


def outcome(number: int) -> Record:
    name = f"box:{number:026d}"
    klass = RecordClass.ALARM if number % 10 == 0 else RecordClass.TELEMETRY
    return Record(RecordKind.OUTCOME, klass, name, b'{"id":"' + name.encode() + b'"}' + b"x" * (number % 700))


class Victim:
    """Three threads on one journal: this one appends, one commits, one settles."""

    def __init__(self, path: str, start: int) -> None:
        self.start = start
        self.base: int | None = None
        self.lines = threading.Lock()
        limits = Limits(segment=200_000, keep_delivered=0, max_size=10**9)
        self.journal = open_journal(
            path, clock=SystemClock(), upstreams=("cloud",), limits=limits, on_durable=self.on_durable
        )
        self.base = self.journal.durable

    def say(self, text: str) -> None:
        with self.lines:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def on_durable(self, sequence: int) -> None:
        if self.base is not None and sequence > self.base:
            self.say(f"D {self.start + sequence - self.base - 1}")

    def write(self) -> None:
        while True:
            if self.journal.wait(0.05):
                self.journal.commit()

    def settle(self) -> None:
        while True:
            found = self.journal.pending("cloud", limit=50)[::2]
            self.journal.settle("cloud", [stored.sequence for stored in found], Verdict.DELIVERED)
            if found:
                self.say("S " + " ".join(str(int(stored.record.id[4:])) for stored in found))

    def run(self) -> None:
        for work in (self.write, self.settle):
            threading.Thread(target=work, daemon=True).start()
        pause = threading.Event()
        for number in itertools.count(self.start):
            while number % 100 == 0 and self.journal.backlog("cloud") > 3000:
                pause.wait(0.001)
            self.journal.append([outcome(number)], Delivery("paho", number % 65_535 + 1, number + 1))


if __name__ == "__main__":
    Victim(sys.argv[1], int(sys.argv[2])).run()
