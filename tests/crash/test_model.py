"""The journal against a model of it: anything in any order, and the power, the process or the disk failing anywhere."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from edge.journal import PUBLISHES, Journal, JournalError, Limits, open_journal
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import PowerCut

from .rings import KeyedFiles

FOLDER, CLIENT = "/journal", "paho"
AMPLE = Limits(max_size=10_000_000, segment=1 << 14, keep_delivered=0)
TIGHT = Limits(max_size=100_000, segment=1 << 14, keep_delivered=0)
THIN = Limits(max_size=100_000, segment=1 << 14, keep_delivered=0, when_full="thin", thin_to=3)
PENDING, DEAD, MOVED, LOST = "pending", Verdict.DEAD.value, "moved", "lost"
OURS = "as the test says"
_CALLS = ("sync", "sync", "write", "reserve", "sync_folder", "create", "rename", "truncate", "remove")
Docs = dict[int, dict[str, Any]]


class Model:
    """What the journal has been told and has said. Of a list, a power cut leaves any entry from the first on, the end
    of the process the last one."""

    def __init__(self) -> None:
        self.durable = 0
        self.records: dict[int, Record] = {}
        self.fates: dict[str, dict[str, list[str]]] = {}  # upstream, id -> what became of it
        self.unsure: set[tuple[str, str]] = set()  # upstream and id of refusals that the disk did not take at once
        self.tables: list[Docs] = [{}]
        self.deliveries: dict[int, list[tuple[int, int]]] = {}  # packet id -> sequence and digest

    def append(self, last: int, records: list[Record], delivery: Delivery | None, upstreams: list[str]) -> None:
        for sequence, record in enumerate(records, last - len(records) + 1):
            self.records[sequence] = record
            owed = {RecordKind.OUTCOME: upstreams, RecordKind.PUBLISH: [PUBLISHES]}.get(record.kind, [])
            for name in owed:
                self.fates.setdefault(name, {})[record.id] = [PENDING]
        if delivery is not None:
            self.deliveries.setdefault(delivery.packet_id, [(0, 0)]).append((last, delivery.digest))

    def rename(self, old: str, new: str) -> None:
        self.fates[new] = {}
        for name, fates in self.fates.get(old, {}).items():
            if fates == [PENDING]:
                self.fates[new][name] = [PENDING]
                fates.append(MOVED)

    def synced(self) -> None:
        del self.tables[:-1]
        for upstream, fates in self.fates.items():
            for name, history in fates.items():
                del history[: -3 if (upstream, name) in self.unsure else -1]


def is_owed(record: Record) -> bool:
    """Whether somebody waits for it; a promise has the id of its outcome, and is the runtime's own."""
    return record.kind is not RecordKind.ACCEPTED


