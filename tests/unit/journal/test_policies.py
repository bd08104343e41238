"""`when_full` by class: who gives way, who is left out, who waits; and the tombstones that say so."""

from __future__ import annotations

from typing import Any

import pytest

from edge.journal import PUBLISHES, Journal, read_journal
from edge.journal.tombstones import MOST, Tombstone, Tombstones
from edge.model import Delivery, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill
from .test_recovery import law

SMALL: dict[str, Any] = {"max_size": 400_000, "segment": 1 << 14}
ALARM, TELEMETRY, PUBLISH = RecordClass.ALARM, RecordClass.TELEMETRY, RecordClass.PUBLISH


def stones(journal: Journal, upstream: str = "cloud") -> dict[str, int]:
    """What the tombstones say was dropped, by reason."""
    found: dict[str, int] = {}
    for stone in journal.stats()["tombstones"]:
        if upstream in stone["upstreams"]:
            found[stone["reason"]] = found.get(stone["reason"], 0) + stone["count"]
    return found


def brim(journal: Journal) -> None:
    """Fill it until no record finds room."""
    while not journal.stats()["upstreams"]["cloud"]["dropped"]:
        fill(journal, 1, size=300)


def deliver(journal: Journal, count: int, upstream: str = "cloud") -> None:
    found = drain(journal, upstream, limit=100)[:count]
    journal.settle(upstream, [stored.sequence for stored in found], Verdict.DELIVERED)
    journal.commit()


