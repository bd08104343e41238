"""Dead letters stay readable with their reason and can be sent again; a renamed upstream takes over its backlog."""

from __future__ import annotations

from edge.journal import read_journal
from edge.model import Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill
from .test_recovery import law


def test_dead_letters_keep_their_reason_across_restarts(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 6)
    sequences = [stored.sequence for stored in journal.pending("cloud")]
    journal.settle("cloud", sequences[1:3], Verdict.DEAD, "payload format invalid")
    journal.settle("cloud", sequences[4:5], Verdict.DEAD, "not authorized")
    expected = [
        (record(1), "payload format invalid"),
        (record(2), "payload format invalid"),
        (record(4), "not authorized"),
    ]

    assert [(stored.record, reason) for stored, reason in journal.dead_letters("cloud")] == expected
    files.crash(power=False)
    assert [(stored.record, reason) for stored, reason in opened().dead_letters("cloud")] == expected
    reader = read_journal(FOLDER, files=files)
    assert [(stored.record, reason) for stored, reason in reader.dead_letters("cloud")] == expected


def test_requeued_dead_letters_are_pending_again(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 6)
    sequences = [stored.sequence for stored in journal.pending("cloud")]
    journal.settle("cloud", sequences, Verdict.DEAD, "no")

    letters = [stored.sequence for stored, _ in journal.dead_letters("cloud")]

    assert journal.requeue("cloud", letters[:2]) == 2
    assert journal.requeue("cloud", letters[:2]) == 0
    assert [stored.record for stored in journal.pending("cloud")] == [record(0), record(1)]
    files.crash(power=False)
    journal = opened()
    assert journal.backlog("cloud") == 2
    assert journal.requeue("cloud") == 4
    assert journal.stats()["upstreams"]["cloud"]["dead"] == 0
    assert len(drain(journal)) == 6
    assert law(journal)


def test_dead_letters_outlive_delivered_outcomes(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(segment=1 << 14, keep_delivered=0, keep_dead=1000)
    fill(journal, 300)
    sequences = [stored.sequence for stored in drain(journal)]
    journal.settle("cloud", sequences[:1], Verdict.DEAD, "no")
    journal.settle("cloud", sequences[1:], Verdict.DELIVERED)
    journal.commit()
    clock.advance(900)
    journal.commit()
    assert [stored.record for stored, _ in journal.dead_letters("cloud")] == [record(0)]
    clock.advance(200)
    journal.commit()

    assert journal.dead_letters("cloud") == []
    assert journal.stats()["upstreams"]["cloud"]["dead"] == 1
    assert law(journal)


def test_a_renamed_upstream_takes_over_what_is_pending(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(upstreams=("old",), segment=1 << 14)
    fill(journal, 200)
    journal.settle("old", [stored.sequence for stored in drain(journal, "old")][:30:2], Verdict.DELIVERED)
    journal.close()
    for _ in range(3):  # a second and third start change nothing more
        journal = opened(upstreams=("new",), formerly={"new": "old"}, segment=1 << 14)
        assert (journal.backlog("old"), journal.backlog("new")) == (0, 185)
        assert len(drain(journal, "new")) == 185
        assert law(journal)
        files.crash()
    journal = opened(upstreams=("new",), formerly={"new": "old"}, segment=1 << 14)
    fill(journal, 10, start=200)
    journal.settle("new", [stored.sequence for stored in drain(journal, "new")], Verdict.DELIVERED)
    journal.commit()

    stats = journal.stats()["upstreams"]
    assert stats["new"]["delivered"] == 195
    assert stats["old"]["dropped"] == {"moved to new": 185}
    assert law(journal)