class Machine(RuleBasedStateMachine):
    """The journal in use, and the laws that hold after every recovery."""

    journal: Journal

    @initialize(limits=st.sampled_from((AMPLE, AMPLE, TIGHT, THIN)), encrypted=st.booleans())
    def begin(self, limits: Limits, encrypted: bool) -> None:
        self.files, self.clock, self.model = KeyedFiles(encrypted=encrypted), VirtualClock(), Model()
        self.limits = limits
        self.upstreams, self.formerly = ["plant", "cloud"], {}
        self.names = 0
        self.power, self.seed, self.again = True, 0, []
        self.midway: tuple[str, frozenset[str]] | None = None  # the call that a crash would interrupt
        self.short = limits is not AMPLE  # of room, ever
        self.waited = False  # long enough for acknowledgements to be synced by the next commit
        self.journal = self.open()

    def open(self) -> Journal:
        return open_journal(
            FOLDER,
            clock=self.clock,
            files=self.files,
            upstreams=self.upstreams,
            limits=self.limits,
            formerly=self.formerly,
            keys=self.files.keys,
            on_durable=self.confirm,
        )

    def confirm(self, sequence: int) -> None:
        assert sequence >= self.model.durable
        self.model.durable = sequence

    @contextlib.contextmanager
    def use(self, upstream: str = "", names: frozenset[str] = frozenset()) -> Iterator[None]:
        """A call that the power, or the process, may not survive."""
        self.midway = upstream, names
        try:
            yield
        except PowerCut:
            self.recover()
        self.midway = None

    # -- what is done with it -------------------------------------------------------------------------------------

    @rule(
        kinds=st.lists(st.sampled_from(RecordKind), min_size=1, max_size=3),
        klass=st.sampled_from((RecordClass.TELEMETRY, RecordClass.TELEMETRY, RecordClass.ALARM)),
        size=st.sampled_from((10, 300, 5000)),
        packet=st.none() | st.integers(1, 4),
    )
    def append(self, kinds: list[RecordKind], klass: RecordClass, size: int, packet: int | None) -> None:
        records = []
        for kind in kinds:
            self.names += 1
            name = f"box:{self.names:026d}"
            if kind is RecordKind.PUBLISH:
                records.append(Record(kind, RecordClass.PUBLISH, name, b"p" * size, "plant/fan"))
            else:
                records.append(Record(kind, klass, name, b'{"id":"' + name.encode() + b'"}' + b"x" * size))
        last, _ = self.model.deliveries.get(packet or 0, [(0, 0)])[-1]
        if packet is None or last > self.model.durable:  # a broker gives an id again once it was acknowledged
            self.put(records, None)
        else:
            self.put(records, Delivery(CLIENT, packet, self.names))

    @rule(data=st.data())
    def end_a_run(self, data: st.DataObject) -> None:
        promised = list(self.promised())
        if promised:
            record = data.draw(st.sampled_from(promised))
            self.put([record._replace(kind=RecordKind.OUTCOME)], None)

    def put(self, records: list[Record], delivery: Delivery | None) -> None:
        last = self.journal.append(records, delivery).sequence
        assert last - len(records) >= max(self.model.records, default=0), "a sequence number is given twice"
        self.model.append(last, records, delivery, self.upstreams)

    @rule()
    def commit(self) -> None:
        with self.use(), contextlib.suppress(JournalError):
            durable = self.journal.commit()
            assert durable == self.journal.durable == self.model.durable >= max(self.model.records, default=0)
            if self.waited:
                self.model.synced()
                self.waited = False

    @rule(data=st.data(), verdict=st.sampled_from(Verdict), limit=st.sampled_from((1, 5, 100)))
    def settle(self, data: st.DataObject, verdict: Verdict, limit: int) -> None:
        upstream = data.draw(st.sampled_from((*self.upstreams, PUBLISHES)))
        with self.use(), contextlib.suppress(OSError):
            found = {stored.sequence: stored.record.id for stored in self.journal.pending(upstream, limit=limit)}
        if self.midway is None and found:
            chosen = data.draw(st.lists(st.sampled_from(list(found)), min_size=1, max_size=limit, unique=True))
            self.change(upstream, {sequence: found[sequence] for sequence in chosen}, verdict)

    def change(self, upstream: str, chosen: dict[int, str], verdict: Verdict | None) -> None:
        """Settle these, or without a verdict requeue them. A letter has a number of its own, and the record's id."""
        fates = [self.model.fates[upstream][name] for name in chosen.values()]
        for history in fates:
            history.append(verdict.value if verdict is not None else PENDING)
        self.waited = False  # an acknowledgement is synced 10 seconds later, what someone asks for with the next commit
        with self.use(upstream, frozenset(chosen.values())):
            try:
                if verdict is not None:
                    assert self.journal.settle(upstream, chosen, verdict, OURS) == len(chosen)
                else:
                    assert self.journal.requeue(upstream, chosen) == len(chosen)
                    self.waited = True
            except OSError:  # then nothing changed; but a letter is written once the disk takes it
                for history in fates:
                    history.append(PENDING) if verdict is Verdict.DEAD else history.pop()
                if verdict is Verdict.DEAD:
                    self.model.unsure.update((upstream, name) for name in chosen.values())

    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        upstream = data.draw(st.sampled_from(self.upstreams))
        letters = {stored.sequence: stored.record.id for stored, _ in self.journal.dead_letters(upstream)}
        if letters:
            chosen = data.draw(st.lists(st.sampled_from(list(letters)), min_size=1, unique=True))
            self.change(upstream, {sequence: letters[sequence] for sequence in chosen}, None)

    @rule(data=st.data(), value=st.integers(), how=st.sampled_from(("insert", "update", "remove", "truncate")))
    def table(self, data: st.DataObject, value: int, how: str) -> None:
        table, before = self.journal.table("memory"), self.model.tables[-1]
        some = data.draw(st.lists(st.sampled_from(sorted(before)), min_size=1, unique=True)) if before else []
        after = {
            "insert": {**before, **{key: {"v": value, "text": "y" * 700} for key in self.next_ids()}},
            "update": {**before, **{doc_id: {**before[doc_id], "v": value} for doc_id in some}},
            "remove": {doc_id: doc for doc_id, doc in before.items() if doc_id not in some},
            "truncate": {},
        }[how]
        self.model.tables.append(after)
        with self.use():
            try:
                if how == "insert":
                    table.insert_multiple({"v": value, "text": "y" * 700} for _ in range(2))
                elif how == "update":
                    table.update({"v": value}, doc_ids=some)
                elif how == "remove":
                    table.remove(doc_ids=some)
                else:
                    table.truncate()
                if after != before:  # else there was nothing to write
                    self.model.synced()
            except OSError:
                if self.documents() == before:
                    self.model.tables.pop()
        assert self.documents() == self.model.tables[-1]

    def next_ids(self) -> tuple[int, int]:
        known = self.journal.store.tables.get("memory")
        following = known.next if known is not None else 1
        return following, following + 1

    def documents(self) -> Docs:
        return {doc.doc_id: dict(doc) for doc in self.journal.table("memory")}

    @rule(seconds=st.sampled_from((10.0, 10.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.waited = True

    # -- what happens to it ---------------------------------------------------------------------------------------

    @rule(rename=st.booleans())
    def close_and_reopen(self, rename: bool) -> None:
        with self.use():
            try:
                self.journal.close()
                self.model.durable = max(self.model.records, default=0)
                self.model.synced()
            except JournalError:
                self.recover()
                return
            old = self.upstreams[-1]
            given_up = self.given_up(self.journal.stats()["upstreams"].get(old, {"dropped": {}}))
            if rename and not given_up and self.no_fault_waits():  # else the model does not know what is taken over
                self.upstreams.pop()
                self.upstreams.append(f"cloud{self.names}-{self.clock.monotonic()}-{len(self.model.fates)}")
                self.formerly = {self.upstreams[-1]: old}
                self.model.rename(old, self.upstreams[-1])
            self.journal = self.open()
            if self.journal.stats()["degraded"]:  # it started on a disk that took nothing: another start must do
                self.recover()
            else:
                self.check(power=False)

    @rule(
        after=st.integers(0, 30),
        power=st.booleans(),
        seed=st.integers(0, 1 << 32),
        again=st.lists(st.integers(0, 20), max_size=3),
    )
    def crash_soon(self, after: int, power: bool, seed: int, again: list[int]) -> None:
        self.power, self.seed, self.again = power, seed, again
        self.files.cut_at = self.files.steps + after

    @rule(power=st.booleans(), seed=st.integers(0, 1 << 32), again=st.lists(st.integers(0, 20), max_size=3))
    def crash(self, power: bool, seed: int, again: list[int]) -> None:
        self.power, self.seed, self.again = power, seed, again
        self.recover()

    def no_fault_waits(self) -> bool:
        return not any(fault.times for fault in self.files.faults)

    @precondition(no_fault_waits)
    @rule(
        operation=st.sampled_from(_CALLS),
        code=st.sampled_from((errno.EIO, errno.ENOSPC)),
        skip=st.integers(0, 3),
        times=st.sampled_from((1, 1, 1, 4)),
    )
    def the_disk_will_fail(self, operation: str, code: int, skip: int, times: int) -> None:
        self.files.fail(operation, code, skip=skip, times=times)
        self.short = self.short or code == errno.ENOSPC

    @precondition(no_fault_waits)
    @rule(skip=st.integers(0, 5), times=st.integers(1, 2))
    def a_read_will_fail(self, skip: int, times: int) -> None:
        self.files.fail("read", errno.EIO, skip=skip, times=times)

    # -- what holds -----------------------------------------------------------------------------------------------

    def in_doubt(self) -> bool:
        """Whether the next process would read what a failed sync left behind: see the test at the end."""
        return any("/state" not in path for path in self.files.doubtful)

    def recover(self) -> None:
        self.power = self.power or self.in_doubt()
        self.files.crash(self.seed, power=self.power)
        for number, cut in enumerate(self.again, 1):  # the recovery itself does not survive, or nothing after it does
            self.files.cut_at = self.files.steps + cut
            with contextlib.suppress(PowerCut):
                self.open()
            self.power = self.power or self.in_doubt()
            self.files.crash(self.seed + number, power=self.power)
        self.files.faults.clear()
        self.journal = self.open()
        self.check(power=self.power)

    def check(self, *, power: bool) -> None:
        model, stats = self.model, self.journal.stats()
        kept = {stored.sequence: stored.record for stored in self.journal.records(None)}
        alive = {sequence for sequence in model.records if sequence <= model.durable or sequence in kept}
        living = {model.records[sequence].id for sequence in alive if is_owed(model.records[sequence])}
        for name, fates in model.fates.items():
            model.fates[name] = {id: fate for id, fate in fates.items() if id in living}
        self.check_promises(kept)
        confirmed = {r.id for sequence, r in model.records.items() if sequence <= model.durable and is_owed(r)}
        for name in [name for name, fates in model.fates.items() if fates]:
            counts = stats["publishes"] if name == PUBLISHES else stats["upstreams"][name]
            accepted = counts["accepted"] if name == PUBLISHES else stats["accepted"] - counts["local"]
            self.check_upstream(name, counts, accepted, power, confirmed)
        given = self.documents()
        assert given in self.possible(model.tables, power, ("", frozenset()), ""), "no state that a table ever had"
        model.tables = [given]
        for packet, history in model.deliveries.items():
            durable = max(last for last, _ in history if last <= model.durable)
            digest = self.journal.deliveries(CLIENT).get(packet, 0)
            assert digest in {digest for last, digest in history if last >= durable}, "a delivery is forgotten"
            model.deliveries[packet] = [(0, digest)]
        model.records = {sequence: record for sequence, record in model.records.items() if sequence in alive}
        model.durable = self.journal.durable
        assert model.durable >= max(kept, default=0)
        self.midway = None
        self.model.unsure.clear()
        self.waited = False

    def check_promises(self, kept: dict[int, Record]) -> None:
        """Runs that must happen, and nothing that nobody wrote."""
        written = {(record.kind, record.id): record for record in self.model.records.values()}
        names = [(record.kind, record.id) for record in kept.values() if record.kind is not RecordKind.ACCEPTED]
        assert len(names) == len(set(names)), "an id is there twice"
        assert all(written[record.kind, record.id] == record for record in kept.values()), "invented"
        assert all(
            self.model.records[sequence] == record
            for sequence, record in kept.items()
            if record.kind is not RecordKind.ACCEPTED  # a promise is carried forward when its segment goes
        ), "out of place"
        assert list(kept) == sorted(kept), "out of order"
        promised = {stored.record for stored in self.journal.unfinished()}
        assert set(self.promised(self.model.durable)) <= promised, "a promised run is forgotten"

    def promised(self, durable: int = 1 << 62) -> Iterator[Record]:
        """Runs accepted up to a sequence number for which no outcome was appended."""
        ended = {record.id for record in self.model.records.values() if record.kind is RecordKind.OUTCOME}
        for sequence, record in self.model.records.items():
            if record.kind is RecordKind.ACCEPTED and sequence <= durable and record.id not in ended:
                yield record

    def check_upstream(
        self, name: str, counts: dict[str, Any], accepted: int, power: bool, confirmed: set[str]
    ) -> None:
        fates = self.model.fates[name]
        dropped = sum(counts["dropped"].values())
        law = counts["delivered"] + counts["pending"] + dropped + counts["expired"] + counts["dead"]
        assert accepted == law, f"the counts of {name} do not add up"
        pending: dict[int, Record] = {}
        after = None
        while found := self.journal.pending(name, limit=7, after=after):
            after = found[-1].sequence
            pending.update((stored.sequence, stored.record) for stored in found)
        assert list(pending) == sorted(pending), "out of order"
        assert len(pending) == counts["pending"] == self.journal.backlog(name)
        waiting = [record.id for record in pending.values()]
        assert len(waiting) == len(set(waiting)), f"given twice to {name}"
        assert fates.keys() >= set(waiting), f"for {name} nobody wrote {set(waiting) - fates.keys()}"
        letters = {stored.record.id for stored, _ in self.journal.dead_letters(name)}
        lost = 0
        for id, history in fates.items():
            possible = self.possible(history, power, self.midway, name, id)
            if id in waiting:
                assert PENDING in possible, f"{id} was settled by {name}, which is forgotten"
                fate = PENDING
            elif id in letters:
                assert DEAD in possible, f"{id} is a dead letter of {name} and should not be"
                fate = DEAD
            else:
                ends = [end for end in possible if end != PENDING and (end != DEAD or counts["dead"] > len(letters))]
                fate = ends[-1] if ends else LOST
                lost += fate == LOST and (id in confirmed or history == [LOST])
            fates[id] = [fate]
        assert lost <= self.given_up(counts), f"{name} lost {lost} records"
        for verdict in (Verdict.DELIVERED, Verdict.EXPIRED):
            certain = sum(fate == [verdict.value] for fate in fates.values())
            assert counts[verdict.value] >= certain, verdict

    def given_up(self, counts: dict[str, Any]) -> int:
        """Records that were counted as dropped for want of room. With none even for a checkpoint, a file goes first,
        and is missed at the next start."""
        reasons = ("full", "thinned", "damaged") if self.short else ("full", "thinned")
        return sum(counts["dropped"].get(reason, 0) for reason in reasons)

    def possible(
        self, history: list[Any], power: bool, midway: tuple[str, frozenset[str]] | None, name: str, id: str = ""
    ) -> list[Any]:
        """What a recovery may find of it."""
        if power:
            return history
        if (name, id) in self.model.unsure:
            return history[-3:]
        if midway is not None and midway[0] == name and (not name or id in midway[1]):
            return history[-2:]
        return history[-1:]


def hunt(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_journal_is_its_model() -> None:
    hunt(examples=60, steps=40)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_journal_is_its_model_at_length() -> None:
    hunt(examples=1500, steps=60)
