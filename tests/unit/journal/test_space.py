"""When space runs out, what is worth least goes first, and every loss is counted."""

from __future__ import annotations

from edge.journal import PUBLISHES, read_journal
from edge.model import RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill
from .test_recovery import law

SMALL = {"max_size": 400_000, "segment": 1 << 14}


def test_the_journal_stays_within_max_size_and_counts_what_it_drops(opened: Opener) -> None:
    journal = opened(**SMALL)
    for start in range(0, 4000, 20):
        fill(journal, 20, start=start, size=300)
        assert journal.stats()["bytes"] <= 420_000
    found = drain(journal, limit=100)
    dropped = journal.stats()["upstreams"]["cloud"]["dropped"]["full"]

    assert dropped + len(found) == 4000
    assert [stored.record for stored in found] == [record(number, size=300) for number in range(dropped, 4000)]
    assert law(journal)


def test_telemetry_goes_before_alarms(opened: Opener) -> None:
    journal = opened(**SMALL)
    fill(journal, 300, klass=RecordClass.ALARM, size=300)
    fill(journal, 4000, start=300, size=300)
    fill(journal, 10, start=5000, klass=RecordClass.ALARM, size=300)
    alarms = [stored for stored in drain(journal, limit=100) if stored.record.klass is RecordClass.ALARM]

    assert len(alarms) == 310
    assert journal.stats()["upstreams"]["cloud"]["dropped_by_class"]["full"].keys() == {"telemetry"}
    assert law(journal)


def test_what_was_delivered_goes_before_what_is_pending(opened: Opener) -> None:
    journal = opened(**SMALL)
    fill(journal, 200, klass=RecordClass.ALARM, size=300)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DELIVERED)
    fill(journal, 700, start=200, size=300)

    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert journal.backlog("cloud") == 700


def test_delivered_outcomes_are_kept_for_retention_and_no_longer(
    opened: Opener, files: MemoryFiles, clock: VirtualClock
) -> None:
    journal = opened(segment=1 << 14, keep_delivered=3600)
    fill(journal, 500)
    journal.settle("cloud", [stored.sequence for stored in drain(journal)], Verdict.DELIVERED)
    clock.advance(3500)
    clock.step_wall(10**9)
    journal.commit()
    before = journal.stats()["bytes"]
    clock.advance(200)
    journal.commit()

    assert journal.stats()["bytes"] < before / 2
    assert journal.stats()["upstreams"]["cloud"]["delivered"] == 500
    assert law(journal)


