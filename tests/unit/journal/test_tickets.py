"""What `append` promises: each frame has a receipt, good when its class's durability is reached."""

from __future__ import annotations

import errno
import threading

import pytest

from edge.journal import JournalError
from edge.model import RecordClass
from edge.testing.files import Fault, MemoryFiles

from .conftest import Opener, record

MIXED = {"alarm": "fsync", "telemetry": "written", "publish": "memory"}


def test_a_ticket_resolves_with_the_commit_that_makes_its_record_durable(opened: Opener) -> None:
    journal = opened()
    first = journal.append([record(1)])
    assert (first.sequence, first.durability, first.done) == (1, "fsync", False)
    assert first.wait(0) is False
    journal.commit()
    later = journal.append([record(2), record(3)])
    assert first.done
    assert (later.sequence, later.done) == (3, False)


def test_a_ticket_names_the_durability_of_the_class_that_is_worth_most_in_its_frame(opened: Opener) -> None:
    journal = opened(durability=MIXED)
    assert journal.append([record(1)]).durability == "written"
    assert journal.append([record(2), record(3, klass=RecordClass.ALARM)]).durability == "fsync"
    assert journal.append([record(4, klass=RecordClass.PUBLISH)]).durability == "memory"


def test_a_ticket_does_not_resolve_while_the_disk_refuses(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    journal.append([record(1)])
    journal.commit()
    ticket = journal.append([record(2)])
    files.faults.append(Fault("write", OSError(errno.EIO, "no"), times=99))
    with pytest.raises(JournalError):
        journal.commit()
    assert not ticket.done
    files.faults.clear()
    journal.commit()
    assert ticket.done


def test_who_waits_for_a_ticket_is_woken_by_the_commit(opened: Opener) -> None:
    journal = opened()
    ticket = journal.append([record(1)])
    waiter = threading.Thread(target=ticket.wait)
    waiter.start()
    journal.commit()
    waiter.join(30)
    assert not waiter.is_alive()


def test_memory_resolves_at_once_and_is_counted_as_volatile_until_it_is_written(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened(durability="memory")
    ticket = journal.append([record(1)])
    assert ticket.done
    assert ticket.wait(0)
    assert (journal.stats()["volatile"], journal.stats()["accepted"]) == (1, 0)
    steps = files.steps
    journal.commit()
    assert files.steps > steps
    assert (journal.stats()["volatile"], journal.stats()["accepted"]) == (0, 1)
    assert journal.backlog("cloud") == 1


def test_what_was_only_in_memory_is_gone_with_the_process_and_was_never_accepted(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened(durability="memory")
    journal.append([record(1)])
    journal.commit()
    journal.append([record(2)])
    files.crash(power=False)
    stats = opened(durability="memory").stats()
    assert (stats["accepted"], stats["volatile"], stats["upstreams"]["cloud"]["pending"]) == (1, 0, 1)


def test_a_memory_record_is_acknowledged_no_earlier_than_what_came_before_it(opened: Opener) -> None:
    journal = opened(durability={"telemetry": "memory"})
    alarm = journal.append([record(1, klass=RecordClass.ALARM)])
    reading = journal.append([record(2)])
    assert reading.done
    assert reading.due == alarm.sequence


def test_a_closed_journal_takes_nothing(opened: Opener) -> None:
    journal = opened()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append([record(1)])
