"""What waits too long is given up: counted, never sent late, and by a clock that nobody can set."""

from __future__ import annotations

from edge.journal import PUBLISHES, Journal
from edge.journal.ages import EVER, Ages
from edge.model import RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import Opener, record
from .test_outbox import drain, fill
from .test_recovery import law

DAY = 86_400.0


def waiting(journal: Journal, upstream: str = "cloud") -> list[int]:
    return [int(stored.record.id[4:]) for stored in drain(journal, upstream, limit=100)]


def test_what_is_too_old_is_not_given_out_any_more_and_counts_as_expired(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(expire=7 * DAY)
    fill(journal, 10)
    clock.advance(3 * DAY)
    fill(journal, 10, start=10)
    clock.advance(3.5 * DAY)
    assert waiting(journal) == list(range(20))
    clock.advance(0.5 * DAY)

    assert waiting(journal) == list(range(10, 20))
    assert journal.stats()["upstreams"]["cloud"]["expired"] == 10
    assert journal.stats()["upstreams"]["cloud"]["dropped"] == {}
    assert law(journal)


def test_nothing_is_late_and_nothing_more_than_a_sixteenth_early(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(expire=160.0, segment=1 << 14)
    born: dict[int, float] = {}
    for number in range(600):
        born[number] = clock.monotonic()
        fill(journal, 1, start=number)
        clock.advance(1.0 if number % 100 else 40.0)
        now = clock.monotonic()
        left = set(waiting(journal))
        assert all(now - born[one] < 160 for one in left)
        assert all(one in left or now - at > 145 for one, at in born.items())
    assert law(journal)


def test_a_clock_that_is_set_lets_nothing_expire(opened: Opener, clock: VirtualClock, files: MemoryFiles) -> None:
    journal = opened(expire=DAY)
    fill(journal, 10)
    clock.step_wall(10 * 365 * DAY)
    journal.commit()
    files.crash(power=False)
    clock.step_wall(-20 * 365 * DAY)

    assert waiting(opened(expire=DAY)) == list(range(10))


def test_a_publish_may_have_a_time_of_its_own(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(expire={"publish": 600.0, "alarm": DAY})
    journal.append([record(1), record(1, RecordKind.PUBLISH)])
    fill(journal, 1, start=2, klass=RecordClass.ALARM)
    clock.advance(601)
    journal.commit()
    assert waiting(journal, PUBLISHES) == []
    assert waiting(journal) == [1, 2]
    clock.advance(DAY)
    journal.commit()

    assert waiting(journal) == [1]
    assert journal.stats()["publishes"]["expired"] == 1
    assert journal.stats()["upstreams"]["cloud"]["expired"] == 1
    assert law(journal)


def test_age_goes_on_over_restarts_and_power_cuts(opened: Opener, clock: VirtualClock, files: MemoryFiles) -> None:
    journal = opened(expire=1600.0)
    fill(journal, 10)
    for _ in range(20):  # of each a power cut forgets at most a sixteenth of the time to live
        for _ in range(2):
            clock.advance(61)
            journal.commit()
        files.crash(seed=3)
        journal = opened(expire=1600.0)
    fill(journal, 10, start=10)
    journal.commit()

    assert waiting(journal) == list(range(10, 20))
    assert law(journal)


def test_what_was_given_up_stays_so_after_a_kill(opened: Opener, clock: VirtualClock, files: MemoryFiles) -> None:
    journal = opened(expire=100.0, segment=1 << 14)
    fill(journal, 300)
    clock.advance(50)
    fill(journal, 100, start=300)
    clock.advance(51)
    assert waiting(journal) == list(range(300, 400))
    files.crash(power=False)
    journal = opened()

    assert waiting(journal) == list(range(300, 400))
    assert journal.stats()["upstreams"]["cloud"]["expired"] == 300
    assert law(journal)


def test_nobody_has_to_ask_for_it(opened: Opener, clock: VirtualClock) -> None:
    """The link may be away for months: the housekeeping gives up, and the room is free."""
    journal = opened(expire=100.0, segment=1 << 14, keep_delivered=0)
    fill(journal, 1000, size=300)
    before = journal.stats()["bytes"]
    clock.advance(101)
    journal.commit()

    assert journal.backlog("cloud") == 0
    assert journal.stats()["bytes"] < before / 3
    assert journal.stats()["upstreams"]["cloud"]["expired"] == 1000
    assert law(journal)


def test_an_answer_that_comes_after_the_time_changes_nothing(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(expire=100.0)
    fill(journal, 5)
    sequences = [stored.sequence for stored in journal.pending("cloud")]
    clock.advance(101)
    journal.commit()

    assert journal.settle("cloud", sequences, Verdict.DELIVERED) == 0
    assert journal.stats()["upstreams"]["cloud"]["expired"] == 5
    assert law(journal)


def test_a_requeued_dead_letter_does_not_expire(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(expire=100.0)
    fill(journal, 3)
    journal.settle("cloud", [stored.sequence for stored in journal.pending("cloud")], Verdict.DEAD, "no")
    clock.advance(1000)
    journal.requeue("cloud")
    journal.commit()

    assert waiting(journal) == [0, 1, 2]
    assert law(journal)


def test_records_from_before_the_setting_have_the_age_of_their_segment(opened: Opener, clock: VirtualClock) -> None:
    journal = opened(segment=1 << 14)
    fill(journal, 200)
    clock.advance(50)
    fill(journal, 200, start=200)
    journal.close()
    journal = opened(expire=100.0)
    clock.advance(60)

    assert set(waiting(journal)) <= set(range(100, 400))
    assert set(waiting(journal)) >= set(range(300, 400))
    assert law(journal)


def test_a_quiet_journal_in_which_nothing_waits_writes_nothing(
    opened: Opener, clock: VirtualClock, files: MemoryFiles
) -> None:
    journal = opened(expire=100.0)
    fill(journal, 1)
    journal.settle("cloud", [journal.durable], Verdict.DELIVERED)
    journal.commit()
    before = files.written
    for _ in range(100):
        clock.advance(61)
        journal.commit()
    assert files.written == before


def test_ages_are_known_to_a_sixteenth_in_little_memory() -> None:
    ages = Ages()
    for second in range(10_000):
        ages.tick(float(second), second, 1.0)
    assert len(ages.dump()) < 200
    for old in (10, 100, 1000, 5000):
        until = ages.until(9999.0 - old)
        assert 0 <= until - (9999 - old) <= old / 16 + 2
    assert ages.until(-1.0) == 0
    assert ages.until(9999.0) == EVER
