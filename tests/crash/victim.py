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


def main(path: str, start: int) -> None:
    lines = threading.Lock()

    def say(text: str) -> None:
        with lines:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    base = 0

    def on_durable(sequence: int) -> None:
        if sequence > base:
            say(f"D {start + sequence - base - 1}")

    limits = Limits(segment=200_000, keep_delivered=0, max_size=10**9)
    journal = open_journal(path, clock=SystemClock(), upstreams=("cloud",), limits=limits, on_durable=on_durable)
    base = journal.durable

    def write() -> None:
        while True:
            if journal.wait(0.05):
                journal.commit()

    def settle() -> None:
        while True:
            found = journal.pending("cloud", limit=50)[::2]
            journal.settle("cloud", [stored.sequence for stored in found], Verdict.DELIVERED)
            if found:
                say("S " + " ".join(str(int(stored.record.id[4:])) for stored in found))

    for work in (write, settle):
        threading.Thread(target=work, daemon=True).start()
    pause = threading.Event()
    for number in itertools.count(start):
        while number % 100 == 0 and journal.backlog("cloud") > 3000:
            pause.wait(0.001)
        journal.append([outcome(number)], Delivery("paho", number % 65_535 + 1, number + 1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
