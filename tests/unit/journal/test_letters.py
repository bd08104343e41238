"""Dead letters stay readable with their reason and can be sent again; a renamed upstream takes over its backlog."""

from __future__ import annotations

import contextlib
import copy
import errno
import shutil
from pathlib import Path

import pytest

from edge.journal import PUBLISHES, Journal, JournalError, Limits, open_journal, read_journal
from edge.model import Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill
from .test_recovery import law

FORMAT_1 = Path(__file__).parent / "letters-of-format-1"


def refused(journal: Journal, count: int = 6, reason: str = "no", upstream: str = "cloud") -> list[int]:
    """Append that many, let the upstream refuse them all; the letters' numbers."""
    fill(journal, count)
    journal.settle(upstream, [stored.sequence for stored in journal.pending(upstream)], Verdict.DEAD, reason)
    return [stored.sequence for stored, _ in journal.dead_letters(upstream)]


def dead(journal: Journal, upstream: str = "cloud") -> list[Record]:
    return [stored.record for stored, _ in journal.dead_letters(upstream)]


def counts(journal: Journal, upstream: str = "cloud") -> dict[str, int]:
    stats = journal.stats()["upstreams"][upstream]
    return {name: stats[name] for name in ("pending", "delivered", "dead") if stats[name]}


def names(files: MemoryFiles, stream: str) -> list[str]:
    return [name for name in files.names(FOLDER) if name.startswith(stream)]