def test_a_promised_run_outlives_the_segment_it_stood_in(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(**SMALL)
    journal.append([record(9999, RecordKind.ACCEPTED)])
    for start in range(0, 3000, 20):
        fill(journal, 20, start=start, size=300)
    files.crash()
    journal = opened(**SMALL)

    assert [stored.record for stored in journal.unfinished()] == [record(9999, RecordKind.ACCEPTED)]
    assert not [name for name in files.names(FOLDER) if name == "telemetry-0000000001.log"]


def test_a_pending_publish_keeps_its_segment_until_it_is_dropped_and_counted(opened: Opener) -> None:
    journal = opened(**SMALL)
    for number in range(2000):
        journal.append([record(number, size=300), record(number, RecordKind.PUBLISH)])
        if number % 20 == 19:
            journal.commit()
            journal.settle("cloud", [s.sequence for s in journal.pending("cloud")], Verdict.DELIVERED)
    publishes = journal.stats()["publishes"]

    assert publishes["dropped_by_class"]["full"].keys() == {"publish"}
    assert publishes["accepted"] == publishes["pending"] + publishes["dropped"]["full"] == 2000
    assert len(drain(journal, PUBLISHES, limit=100)) == publishes["pending"]


def test_a_full_disk_gives_way_to_new_records(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 500, size=300)
    files.capacity = sum(files.size(f"{FOLDER}/{name}") for name in files.names(FOLDER)) + 40_000
    fill(journal, 500, start=500, size=300)

    assert journal.stats()["upstreams"]["cloud"]["dropped"]["full"] > 0
    assert drain(journal, limit=100)[-1].record == record(999, size=300)
    assert law(journal)
    assert any("No space left" in reason for reason in journal.stats()["degraded"])


def test_a_conservation_count_survives_deletion_of_every_old_segment(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 14, keep_delivered=0)
    for start in range(0, 1000, 100):
        fill(journal, 100, start=start, size=300)
        journal.settle("cloud", [stored.sequence for stored in drain(journal, limit=100)], Verdict.DELIVERED)
        journal.commit()
        files.crash(seed=start)
        journal = opened(segment=1 << 14, keep_delivered=0)

        assert journal.stats()["accepted"] == start + 100
        assert law(journal)
    assert journal.stats()["bytes"] < 100_000


def test_thinning_keeps_every_tenth_telemetry_record_before_any_is_dropped_for_good(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened(**SMALL, when_full="thin")
    fill(journal, 100, klass=RecordClass.ALARM, size=300)
    for start in range(100, 1600, 20):
        fill(journal, 20, start=start, size=300)
    files.crash(power=False)
    journal = opened(**SMALL, when_full="thin")
    found = [stored.record for stored in drain(journal, limit=100)]
    cloud = journal.stats()["upstreams"]["cloud"]

    assert cloud["dropped"].keys() == {"thinned"}
    assert [record.klass for record in found[:100]] == [RecordClass.ALARM] * 100
    assert found[-400:] == [record(number, size=300) for number in range(1200, 1600)]
    assert len(found) == cloud["pending"] == 1600 - cloud["dropped"]["thinned"]
    assert law(journal)
    assert journal.stats()["degraded"] == []
    assert read_journal(FOLDER, files=files).verify() == []


def test_thinned_telemetry_is_dropped_when_that_is_not_enough(opened: Opener) -> None:
    journal = opened(**SMALL, when_full="thin")
    for start in range(0, 10_000, 20):
        fill(journal, 20, start=start, size=300)
        assert journal.stats()["bytes"] <= 450_000

    assert journal.stats()["upstreams"]["cloud"]["dropped"].keys() == {"thinned", "full"}
    assert len(drain(journal, limit=100)) == journal.backlog("cloud")
    assert law(journal)


def test_block_drops_nothing_and_takes_no_more_until_something_was_delivered(opened: Opener) -> None:
    journal = opened(**SMALL, when_full="block", keep_delivered=0)
    taken = 0
    while journal.takes(RecordClass.TELEMETRY):
        fill(journal, 20, start=taken, size=300)
        taken += 20
    assert journal.stats()["degraded"] == [
        "the journal is full: no more publish and telemetry until some is delivered (when_full: block)"
    ]
    assert journal.takes(RecordClass.ALARM)
    found = drain(journal, limit=100)
    assert len(found) == taken

    journal.settle("cloud", [stored.sequence for stored in found[: taken // 2]], Verdict.DELIVERED)
    journal.commit()
    assert journal.takes(RecordClass.TELEMETRY)
    assert journal.stats()["degraded"] == []
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}


def test_the_disk_keeps_its_free_floor(opened: Opener, files: MemoryFiles) -> None:
    files.capacity = 300_000
    journal = opened(segment=1 << 14, min_free=100_000)
    for start in range(0, 2000, 20):
        fill(journal, 20, start=start, size=300)
        assert files.free(FOLDER) >= 80_000

    assert journal.stats()["upstreams"]["cloud"]["dropped"]["full"] > 0
    assert not any("No space left" in reason for reason in journal.stats()["degraded"])
    assert law(journal)


def test_a_segment_in_which_hardly_anything_lives_is_written_anew(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(segment=1 << 16, keep_delivered=0)
    fill(journal, 1000, size=300)
    keep = {1, 500}
    sequences = [stored.sequence for stored in drain(journal) if int(stored.record.id[4:]) not in keep]
    before = journal.stats()["bytes"]
    journal.settle("cloud", sequences, Verdict.DELIVERED)
    journal.commit()
    fill(journal, 200, start=1000, size=300)
    after = journal.stats()["bytes"]
    files.crash(power=False)
    journal = opened(segment=1 << 16, keep_delivered=0)

    assert after < before * 0.55  # the newest segments, and the state log, are reserved ahead
    assert [stored.record for stored in drain(journal)][:2] == [record(1, size=300), record(500, size=300)]
    assert journal.backlog("cloud") == 202
    assert law(journal)
    assert journal.stats()["degraded"] == []

    journal.close()
    for name in files.names(FOLDER):
        if name.startswith("state-"):
            files.remove(f"{FOLDER}/{name}")
    journal = opened(segment=1 << 16, keep_delivered=0)
    assert len(drain(journal)) == journal.backlog("cloud") >= 202, "what it lacks is not waited for"
    assert law(journal)


def test_a_quiet_journal_writes_next_to_nothing(opened: Opener, files: MemoryFiles, clock: VirtualClock) -> None:
    """One record a minute, delivered at once: no checkpoint is made for the sake of housekeeping."""
    journal = opened()
    fill(journal, 1)
    before = files.written
    for number in range(1, 200):
        clock.advance(61)
        fill(journal, 1, start=number)
        journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DELIVERED)
    assert files.written - before < 200 * 450
