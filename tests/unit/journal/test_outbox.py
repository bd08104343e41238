"""What goes in comes out oldest first, once each, until it is settled."""

from __future__ import annotations

import pytest

from edge.journal import PUBLISHES
from edge.journal.journal import Journal
from edge.model import RecordClass, RecordKind, Stored, Verdict
from edge.testing.files import MemoryFiles

from .conftest import Opener, record


def fill(journal: Journal, count: int, start: int = 0, **how: object) -> None:
    for number in range(start, start + count):
        journal.append([record(number, **how)])  # type: ignore[arg-type]
    journal.commit()


def drain(journal: Journal, upstream: str = "cloud", limit: int = 7) -> list[Stored]:
    found: list[Stored] = []
    after = None
    while page := journal.pending(upstream, limit=limit, after=after):
        found += page
        after = page[-1].sequence
    return found


def test_records_come_back_oldest_first_across_classes(opened: Opener) -> None:
    journal = opened(segment=1 << 14)
    for number in range(300):
        klass = RecordClass.ALARM if number % 7 == 0 else RecordClass.TELEMETRY
        journal.append([record(number, klass=klass)])
    journal.commit()

    assert [stored.record.body[-3:] for stored in drain(journal)] == [b"%03d" % number for number in range(300)]


def test_nothing_is_handed_out_before_it_is_durable(opened: Opener) -> None:
    journal = opened()
    sequence = journal.append([record(1)]).sequence

    assert journal.pending("cloud") == []
    assert journal.durable < sequence
    assert journal.commit() == sequence == journal.durable
    assert len(journal.pending("cloud")) == 1


def test_a_page_ends_at_either_limit_but_is_never_empty(opened: Opener) -> None:
    journal = opened()
    fill(journal, 5, size=1000)

    assert len(journal.pending("cloud", limit=3)) == 3
    assert len(journal.pending("cloud", max_bytes=2500)) == 2
    assert len(journal.pending("cloud", max_bytes=1)) == 1


def test_settling_out_of_order_leaves_the_others_pending(opened: Opener) -> None:
    journal = opened()
    fill(journal, 10)
    sequences = [stored.sequence for stored in journal.pending("cloud")]

    assert journal.settle("cloud", sequences[1::2], Verdict.DELIVERED) == 5
    assert [stored.sequence for stored in journal.pending("cloud")] == sequences[::2]
    assert journal.backlog("cloud") == 5


def test_settling_twice_or_what_never_was_counts_nothing(opened: Opener) -> None:
    journal = opened()
    fill(journal, 3)
    first = journal.pending("cloud")[0].sequence

    assert journal.settle("cloud", [first, first], Verdict.DELIVERED) == 1
    assert journal.settle("cloud", [first, 999_999], Verdict.DELIVERED) == 0
    assert journal.stats()["upstreams"]["cloud"]["delivered"] == 1


def test_a_record_can_be_settled_that_this_process_never_handed_out(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 3)
    sequences = [stored.sequence for stored in journal.pending("cloud")]
    files.crash(power=False)
    journal = opened()

    assert journal.settle("cloud", sequences[1:2], Verdict.DEAD, "refused") == 1
    assert [stored.sequence for stored in journal.pending("cloud")] == [sequences[0], sequences[2]]


def test_every_verdict_is_counted_and_the_law_holds(opened: Opener) -> None:
    journal = opened()
    fill(journal, 10)
    s = [stored.sequence for stored in journal.pending("cloud")]
    journal.settle("cloud", s[:4], Verdict.DELIVERED)
    journal.settle("cloud", s[4:6], Verdict.DEAD, "too large")
    journal.settle("cloud", s[6:7], Verdict.EXPIRED)
    journal.settle("cloud", s[7:9], Verdict.DROPPED, "by hand")

    cloud = journal.stats()["upstreams"]["cloud"]
    assert (cloud["delivered"], cloud["dead"], cloud["expired"], cloud["pending"]) == (4, 2, 1, 1)
    assert cloud["dropped"] == {"by hand": 2}
    assert cloud["dropped_by_class"] == {"by hand": {"telemetry": 2}}