def test_drop_newest_keeps_what_waits_and_counts_what_comes(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(**SMALL, when_full="drop_newest")
    for start in range(0, 3000, 20):
        fill(journal, 20, start=start, size=300)
        assert journal.stats()["bytes"] <= 400_000
    found = drain(journal, limit=100)
    cloud = journal.stats()["upstreams"]["cloud"]

    assert [stored.record for stored in found] == [record(number, size=300) for number in range(len(found))]
    assert cloud["dropped"] == {"full": 3000 - len(found)} == stones(journal)
    assert journal.durable == 3000
    assert "new publish and telemetry is dropped" in " ".join(journal.stats()["degraded"])
    [stone] = journal.stats()["tombstones"]
    assert (stone["first"], stone["last"]) == (len(found) + 1, 3000)
    assert law(journal)
    files.crash()
    journal = opened(**SMALL, when_full="drop_newest")
    assert journal.stats()["upstreams"]["cloud"] == cloud
    assert [stone["count"] for stone in journal.stats()["tombstones"]] == [3000 - len(found)]
    assert [stored.record for stored in drain(journal, limit=100)] == [stored.record for stored in found]
    assert law(journal)
    assert read_journal(FOLDER, files=files).verify() == []
    assert not any("damaged" in reason for reason in journal.stats()["degraded"])


def test_what_was_dropped_on_arrival_is_known_to_a_killed_process_that_made_no_checkpoint(
    opened: Opener, files: MemoryFiles
) -> None:
    journal = opened(**SMALL, when_full="drop_newest")
    brim(journal)
    fill(journal, 50, size=300)
    before = journal.stats()
    for _ in range(3):
        files.crash(power=False)
        reader = read_journal(FOLDER, files=files)
        assert reader.stats()["upstreams"] == before["upstreams"]
        assert reader.stats()["tombstones"] == before["tombstones"]
        journal = opened(**SMALL, when_full="drop_newest")
        assert journal.stats()["tombstones"] == before["tombstones"]
        assert law(journal)


def test_after_a_delivery_new_records_are_kept_again(opened: Opener) -> None:
    journal = opened(**SMALL, when_full="drop_newest", keep_delivered=0)
    fill(journal, 3000, size=300)
    lost = journal.stats()["upstreams"]["cloud"]["dropped"]["full"]
    deliver(journal, 400)
    fill(journal, 50, start=5000, size=300)

    assert drain(journal, limit=100)[-1].record == record(5049, size=300)
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {"full": lost}
    assert journal.stats()["degraded"] == []
    assert law(journal)


def test_a_promise_is_kept_where_its_frame_is_dropped(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(**SMALL, when_full="drop_newest")
    brim(journal)
    delivery = Delivery("paho", 7, 77)
    promised = [record(9001, RecordKind.ACCEPTED), record(9002, RecordKind.ACCEPTED)]
    journal.append([record(9000, size=3000), *promised], delivery)
    journal.commit()
    files.crash()
    journal = opened(**SMALL, when_full="drop_newest")

    assert [stored.record for stored in journal.unfinished()] == promised
    assert journal.deliveries("paho")[7] == 77
    assert record(9000, size=3000) not in [stored.record for stored in drain(journal, limit=100)]
    assert law(journal)


def test_a_run_whose_outcome_is_dropped_does_not_run_again(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(**SMALL, when_full="drop_newest")
    journal.append([record(9001, RecordKind.ACCEPTED)])
    brim(journal)
    journal.append([record(9001, size=3000), record(9001, RecordKind.PUBLISH)])
    journal.commit()
    assert list(journal.unfinished()) == []
    files.crash()
    journal = opened(**SMALL, when_full="drop_newest")

    assert list(journal.unfinished()) == []
    assert journal.stats()["publishes"]["dropped_by_class"] == {"full": {"publish": 1}}
    assert stones(journal, PUBLISHES) == {"full": 1}
    assert law(journal)


def test_alarms_take_the_room_of_telemetry_that_keeps_itself(opened: Opener) -> None:
    journal = opened(**SMALL, when_full={"telemetry": "drop_newest"})
    fill(journal, 3000, size=300)
    fill(journal, 600, start=5000, klass=ALARM, size=300)
    classes = [stored.record.klass for stored in drain(journal, limit=100)]

    assert classes.count(ALARM) == 600
    assert classes.count(TELEMETRY) > 100
    assert journal.stats()["upstreams"]["cloud"]["dropped_by_class"]["full"].keys() == {"telemetry"}
    assert law(journal)


def test_alarms_find_room_beside_telemetry_that_blocks_and_never_take_its_own(opened: Opener) -> None:
    journal = opened(**SMALL, when_full={"telemetry": "block"})
    taken = 0
    while journal.takes(TELEMETRY):
        fill(journal, 20, start=taken, size=300)
        taken += 20
    assert journal.takes(ALARM)
    fill(journal, 60, start=5000, klass=ALARM, size=300)
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    fill(journal, 1000, start=6000, klass=ALARM, size=300)
    found = [stored.record for stored in drain(journal, limit=100)]

    assert [one for one in found if one.klass is TELEMETRY] == [record(number, size=300) for number in range(taken)]
    assert found[-1] == record(6999, klass=ALARM, size=300)
    assert journal.stats()["bytes"] <= 420_000
    assert law(journal)


def test_telemetry_never_takes_the_room_of_alarms(opened: Opener) -> None:
    journal = opened(**SMALL)
    fill(journal, 850, klass=ALARM, size=300)
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    for start in range(1000, 4000, 20):
        fill(journal, 20, start=start, size=300)
        assert journal.stats()["bytes"] <= 440_000
    classes = [stored.record.klass for stored in drain(journal, limit=100)]

    assert classes.count(ALARM) == 850
    assert law(journal)


def test_a_block_is_over_as_soon_as_something_may_go_and_says_so(opened: Opener, clock: VirtualClock) -> None:
    told: list[int] = []
    journal = opened(**SMALL, when_full="block", keep_delivered=3600, on_durable=told.append)
    taken = 0
    while journal.takes(TELEMETRY):
        fill(journal, 20, start=taken, size=300)
        taken += 20
    told.clear()
    journal.commit()
    assert told == []
    deliver(journal, taken // 2)  # retention would keep it: it gives way to what is new
    assert told == [journal.durable]
    assert journal.takes(TELEMETRY)
    fill(journal, 20, start=taken, size=300)
    assert journal.stats()["bytes"] <= 400_000
    assert law(journal)


def test_delivering_all_ends_a_block_even_of_the_segment_at_hand(opened: Opener) -> None:
    journal = opened(max_size=64_000, segment=1 << 14, when_full="block")
    for start in range(0, 2000, 10):
        if journal.takes(TELEMETRY):
            fill(journal, 10, start=start, size=300)
        else:
            deliver(journal, 10_000)
            assert journal.takes(TELEMETRY)
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert law(journal)


@pytest.mark.parametrize("policy", ["drop_newest", "block"])
def test_the_free_floor_follows_the_same_policy(opened: Opener, files: MemoryFiles, policy: str) -> None:
    files.capacity = 300_000
    limits: dict[str, Any] = {"segment": 1 << 14, "min_free": 100_000, "when_full": policy, "keep_delivered": 0}
    journal = opened(**limits)
    number = 0
    while number < 2000 and journal.takes(TELEMETRY):
        fill(journal, 20, start=number, size=300)
        number += 20
        assert files.free(FOLDER) >= 80_000
    assert journal.stats()["degraded"] != []
    assert (number == 2000) is (policy == "drop_newest")
    files.capacity = 1_000_000
    journal.commit()

    assert journal.takes(TELEMETRY)
    assert journal.stats()["degraded"] == []
    assert law(journal)


@pytest.mark.parametrize("policy", ["drop_newest", "block"])
def test_a_disk_without_room_follows_the_same_policy(opened: Opener, files: MemoryFiles, policy: str) -> None:
    journal = opened(segment=1 << 14, when_full=policy)
    fill(journal, 200, size=300)
    kept = [stored.record for stored in drain(journal, limit=100)]
    files.capacity = sum(files.size(f"{FOLDER}/{name}") for name in files.names(FOLDER)) + 10_000
    try:
        fill(journal, 500, start=200, size=300)
    except OSError:
        assert policy == "block"
    found = [stored.record for stored in drain(journal, limit=100)]
    assert found[:200] == kept
    assert any("No space left" in reason for reason in journal.stats()["degraded"])
    files.capacity = None
    journal.commit()
    assert len(drain(journal, limit=100)) + sum(stones(journal).values()) == 700
    assert bool(stones(journal)) is (policy == "drop_newest")
    assert law(journal)


def test_what_was_wrong_with_the_disk_is_not_said_for_ever(
    opened: Opener, files: MemoryFiles, clock: VirtualClock
) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 500, size=300)
    files.capacity = sum(files.size(f"{FOLDER}/{name}") for name in files.names(FOLDER)) + 10_000
    fill(journal, 500, start=500, size=300)
    clock.advance(61)
    files.capacity -= files.free(FOLDER)  # still no room: it is not over
    journal.commit()
    assert any("No space left" in reason for reason in journal.stats()["degraded"])
    files.capacity = None
    clock.advance(61)
    journal.commit()
    assert journal.stats()["degraded"] == []


def test_every_drop_lies_under_a_tombstone_and_neighbours_are_one(opened: Opener, files: MemoryFiles) -> None:
    limits: dict[str, Any] = {**SMALL, "when_full": "thin", "upstreams": ("cloud", "archive")}
    journal = opened(**limits)
    for start in range(0, 10_000, 20):
        fill(journal, 18, start=start, size=300)
        fill(journal, 2, start=start + 18, klass=ALARM, size=300)
        if start == 2000:
            deliver(journal, 200)
    for _ in range(2):
        stats = journal.stats()
        for upstream in ("cloud", "archive"):
            assert stones(journal, upstream) == stats["upstreams"][upstream]["dropped"]
        assert len(stats["tombstones"]) < 20
        assert {stone["class"] for stone in stats["tombstones"]} == {"telemetry", "alarm"}
        files.crash(power=False)
        journal = opened(**limits)
    assert law(journal)


def test_tombstones_are_bounded_and_their_sums_stay(clock: VirtualClock) -> None:
    found = Tombstones()
    for number in range(2000):
        names = ("cloud",) if number % 3 else ("cloud", "archive")
        found.add(Tombstone(number * 10, number * 10 + 5, "telemetry", "full", names, 2, clock.wall()))
    again = Tombstones()
    again.load(found.dump())

    assert len(list(again)) == MOST
    assert sum(stone.count for stone in again if "archive" in stone.upstreams) == 2 * 667
    assert sum(stone.count for stone in again) == 4000
    assert (min(stone.first for stone in again), max(stone.last for stone in again)) == (0, 19_995)


def test_delivered_outcomes_are_kept_by_count_where_that_comes_first(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(segment=1 << 14, keep_delivered=3600, keep_delivered_count=200)
    fill(journal, 1000, size=300)
    deliver(journal, 1000)
    clock.advance(61)
    journal.commit()
    assert 200 <= len(list(journal.records())) <= 300
    assert journal.stats()["upstreams"]["cloud"]["delivered"] == 1000
    clock.advance(3600)
    journal.commit()

    assert len(list(journal.records())) < 60  # the segment at hand
    assert law(journal)