def test_dead_letters_keep_their_reason_across_restarts(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    fill(journal, 6)
    sequences = [stored.sequence for stored in journal.pending("cloud")]
    accepted = [stored.accepted for stored in journal.pending("cloud")]
    journal.settle("cloud", sequences[1:3], Verdict.DEAD, "payload format invalid")
    journal.settle("cloud", sequences[4:5], Verdict.DEAD, "not authorized")
    expected = [
        (record(1), "payload format invalid", accepted[1]),
        (record(2), "payload format invalid", accepted[2]),
        (record(4), "not authorized", accepted[4]),
    ]

    for _ in range(2):
        found = [(stored.record, reason, stored.accepted) for stored, reason in journal.dead_letters("cloud")]
        assert found == expected
        files.crash()
        journal = opened()
    reader = read_journal(FOLDER, files=files)
    assert [(stored.record, reason, stored.accepted) for stored, reason in reader.dead_letters("cloud")] == expected


def test_a_refusal_is_durable_when_settle_returns(opened: Opener, files: MemoryFiles) -> None:
    """With one frame that says all of it: no power cut leaves the record pending and dead, or neither."""
    refused(opened())
    for seed in range(10):
        files.crash(seed)
        journal = opened()
        assert (counts(journal), len(dead(journal))) == ({"dead": 6}, 6)


def test_a_record_is_pending_until_the_disk_took_its_letter(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(when_full="block")
    fill(journal, 3)
    first = journal.pending("cloud")[0].sequence
    files.fail("write", errno.ENOSPC, name="dead")
    with pytest.raises(JournalError, match="No space left"):
        journal.settle("cloud", [first], Verdict.DEAD, "no")
    assert (counts(journal), dead(journal)) == ({"pending": 3}, [])

    journal.settle("cloud", [first], Verdict.DEAD, "no")  # as sync does it: the letter is under way already
    assert (counts(journal), dead(journal)) == ({"pending": 2, "dead": 1}, [record(0)])


def test_a_record_that_was_delivered_while_its_letter_was_under_way_is_delivered(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened(when_full="block")
    fill(journal, 3)
    first = journal.pending("cloud")[0].sequence
    files.fail("write", errno.ENOSPC, name="dead")
    with pytest.raises(JournalError):
        journal.settle("cloud", [first], Verdict.DEAD, "no")
    journal.settle("cloud", [first], Verdict.DELIVERED)
    journal.commit()

    for _ in range(3):
        assert (counts(journal), dead(journal)) == ({"pending": 2, "delivered": 1}, [])
        assert journal.requeue("cloud") == 0
        files.crash(power=False)
        journal = opened()


def test_the_segment_of_a_refused_record_goes_and_its_letter_stays(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14, keep_delivered=0)
    fill(journal, 300)
    sequences = [stored.sequence for stored in drain(journal)]
    journal.settle("cloud", sequences[:1], Verdict.DEAD, "no")
    journal.settle("cloud", sequences[1:], Verdict.DELIVERED)
    journal.commit()

    assert "telemetry-0000000001.log" not in names(files, "telemetry")
    assert dead(journal) == [record(0)]
    assert journal.requeue("cloud") == 1
    assert [stored.record for stored in drain(journal)] == [record(0)]
    assert law(journal)


def test_requeued_dead_letters_are_pending_again(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    letters = refused(journal)

    assert journal.requeue("cloud", letters[:2]) == 2
    assert journal.requeue("cloud", letters[:2]) == 0
    assert [stored.record for stored in journal.pending("cloud")] == [record(0), record(1)]
    files.crash(power=False)
    journal = opened()
    assert counts(journal) == {"pending": 2, "dead": 4}
    assert journal.requeue("cloud") == 4
    assert counts(journal) == {"pending": 6}
    assert len(drain(journal)) == 6
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DELIVERED)
    assert counts(journal) == {"delivered": 6}
    journal.commit()
    files.crash()
    assert counts(opened()) == {"delivered": 6}


def test_requeued_letters_come_among_newer_records_in_order(opened: Opener) -> None:
    journal = opened()
    letters = refused(journal, 3)
    fill(journal, 3, start=3)
    journal.requeue("cloud", letters[1:])
    found = journal.pending("cloud", limit=3) + journal.pending("cloud", after=journal.pending("cloud")[2].sequence)

    assert [stored.record for stored in found] == [record(number) for number in (1, 2, 3, 4, 5)]


def test_a_letter_that_is_refused_again_is_a_new_letter(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    refused(journal, 2, "no")
    for reason in ("still not", "never"):
        journal.requeue("cloud")
        journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DEAD, reason)
        for seed in range(3):
            assert [(one.record, why) for one, why in journal.dead_letters("cloud")] == [
                (record(0), reason),
                (record(1), reason),
            ]
            assert counts(journal) == {"dead": 2}
            files.crash(seed)
            journal = opened()


def test_upstreams_refuse_for_themselves(opened: Opener) -> None:
    journal = opened(upstreams=("cloud", "plant"))
    refused(journal, 2)

    assert (counts(journal), counts(journal, "plant")) == ({"dead": 2}, {"pending": 2})
    journal.settle("plant", [stored.sequence for stored in journal.pending("plant")][:1], Verdict.DEAD, "also no")
    assert (dead(journal), dead(journal, "plant")) == ([record(0), record(1)], [record(0)])
    assert journal.requeue("plant") == 1
    assert (counts(journal), counts(journal, "plant")) == ({"dead": 2}, {"pending": 2})


def test_a_refused_publish_is_a_dead_letter_too(opened: Opener, files: MemoryFiles) -> None:
    journal = opened()
    journal.append([record(1), record(2, RecordKind.PUBLISH), record(3, RecordKind.PUBLISH)])
    journal.commit()
    journal.settle(PUBLISHES, [journal.pending(PUBLISHES)[0].sequence], Verdict.DEAD, "topic forbidden")
    files.crash()
    journal = opened()

    assert dead(journal, PUBLISHES) == [record(2, RecordKind.PUBLISH)]
    assert journal.stats()["publishes"]["dead"] == 1
    assert journal.requeue(PUBLISHES) == 1
    assert [stored.record for stored in journal.pending(PUBLISHES)] == [
        record(3, RecordKind.PUBLISH),
        record(2, RecordKind.PUBLISH),
    ]
    assert counts(journal) == {"pending": 1}


def test_dead_letters_outlive_delivered_outcomes(opened: Opener, files: MemoryFiles, clock: VirtualClock) -> None:
    journal = opened(segment=1 << 14, keep_delivered=0, keep_dead=1000)
    fill(journal, 300)
    sequences = [stored.sequence for stored in drain(journal)]
    journal.settle("cloud", sequences[:1], Verdict.DEAD, "no")
    journal.settle("cloud", sequences[1:], Verdict.DELIVERED)
    journal.commit()
    clock.advance(900)
    journal.commit()
    assert dead(journal) == [record(0)]
    clock.advance(200)
    journal.commit()

    assert dead(journal) == []
    assert names(files, "dead") == []
    assert journal.stats()["upstreams"]["cloud"]["dead"] == 1
    assert law(journal)


def test_letters_that_keep_coming_do_not_keep_the_old_ones(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(keep_dead=1000)
    for number in range(30):
        fill(journal, 1, start=number)
        journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DEAD, "no")
        clock.advance(100)
        journal.commit()

    assert 9 <= len(dead(journal)) <= 12
    assert counts(journal) == {"dead": 30}


def test_a_requeued_letter_is_kept_until_it_is_delivered(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(keep_delivered=0, keep_dead=1000)
    refused(journal, 3)
    journal.requeue("cloud")
    for _ in range(3):
        clock.advance(1000)
        journal.commit()

    assert [stored.record for stored in journal.pending("cloud")] == [record(number) for number in range(3)]


def test_when_space_is_short_dead_letters_go_before_what_waits_and_after_what_was_delivered(
    opened: Opener, files: MemoryFiles
) -> None:
    small = {"max_size": 400_000, "segment": 1 << 14}
    journal = opened(**small)
    fill(journal, 100, size=300)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DEAD, "no")
    fill(journal, 300, start=100, size=300)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DELIVERED)
    fill(journal, 600, start=400, size=300)
    assert len(dead(journal)) == 100
    assert len(names(files, "dead")) > 1
    fill(journal, 300, start=1000, size=300)

    assert len(dead(journal)) < 100
    assert counts(journal)["dead"] == 100
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert law(journal)


def test_requeued_letters_that_go_with_their_segment_are_counted_as_dropped(opened: Opener) -> None:
    small = {"max_size": 400_000, "segment": 1 << 14}
    journal = opened(**small)
    fill(journal, 100, size=300)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DEAD, "no")
    journal.requeue("cloud")
    fill(journal, 1500, start=100, klass=RecordClass.ALARM, size=300)
    cloud = journal.stats()["upstreams"]["cloud"]

    assert cloud["dropped_by_class"]["full"]["telemetry"] > 50
    assert len(drain(journal, limit=100)) == cloud["pending"]
    assert law(journal)


def test_a_full_journal_that_blocks_still_takes_a_refusal(opened: Opener) -> None:
    """Else the record that is refused would wait for room for ever, and all the others behind it."""
    journal = opened(max_size=400_000, segment=1 << 14, when_full="block", buffer=10_000)
    number = 0
    with pytest.raises(JournalError, match="max_size"):  # noqa: PT012  # how many fit is not the matter
        while True:
            journal.append([record(number, size=300)])
            number += 1
    found = journal.pending("cloud", limit=40)
    for _ in range(2):  # what was appended still does not fit, and the second time it is known that they are letters
        with contextlib.suppress(JournalError):
            journal.settle("cloud", [stored.sequence for stored in found[:30]], Verdict.DEAD, "no")

    assert dead(journal) == [stored.record for stored in found[:30]]
    assert journal.pending("cloud")[0] == found[30]


def test_without_its_state_log_every_letter_is_dead_again_and_counted_once(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    letters = refused(journal, 6)
    journal.requeue("cloud", letters[:3])
    journal.settle("cloud", letters[:1], Verdict.DELIVERED)
    fill(journal, 200, start=6)  # newer segments, whose headers have counts
    found = journal.pending("cloud")
    journal.settle("cloud", [found[-1].sequence], Verdict.DEAD, "no")
    journal.close()
    for name in names(files, "state"):
        files.remove(f"{FOLDER}/{name}")
    journal = opened(segment=1 << 14)

    assert len(dead(journal)) == counts(journal)["dead"] == 7
    assert journal.stats()["accepted"] == 206
    assert len(drain(journal)) == counts(journal)["pending"]
    assert law(journal)


def test_a_letter_that_was_delivered_is_not_dead_where_the_note_of_its_requeue_is_lost(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened()
    letters = refused(journal)
    log = f"{FOLDER}/{max(names(files, 'state'))}"
    size = len(files.read(log, 0, 1 << 20).rstrip(b"\0"))
    journal.requeue("cloud")
    journal.settle("cloud", letters[:1], Verdict.DELIVERED)
    files.damage(log, size + 50, b"rot")
    files.crash(power=False)
    journal = opened()

    assert counts(journal) == {"delivered": 1, "dead": 5}
    assert dead(journal) == [record(number) for number in range(1, 6)]
    assert law(journal)


def test_a_letter_may_be_more_durable_than_its_record(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(durability={"telemetry": "written"})
    fill(journal, 3)
    files.crash(power=False)
    journal = opened(durability={"telemetry": "written"})
    fill(journal, 3, start=3)
    last = journal.pending("cloud")[-1].sequence
    journal.settle("cloud", [last], Verdict.DEAD, "no")
    files.crash(seed=lost(files))
    journal = opened(durability={"telemetry": "written"})

    assert dead(journal) == [record(5)]
    assert len(drain(journal)) == 3
    assert journal.stats()["accepted"] == 6
    assert law(journal)


def lost(files: MemoryFiles) -> int:
    """A seed with which a power cut takes all that was not synced."""
    for seed in range(100):
        after = copy.deepcopy(files)
        after.crash(seed)
        if len(list(read_journal(FOLDER, files=after).records())) == 3:
            return seed
    raise AssertionError("no such seed")


def test_a_letter_outlives_the_file_of_its_record(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 300)
    found = journal.pending("cloud", limit=3)
    journal.settle("cloud", [stored.sequence for stored in found], Verdict.DEAD, "no")
    files.remove(f"{FOLDER}/telemetry-0000000001.log")
    files.sync_folder(FOLDER)
    files.crash()
    journal = opened(segment=1 << 14)

    assert dead(journal) == [record(number) for number in range(3)]
    assert counts(journal)["dead"] == 3
    assert law(journal)


@pytest.mark.parametrize("requeued", [False, True])
def test_a_letter_that_is_damaged_at_once_leaves_its_record_pending(
    opened: Opener, files: MemoryFiles, requeued: bool
) -> None:
    """Its frame is the only statement: sent again rather than lost."""
    journal = opened()
    refused(journal, 3)
    if requeued:
        journal.requeue("cloud")
    path = f"{FOLDER}/dead-0000000001.log"
    files.damage(path, files.read(path, 0, 10_000).index(record(1).body), b"\xff")
    files.crash(power=False)
    journal = opened()

    assert counts(journal) == ({"pending": 3} if requeued else {"pending": 1, "dead": 2})
    assert {stored.record for stored in journal.pending("cloud")} >= {record(1)}
    assert law(journal)


def test_a_damaged_dead_letter_is_set_aside_and_repaired_like_any_other(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 200)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DEAD, "no")
    letters = [stored.sequence for stored, _ in journal.dead_letters("cloud")]
    journal.requeue("cloud", letters[:10])
    journal.close()
    path = f"{FOLDER}/dead-0000000001.log"
    for number in (3, 12):
        at = files.read(path, 0, 20_000).index(record(number).body)
        files.damage(path, at, b"\xff")
    found = read_journal(FOLDER, files=files).verify()
    assert {damage.name for damage in found} == {"dead-0000000001.log"}
    journal = opened(segment=1 << 14)
    lost = journal.mend(found)

    assert lost == 2
    assert read_journal(FOLDER, files=files).verify() == []
    assert counts(journal) == {"pending": 9, "dead": 190}
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {"damaged": 1}
    assert len(dead(journal)) == 189
    assert law(journal)


def test_letters_of_the_first_format_become_letters_of_their_own(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    shutil.copytree(FORMAT_1, path)
    quota = [(record(0, klass=RecordClass.ALARM, size=300), "quota exceeded")]
    quota += [(record(number, size=300), "quota exceeded") for number in (1, 4, 5)]
    expected = {
        "cloud": [*quota, (record(59, size=300), "too large")],
        "plant": [(record(number, size=300), "not authorized") for number in (3, 4, 59)],
        PUBLISHES: [(record(1025, RecordKind.PUBLISH), "topic forbidden")],
    }

    def found(source: Journal | object) -> dict[str, list[tuple[Record, str]]]:
        return {name: [(one.record, why) for one, why in source.dead_letters(name)] for name in expected}  # type: ignore[attr-defined]

    assert found(read_journal(path)) == expected
    for _ in range(2):
        with open_journal(path, clock=VirtualClock(), upstreams=("cloud", "plant")) as journal:
            assert found(journal) == found(read_journal(path)) == expected
            assert counts(journal) == {"pending": 40, "delivered": 15, "dead": 5}
            assert counts(journal, "plant") == {"pending": 57, "dead": 3}
            assert journal.stats()["publishes"]["dead"] == 1
            assert journal.stats()["degraded"] == []
    with open_journal(path, clock=VirtualClock(), upstreams=("cloud", "plant")) as journal:
        assert journal.requeue("cloud") == 5
        assert law(journal)
        assert {0, 1, 4, 5, 59} <= {int(stored.record.id[4:]) for stored in journal.pending("cloud")}


def test_a_conversion_that_is_cut_short_is_ended_at_the_next_start(files: MemoryFiles) -> None:
    steps = 0
    for cut in range(1000):
        files = MemoryFiles()
        for path in FORMAT_1.iterdir():
            file = files.append(f"{FOLDER}/{path.name}")
            file.write(path.read_bytes())
            file.sync()
        files.sync_folder(FOLDER)
        files.cut_at = files.steps + cut
        try:
            open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud", "plant"))
        except Exception:  # noqa: BLE001  # the power cut, at every call in turn
            steps += 1
        else:
            break
        files.crash(seed=cut)
        journal = open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud", "plant"))
        assert counts(journal) == {"pending": 40, "delivered": 15, "dead": 5}
        assert len(dead(journal)) == 5
        assert law(journal)
    assert steps > 5


def test_a_conversion_that_the_disk_refuses_waits_for_the_next_start(
    files: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in FORMAT_1.iterdir():
        file = files.append(f"{FOLDER}/{path.name}")
        file.write(path.read_bytes())
    clock = VirtualClock()
    files.fail("create", errno.ENOSPC, name="dead-0000000002")
    monkeypatch.setattr("edge.journal.format1._SEGMENT", 2000)
    limits = Limits(keep_delivered=0)
    journal = open_journal(FOLDER, clock=clock, files=files, upstreams=("cloud", "plant"), limits=limits)
    assert any("No space left" in reason for reason in journal.stats()["degraded"])
    assert len(dead(journal)) == counts(journal)["dead"] == 5
    fill(journal, 1, start=70)
    for name in ("cloud", "plant", PUBLISHES):
        journal.settle(name, [stored.sequence for stored in drain(journal, name)], Verdict.DELIVERED)
    clock.advance(100)
    journal.commit()
    journal.close()
    journal = open_journal(FOLDER, clock=VirtualClock(), files=files, upstreams=("cloud", "plant"))

    assert journal.requeue("cloud") == 5
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


def test_a_renamed_upstream_takes_over_requeued_letters_once(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(upstreams=("old", "both"))
    letters = refused(journal, 4, upstream="old")
    journal.requeue("old", letters[:3])
    journal.settle("old", letters[:1], Verdict.DELIVERED)
    journal.close()
    for _ in range(2):
        journal = opened(upstreams=("new",), formerly={"both": "old"})
        assert counts(journal, "old") in ({"pending": 2, "delivered": 1, "dead": 1}, {"delivered": 1, "dead": 1})
        journal.close()
        journal = opened(upstreams=("new",), formerly={"new": "old"})
        assert counts(journal, "old") == {"delivered": 1, "dead": 1}
        assert counts(journal, "new") == {"pending": 2}
        assert counts(journal, "both") == {"pending": 4}
        assert [stored.record for stored in journal.pending("new")] == [record(1), record(2)]
        assert law(journal)
        files.crash()
    journal = opened(upstreams=("new",))
    journal.settle("new", [stored.sequence for stored in journal.pending("new")], Verdict.DEAD, "no")

    assert dead(journal, "new") == [record(1), record(2)]
    assert dead(journal, "old") == [record(3)]
    assert law(journal)