def test_upstreams_have_cursors_of_their_own(opened: Opener) -> None:
    journal = opened(upstreams=("cloud", "plant"))
    fill(journal, 4)
    journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DELIVERED)

    assert (journal.backlog("cloud"), journal.backlog("plant")) == (0, 4)


def test_an_upstream_that_leaves_the_configuration_keeps_its_records(opened: Opener) -> None:
    journal = opened(upstreams=("old",))
    fill(journal, 4)
    journal.close()
    journal = opened(upstreams=("new",))
    fill(journal, 3, start=4)

    assert (journal.backlog("old"), journal.backlog("new")) == (4, 3)
    assert [stored.record.body[-1:] for stored in drain(journal, "old")] == [b"0", b"1", b"2", b"3"]
    assert [stored.record.body[-1:] for stored in drain(journal, "new")] == [b"4", b"5", b"6"]
    assert journal.stats()["upstreams"]["new"]["local"] == 4


def test_without_an_upstream_outcomes_are_local_and_never_pending(opened: Opener) -> None:
    journal = opened(upstreams=())
    fill(journal, 4)

    assert journal.stats()["accepted"] == 4
    assert journal.stats()["upstreams"] == {}
    assert journal.backlog("cloud") == 0


def test_publishes_have_an_outbox_of_their_own(opened: Opener) -> None:
    journal = opened()
    journal.append([record(1), record(2, RecordKind.PUBLISH), record(3, RecordKind.PUBLISH)])
    journal.commit()

    assert [stored.record.topic for stored in journal.pending(PUBLISHES)] == ["plant/fan"] * 2
    assert [stored.record.kind for stored in journal.pending("cloud")] == [RecordKind.OUTCOME]
    journal.settle(PUBLISHES, [stored.sequence for stored in journal.pending(PUBLISHES)], Verdict.DELIVERED)
    assert journal.stats()["publishes"]["delivered"] == 2
    assert journal.backlog("cloud") == 1


@pytest.mark.parametrize("kind", [RecordKind.ACCEPTED, RecordKind.PUBLISH])
def test_only_outcomes_are_owed_to_upstreams(opened: Opener, kind: RecordKind) -> None:
    journal = opened()
    journal.append([record(1, kind)])
    journal.commit()

    assert journal.pending("cloud") == []
    assert journal.stats()["accepted"] == 0


def test_memory_for_settled_records_does_not_grow_with_the_backlog(opened: Opener) -> None:
    """Acknowledged in order, a segment's marks are one number; in any order, one bit a record."""
    journal = opened(segment=1 << 16)
    fill(journal, 3000, size=10)
    for page in range(30):
        found = journal.pending("cloud", limit=100)
        journal.settle("cloud", [stored.sequence for stored in reversed(found)], Verdict.DELIVERED)
        assert journal.backlog("cloud") == 3000 - 100 * (page + 1)
    assert all(
        marks.dump() == [marks.count]
        for segment in journal._ledger.books.segments()
        for name, marks in segment.marks.items()
        if name == "cloud" and marks.count == segment.outcomes
    )


def test_each_class_is_as_durable_as_it_was_asked_to_be(opened: Opener, files: MemoryFiles) -> None:
    """`written` survives the end of the process without a sync; `fsync` survives a power cut too."""
    journal = opened(durability={"telemetry": "written"})
    journal.append([record(1)])
    journal.append([record(2, klass=RecordClass.ALARM)])
    journal.commit()
    steps = files.steps
    journal.append([record(3)])
    sequence = journal.commit()
    assert journal.durable == sequence
    assert files.steps - steps == 1, "one write, no sync"

    files.crash(power=False)
    journal = opened(durability={"telemetry": "written"})
    assert journal.backlog("cloud") == 3
    journal.append([record(4, klass=RecordClass.ALARM)])
    journal.append([record(5)])
    journal.commit()
    for seed in range(10):
        files.crash(seed)
        kept = {stored.record for stored in drain(opened())}
        assert {record(2, klass=RecordClass.ALARM), record(4, klass=RecordClass.ALARM)} <= kept
        files.crash(power=False)
