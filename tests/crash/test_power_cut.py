"""Power cuts at every call that changes a file, against a model of what the journal has promised."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.journal import PUBLISHES, Journal, JournalError, Limits, open_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles, PowerCut

from .rings import both, ring

FOLDER = "/journal"
LIMITS = Limits(max_size=10_000_000, segment=16_384, keep_delivered=0)
TIGHT = Limits(max_size=120_000, segment=16_384, keep_delivered=0)
THIN = Limits(max_size=120_000, segment=16_384, keep_delivered=0, when_full="thin", thin_to=3)
NEWEST = Limits(max_size=120_000, segment=16_384, keep_delivered=0, when_full="drop_newest")
MIXED = Limits(
    max_size=160_000, segment=16_384, keep_delivered=0, when_full={"telemetry": "drop_newest", "alarm": "drop_oldest"}
)
BLOCK = Limits(max_size=160_000, segment=16_384, keep_delivered=0, when_full="block")
FLOOR = Limits(segment=16_384, keep_delivered=0, min_free=250_000, when_full={"telemetry": "thin"}, thin_to=3)
EXPIRE = Limits(max_size=160_000, segment=16_384, keep_delivered=0, expire={"telemetry": 100.0, "publish": 20.0})
POLICIES = {
    "drop_oldest": TIGHT,
    "thin": THIN,
    "drop_newest": NEWEST,
    "mixed": MIXED,
    "block": BLOCK,
    "floor": FLOOR,
    "expire": EXPIRE,
}


class World:
    """A journal under random use, and what it has promised: the model."""

    def __init__(self, seed: int, limits: Limits = LIMITS, *, encrypted: bool = False) -> None:
        self.dice = random.Random(seed)
        self.files = MemoryFiles()
        self.clock = VirtualClock()
        self.limits = limits
        self.keys = ring(encrypted, seed)
        self.names = 0
        self.appended: dict[int, list[tuple[int, Record]]] = {}  # last sequence of a frame -> its records
        self.confirmed: dict[int, Record] = {}
        self.settled: set[str] = set()  # ids of outcomes settled, durably or not
        self.settled_durably: set[str] = set()
        self.refused: set[str] = set()  # ids of outcomes that are dead letters: always durably
        self.journal: Journal

    def begin(self) -> None:
        self.journal = self.open()

    def open(self) -> Journal:
        return open_journal(
            FOLDER,
            clock=self.clock,
            files=self.files,
            upstreams=("cloud",),
            limits=self.limits,
            keys=self.keys,
            on_durable=self.on_durable,
        )

    def on_durable(self, sequence: int) -> None:
        for last in [last for last in self.appended if last <= sequence]:
            self.confirmed.update(self.appended.pop(last))

    def record(self, kind: RecordKind) -> Record:
        self.names += 1
        name = f"box:{self.names:026d}"
        size = self.dice.choice((10, 300, 900))
        klass = self.dice.choice((RecordClass.TELEMETRY, RecordClass.TELEMETRY, RecordClass.ALARM))
        if kind is RecordKind.PUBLISH:
            return Record(kind, RecordClass.PUBLISH, name, bytes(size), "plant/fan")
        return Record(kind, klass, name, b'{"id":"' + name.encode() + b'"}' + bytes(size))

    def append(self) -> None:
        kinds = self.dice.choice(
            (
                [RecordKind.OUTCOME],
                [RecordKind.OUTCOME],
                [RecordKind.OUTCOME, RecordKind.PUBLISH],
                [RecordKind.ACCEPTED],
                [RecordKind.OUTCOME, RecordKind.OUTCOME],
            )
        )
        records = [self.record(kind) for kind in kinds]
        delivery = None
        if self.dice.random() < 0.5:
            packet_id = self.dice.randrange(1, 20)
            delivery = Delivery("paho", packet_id, self.dice.getrandbits(64) | 1)
        if not self.journal.takes(records[0].klass):
            return
        last = self.journal.append(records, delivery).sequence
        first = last - len(records) + 1
        self.appended[last] = list(enumerate(records, first))

    def settle(self) -> None:
        found = self.journal.pending("cloud", limit=self.dice.choice((1, 5, 30)))
        chosen = [stored for stored in found if self.dice.random() < 0.8]
        self.dice.shuffle(chosen)
        self.settled.update(stored.record.id for stored in chosen)  # before the call: the power may go in its middle
        assert self.journal.settle("cloud", [stored.sequence for stored in chosen], Verdict.DELIVERED) == len(chosen)
        published = self.journal.pending(PUBLISHES, limit=3)
        self.journal.settle(PUBLISHES, [stored.sequence for stored in published], Verdict.DELIVERED)

    def refuse(self) -> None:
        found = self.journal.pending("cloud", limit=self.dice.choice((1, 5, 20)))
        chosen = [stored for stored in found if self.dice.random() < 0.5]
        assert self.journal.settle("cloud", [stored.sequence for stored in chosen], Verdict.DEAD, "no") == len(chosen)
        self.refused.update(stored.record.id for stored in chosen)
        published = self.journal.pending(PUBLISHES, limit=1)
        self.journal.settle(PUBLISHES, [stored.sequence for stored in published], Verdict.DEAD, "no")

    def requeue(self) -> None:
        letters = self.journal.dead_letters("cloud")
        chosen = [stored for stored, _ in letters if self.dice.random() < 0.5]
        self.refused -= {stored.record.id for stored in chosen}
        assert self.journal.requeue("cloud", [stored.sequence for stored in chosen]) == len(chosen)
        self.journal.requeue(PUBLISHES)

    def commit(self) -> bool:
        """Whether the disk took everything."""
        with self.patience():
            self.journal.commit()
            return True
        return False

    def patience(self) -> contextlib.AbstractContextManager[None]:
        """Promises that are carried forward may press what blocks beyond its margin; then it waits in memory."""
        return contextlib.suppress(JournalError) if self.limits is BLOCK else contextlib.nullcontext()

    def step(self) -> None:
        action = self.dice.random()
        if action < 0.6:
            self.append()
        elif action < 0.75:
            self.commit()
        elif action < 0.8:
            self.clock.advance(10)  # acknowledgements are durable in good time
            if self.commit():
                self.settled_durably |= self.settled
        elif action < 0.95:
            if self.limits is LIMITS or self.dice.random() < 0.05:  # where space is short, the link is mostly away
                with self.patience():
                    self.dice.choice((self.settle, self.settle, self.refuse, self.requeue))()
        else:
            self.clock.advance(61)
            self.commit()

    def pending(self) -> dict[str, Record]:
        """What waits, by id, read page by page."""
        pending: dict[str, Record] = {}
        after = -1
        while found := self.journal.pending("cloud", limit=50, after=after):
            for stored in found:
                assert stored.record.id not in pending, "given twice"
                assert stored.sequence > after, "out of order"
                after = stored.sequence
                pending[stored.record.id] = stored.record
        return pending

    def check(self) -> None:
        """What must be true after every recovery."""
        self.journal.pending("cloud", limit=1)  # gives up what is too old
        stats = self.journal.stats()
        cloud = stats["upstreams"]["cloud"]
        law = cloud["delivered"] + cloud["pending"] + sum(cloud["dropped"].values()) + cloud["dead"] + cloud["expired"]
        assert stats["accepted"] == law
        publishes = stats["publishes"]
        told = sum(publishes[name] for name in ("pending", "delivered", "dead", "expired"))
        assert publishes["accepted"] == told + sum(publishes["dropped"].values())
        pending = self.pending()
        assert len(pending) == cloud["pending"] == self.journal.backlog("cloud")
        letters = [stored.record for stored, _ in self.journal.dead_letters("cloud")]
        dead = {record.id for record in letters}
        assert len(letters) == len(dead), "two letters of one record"
        assert not dead & pending.keys(), "dead and pending"
        assert len(dead) <= cloud["dead"]
        known = {record.id: record for record in self.confirmed.values()}
        for records in self.appended.values():
            known.update((record.id, record) for _, record in records)
        for record in (*pending.values(), *letters):
            assert known[record.id] == record, "invented"
        assert not self.settled_durably & (pending.keys() | dead), "an acknowledgement that was durable is forgotten"
        if self.limits is LIMITS:
            assert len(dead) == cloud["dead"]
            assert self.refused <= dead, "a refusal that was durable is forgotten"
        alive = pending.keys() | dead | self.settled
        outcomes = {record.id for record in self.confirmed.values() if record.kind is RecordKind.OUTCOME}
        given_up = sum(cloud["dropped"].get(reason, 0) for reason in ("full", "thinned")) + cloud["dead"] - len(dead)
        given_up += cloud["expired"]
        assert len(outcomes - alive) <= given_up, f"{outcomes - alive} were confirmed and are lost"
        stones: dict[str, int] = {}
        for stone in stats["tombstones"]:
            if "cloud" in stone["upstreams"]:
                stones[stone["reason"]] = stones.get(stone["reason"], 0) + stone["count"]
        assert stones == cloud["dropped"], "a drop without its tombstone"
        if self.limits is BLOCK:
            assert cloud["dropped"].keys() <= {"damaged"}, "what was never confirmed may be lost, nothing else"
        promised = {stored.record.id for stored in self.journal.unfinished()}
        for record in self.confirmed.values():
            if record.kind is RecordKind.ACCEPTED:
                assert record.id in promised

    def crash(self, seed: int, *, power: bool = True) -> None:
        self.files.crash(seed, power=power)
        self.begin()
        self.check()
        # What survived without having been confirmed is confirmed now; what did not is gone.
        for stored in self.journal.unfinished():
            self.confirmed.setdefault(stored.sequence, stored.record)
        alive = self.pending().keys()
        dead = {stored.record.id for stored, _ in self.journal.dead_letters("cloud")}
        for records in self.appended.values():
            self.confirmed.update({s: r for s, r in records if r.id in alive})
        self.appended.clear()
        self.settled -= alive | dead
        self.settled_durably = set(self.settled)
        self.refused = dead


def live(world: World, steps: int) -> bool:
    """Use it for a while; False when the power went."""
    try:
        for _ in range(steps):
            world.step()
    except PowerCut:
        return False
    return True


@both
@pytest.mark.parametrize("use", range(3))
def test_a_power_cut_at_any_call_loses_nothing_that_was_confirmed(use: int, encrypted: bool) -> None:
    whole = World(use, encrypted=encrypted)
    whole.begin()
    live(whole, 60)
    for cut in range(whole.files.steps):
        world = World(use, encrypted=encrypted)
        world.files.cut_at = cut
        with contextlib.suppress(PowerCut):
            world.begin()
            live(world, 60)
        world.crash(seed=cut)


@both
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_power_cuts_one_after_another_lose_nothing_that_was_confirmed(
    seed: int, cuts: list[int], encrypted: bool
) -> None:
    world = World(seed, encrypted=encrypted)
    world.begin()
    for cut in cuts:
        world.files.cut_at = world.files.steps + cut
        live(world, 80)
        world.crash(seed=seed + cut)


@both
@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_power_cuts_while_space_is_short_lose_no_more_than_is_counted(
    policy: str, seed: int, cuts: list[int], encrypted: bool
) -> None:
    world = World(seed, POLICIES[policy], encrypted=encrypted)
    if policy == "floor":
        world.files.capacity = 400_000
    world.begin()
    for cut in cuts:
        world.files.cut_at = world.files.steps + cut
        live(world, 300)
        world.crash(seed=seed + cut)


@both
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 200), min_size=1, max_size=3))
def test_a_killed_process_forgets_no_acknowledgement_at_all(seed: int, cuts: list[int], encrypted: bool) -> None:
    """What was written stays when only the process dies: acknowledgements are written at once."""
    world = World(seed, encrypted=encrypted)
    world.begin()
    for steps in cuts:
        live(world, steps)
        world.settled_durably |= world.settled
        world.crash(seed=seed, power=False)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), limits=st.sampled_from((LIMITS, TIGHT, THIN)), power=st.booleans())
def test_without_its_state_log_it_sends_again_and_everything_adds_up(seed: int, limits: Limits, power: bool) -> None:
    world = World(seed, limits)
    world.begin()
    live(world, 150)
    world.files.crash(seed, power=power)
    for name in world.files.names(FOLDER):
        if name.startswith("state"):
            world.files.remove(f"{FOLDER}/{name}")
    world.files.sync_folder(FOLDER)
    world.begin()
    stats = world.journal.stats()
    cloud = stats["upstreams"].get("cloud", {"pending": 0, "delivered": 0, "dead": 0, "dropped": {}})
    pending = world.pending()
    dead = [stored.record.id for stored, _ in world.journal.dead_letters("cloud")]

    dropped = sum(cloud["dropped"].values())
    assert stats["accepted"] == cloud["delivered"] + cloud["pending"] + cloud["dead"] + dropped
    assert len(pending) == cloud["pending"]
    assert len(dead) <= cloud["dead"]
    assert cloud["delivered"] >= 0
    assert not pending.keys() & set(dead)
