"""The apps of a gateway: installed, tried, promoted, rolled back and gone, and all of it written down.

Invariants
- A change has happened when its record is durable, and then wholly; what runs follows it.
- A version that was installed or waited once is never installed again, whatever was removed since.
- What runs lies inside today's edge.yaml: an app that does not any more is `held`, and runs again when it does.
- An app runs in the sandbox, whoever sent it and whoever promoted it.
- Failure rates are compared and lives are ended in `tick` alone, which one thread calls; starts ask `begin`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from edge.apps.admission import Admission, Known, Proving
from edge.apps.audit import UNKNOWN, Audit
from edge.apps.ceiling import lifetime
from edge.apps.lived import Lived
from edge.apps.manifest import Manifest
from edge.apps.parcel import Parcel, unpack
from edge.apps.records import LOCAL, Action, Entry, Record, State, Version
from edge.apps.refusal import NoSuchApp, Reason, Refused
from edge.apps.running import Pass, Roster, Running, is_over
from edge.apps.store import Store, Tables
from edge.apps.trial import is_worse
from edge.apps.views import App, Verdict
from edge.clock import Clock, iso
from edge.config.on_the_fly import OnTheFly
from edge.errors import EdgeError
from edge.model import Status
from edge.telemetry import Telemetry

RUNTIME = "runtime"
_EVERY = 600.0  # seconds between two writings of counts that decide nothing soon


class Apps:
    """All of them. Any thread; changes one at a time, and none while another is proved."""

    def __init__(
        self,
        *,
        edge_id: str,
        ceiling: OnTheFly | None,
        known: Known,
        proving: Proving,
        tables: Tables,
        clock: Clock,
        telemetry: Telemetry,
        changed: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Opens what is stored and judges it by today's edge.yaml; `changed` is told of nothing by that.

        `changed` is told the name of an app after a change, without a lock held. Raises `JournalError`.
        """
        self._admission = Admission(edge_id=edge_id, ceiling=ceiling, known=known, proving=proving, clock=clock)
        self._clock = clock
        self._telemetry = telemetry
        self._changed = changed
        self._changing = threading.RLock()
        self._tell: list[str] = []
        self._store = Store(tables)
        self._audit = Audit(tables, clock, self._store.entries())
        self._lived = Lived(clock, self._store.mark)
        self._written = self._lived.now()
        self._roster = Roster(telemetry, self._lived.now)
        self._held: dict[str, str] = {}
        for record in self._store.records.values():
            self._serve(record)
        telemetry.gauge("edge_apps_installed", lambda: sum(one.state is not None for one in self._records()))

    # -- what may be asked ----------------------------------------------------------------------------------------

    def list(self) -> list[App]:
        """Installed and waiting, by name."""
        with self._changing:
            return [self._view(one) for one in sorted(self._records(), key=lambda one: one.name) if one.state]

    def get(self, name: str) -> App:
        """Raises `NoSuchApp`."""
        with self._changing:
            return self._view(self._record(name))

    def manifest(self, name: str) -> bytes:
        """The exact bytes of the version that runs, or waits. Raises `NoSuchApp`."""
        return self._parcel(name).manifest

    def source(self, name: str) -> bytes:
        """Its source. Raises `NoSuchApp`."""
        return self._parcel(name).source

    def highest(self, name: str) -> int:
        """The highest version that was ever seen of that name; 0 for one that never was."""
        with self._changing:
            record = self._store.records.get(name)
            return 0 if record is None else record.highest

    def audit(self, limit: int = 100, name: str | None = None) -> Sequence[Entry]:
        """Newest first; of one app, or of all."""
        with self._changing:
            return self._audit.newest(limit, name)

    def running(self, name: str) -> Running | None:
        """What must run for that name now; None: nothing. Waits for no change."""
        return self._roster.get(name)

    # -- a run's beginning and end --------------------------------------------------------------------------------

    def begin(self, name: str) -> Pass | None:
        """Leave for one run, asked for before its start is accepted, also for one that a crash interrupted. None: it
        may not run. Waits for no change and no disk."""
        return self._roster.begin(name)

    def finished(self, leave: Pass, status: Status, goal_missed: bool = False) -> None:
        """How it ended, once for each leave; `cancelled` and `rejected` give the run back. Waits for nothing."""
        self._roster.finished(leave, status, goal_missed)

    # -- changes --------------------------------------------------------------------------------------------------

    def install(self, parcel: Parcel) -> Verdict:
        """From the command line of this device; may be unsigned. Raises `JournalError` where it cannot be kept."""
        with self._change():
            return self._install(lambda: parcel, "", LOCAL)

    def receive(self, name: str, payload: bytes) -> Verdict:
        """From MQTT: `name` stands in the topic. Raises `JournalError` only."""

        def opened() -> Parcel:
            ceiling = self._admission.open
            if not ceiling.remote:
                raise Refused(Reason.OFF, "nothing may be installed over MQTT here (on_the_fly.remote)")
            return unpack(payload, ceiling.source)

        with self._change():
            return self._install(opened, name, UNKNOWN)

    def refuse(self, name: str, reason: Reason, message: str) -> Verdict:
        """A message that is not read at all. Raises `JournalError`."""
        with self._change():
            return self._refuse(Refused(reason, message), name, None)

    def remove(self, name: str, by: str = LOCAL) -> Entry:
        """Take it away; its highest version stays known. Raises `NoSuchApp`."""
        with self._change():
            record = self._record(name)
            version = (record.serving or record.versions[0]).number
            return self._put(record.gone(), Action.REMOVE, by, version)

    def promote(self, name: str, owner: str, keys: Sequence[str] | None = None) -> App:
        """Make it stay: no more runs or time to live. `keys` may send new versions over MQTT; default: those that
        could before. Raises `NoSuchApp`, and `Refused` for one that is on trial or waits."""
        with self._change():
            record = self._record(name)
            if record.state is not State.ACTIVE or record.current is None:
                raise Refused(Reason.STATE, f"{name} is not active but {record.state}: wait for it to prove itself")
            wanted = record.keys if keys is None else tuple(keys)
            unknown = sorted(set(wanted) - set(self._admission.open.keys)) if keys is not None else []
            if unknown:
                raise Refused(Reason.UNKNOWN_KEY, f"on_the_fly.keys has no {', '.join(unknown)}")
            promoted = replace(record, persistent=True, owner=owner[:100], keys=wanted)
            message = f"owner {owner[:100]}; new versions from {', '.join(wanted) or 'this device only'}"
            self._put(promoted, Action.PROMOTE, LOCAL, record.current.number, message)
            return self._view(self._record(name))

    def rollback(self, name: str, by: str = LOCAL) -> App:
        """To the version before; ends a trial. For the owner of the device only: over the network it would bring old
        faults back. Raises `NoSuchApp`, and `Refused` where there is none."""
        with self._change():
            record = self._record(name)
            back = record.rolled_back()
            if back is None or record.serving is None or back.serving is None:
                raise Refused(Reason.STATE, f"there is no version of {name} to go back to; only the last one is kept")
            message = f"from version {record.serving.number} to {back.serving.number}"
            self._put(back, Action.ROLLBACK, by, record.serving.number, message)
            self._telemetry.counter("edge_apps_rolled_back_total").add()
            return self._view(self._record(name))

    def tick(self) -> None:
        """Every few seconds, from one thread: what is due happens. Raises `JournalError`; what it kept from happening
        happens at a later one."""
        with self._change():
            self._lived.catch_up()
            due = self._lived.now() - self._written >= _EVERY
            for name in list(self._store.records):
                self._collect(name, due=due)
                while self._step(self._store.records[name]):
                    pass
            if due:
                self._write_mark()

    def close(self) -> None:
        """Write counts and times down. Idempotent. Raises `JournalError`."""
        with self._change():
            for name in list(self._store.records):
                self._collect(name, due=True)
            self._write_mark()

    # -- installing -----------------------------------------------------------------------------------------------

    def _install(self, opened: Callable[[], Parcel], name: str, by: str) -> Verdict:
        version = None
        try:
            parcel = opened()
            manifest, by = self._admission.read(parcel)
            version = manifest.version
            if name and manifest.name != name:
                raise Refused(Reason.NAME, f"the topic names {name[:64]!r}, the manifest {manifest.name!r}")
            name = manifest.name
            self._admission.check_place(manifest, by, self._store.records)
            waits = self._admission.must_wait(manifest)
            record = self._store.records.get(name, Record(name=name))
            app = self._admission.allowed(manifest, parcel, trial=record.current is not None)
            note = self._admission.prove(app)
        except Refused as refused:
            return self._refuse(Refused(refused.reason, str(refused), refused.by or by), name, version)
        return self._admit(record, manifest, parcel, by, note, waits=waits)

    def _admit(self, record: Record, manifest: Manifest, parcel: Parcel, by: str, note: str, *, waits: bool) -> Verdict:
        name, number = manifest.name, manifest.version
        try:
            self._store.add_program(name, number, parcel)
        except EdgeError as error:
            return self._refuse(Refused(Reason.NO_ROOM, f"the journal cannot keep it: {error}", by), name, number)
        ttl = lifetime(manifest, self._admission.open)
        version = Version(number=number, by=by, installed=iso(self._clock.wall()), born=self._lived.now(), ttl=ttl,
                          most=manifest.life.runs)  # fmt: skip
        if record.state is None:
            record = replace(record, keys=() if by == LOCAL else (by,))
        if waits:
            message = "it expires, and the clock is not set: decided once it is"
            self._put(replace(record, waiting=version, highest=number), Action.WAIT, by, number, message)
            return Verdict(accepted=True, name=name, version=number, state=State.WAITING, message=message)
        return self._begin(record, version, note)

    def _begin(self, record: Record, version: Version, note: str) -> Verdict:
        self._store.put_mark(self._lived.mark())
        installed = record.installed(replace(version, born=self._lived.now()))
        self._put(installed, Action.INSTALL, version.by, version.number, note)
        self._telemetry.counter("edge_apps_created_total").add()
        name, number = record.name, version.number
        return Verdict(accepted=True, name=name, version=number, state=installed.state, message=note)

    def _refuse(self, refused: Refused, name: str, version: int | None) -> Verdict:
        by = refused.by or UNKNOWN
        self._telemetry.counter("edge_apps_rejected_total", reason=refused.reason.value).add()
        message = str(refused)
        entry = self._audit.entry(Action.REFUSE, name[:64], by, version=version, reason=refused.reason.value,
                                  message=message)  # fmt: skip
        self._audit.refused(entry)
        return Verdict(accepted=False, name=name, version=version, reason=refused.reason, message=message)

    def _decide(self, record: Record, waiting: Version) -> None:
        """One that waited for the clock: it is judged anew, by what edge.yaml and the clock say now."""
        name, number = record.name, waiting.number
        try:
            parcel = self._store.program(name, number)
            manifest, _ = self._admission.read(parcel)
            self._admission.must_wait(manifest)
            note = self._admission.prove(self._admission.allowed(manifest, parcel, trial=record.current is not None))
        except Refused as refused:
            without = replace(record, waiting=None)
            left = without if without.state is not None else record.gone()
            self._telemetry.counter("edge_apps_rejected_total", reason=refused.reason.value).add()
            self._put(left, Action.REFUSE, waiting.by, number, str(refused), refused.reason)
            return
        self._begin(record, waiting, note)

    # -- what time and runs bring ---------------------------------------------------------------------------------

    def _step(self, record: Record) -> bool:
        """Do what is due for an app; whether something was."""
        if record.waiting is not None and self._clock.quality() != "unset":
            self._decide(record, record.waiting)
            return True
        if record.trial is not None and record.current is not None:
            return self._step_trial(record, record.trial, record.current)
        if record.serving is not None and is_over(record, self._lived.now()):
            message = (
                f"its {'time' if self._lived.now() - record.serving.born >= record.serving.ttl else 'runs'} is over"
            )
            left = record.gone() if record.waiting is None else replace(record, current=None, previous=None)
            self._put(left, Action.END, RUNTIME, record.serving.number, message)
            return True
        return False

    def _step_trial(self, record: Record, new: Version, old: Version) -> bool:
        rules = self._admission.open.trial if self._admission.ceiling is not None else None
        if rules is None or record.name in self._held:
            return False
        age = self._lived.now() - new.born
        last = new.tally.runs >= rules.runs or age >= rules.time or is_over(record, self._lived.now())
        counts = f"{new.tally.failed} of {new.tally.runs} runs failed, before {old.tally.failed} of {old.tally.runs}"
        if is_worse(new.tally, old.tally, looks=rules.runs, last=last):
            back = record.rolled_back()
            assert back is not None
            self._put(back, Action.ROLLBACK, RUNTIME, new.number, f"worse than version {old.number}: {counts}")
            self._telemetry.counter("edge_apps_rolled_back_total").add()
            return True
        if last:
            self._put(record.adopted(), Action.ADOPT, RUNTIME, new.number, counts)
        return last

    def _collect(self, name: str, *, due: bool) -> None:
        """Take what ended into the record; written at once where it may soon decide something."""
        fresh = self._roster.uncounted(name)
        record = self._store.records[name]
        version = record.serving
        if fresh and (due or version is None or record.trial is not None or version.most is not None):
            counted = record
            for number, tally in fresh.items():
                counted = counted.counted(number, tally)
            if counted != record:
                self._store.put(counted)
            self._roster.collected(counted, fresh)

    # -- the record and what follows from it ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """One change at a time; whom it concerns is told afterwards, without the lock."""
        names: list[str] = []
        try:
            with self._changing:
                try:
                    yield
                finally:
                    names, self._tell = self._tell, []
        finally:
            for name in dict.fromkeys(names):
                self._changed(name)

    def _put(self, record: Record, action: Action, by: str, version: int, message: str = "",
             reason: Reason | None = None) -> Entry:  # fmt: skip
        """Make the change, and let what runs follow it."""
        entry = self._audit.entry(action, record.name, by, version=version, message=message,
                                  reason=None if reason is None else reason.value)  # fmt: skip
        record = replace(record, entry=entry)
        try:
            self._store.put(record)
        finally:
            self._serve(self._store.records.get(record.name, record.gone()))
            self._tell.append(record.name)
        self._audit.add(entry)
        return entry

    def _serve(self, record: Record) -> None:
        """What runs for this record: nothing where today's edge.yaml does not allow it."""
        self._held.pop(record.name, None)
        version, running = record.serving, None
        if version is not None:
            try:
                parcel = self._store.program(record.name, version.number)
                manifest, _ = self._admission.read(parcel)
                running = self._admission.allowed(manifest, parcel, trial=record.trial is not None)
            except Refused as refused:
                self._held[record.name] = f"{refused.reason}: {refused}"
            except KeyError:
                self._held[record.name] = "its program is not in the journal any more: install a higher version"
        self._roster.put(record, running)

    def _records(self) -> Sequence[Record]:
        return list(self._store.records.values())

    def _record(self, name: str) -> Record:
        record = self._store.records.get(name)
        if record is None or record.state is None:
            raise NoSuchApp(f"no app called {name[:64]!r} is installed; `edge apps list` shows them")
        return record

    def _parcel(self, name: str) -> Parcel:
        with self._changing:
            record = self._record(name)
            return self._store.program(name, (record.serving or record.versions[0]).number)

    def _view(self, record: Record) -> App:
        fresh: Any = self._roster.uncounted(record.name)
        for number, tally in fresh.items():
            record = record.counted(number, tally)
        return App.of(record, held=self._held.get(record.name, ""), lived=self._lived.now(),
                      description=self._description(record))  # fmt: skip

    def _description(self, record: Record) -> str:
        version = record.serving or record.versions[0]
        try:
            return self._admission.manifest(self._store.program(record.name, version.number)).description
        except (Refused, KeyError):
            return ""

    def _write_mark(self) -> None:
        if any(record.state is not None for record in self._records()):
            self._store.put_mark(self._lived.mark())
        self._written = self._lived.now()
