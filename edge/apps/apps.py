"""The apps of a gateway: installed, tried, promoted, rolled back and gone, and all of it written down.

Invariants
- A change has happened when its record is durable, and then wholly; what runs follows it.
- A version that was installed or waited once is never installed again, whatever was removed since.
- What runs lies inside today's edge.yaml: an app that does not any more is `held`, and runs again when it does.
- An app runs in the sandbox, whoever sent it and whoever promoted it.
- Lives end and trials are judged in `tick` alone, which one thread calls; starts ask `begin`, which waits for nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from edge.apps.admission import Admission, Known, Proving
from edge.apps.audit import UNKNOWN
from edge.apps.ceiling import lifetime
from edge.apps.lifecycle import Change, due
from edge.apps.manifest import Manifest
from edge.apps.parcel import Parcel, unpack
from edge.apps.records import LOCAL, RUNTIME, Action, Entry, Record, State, Version
from edge.apps.refusal import NoSuchApp, Reason, Refused
from edge.apps.registry import Registry
from edge.apps.running import Permit, Running
from edge.apps.store import Tables
from edge.apps.views import App, Verdict
from edge.clock import Clock, iso
from edge.config.on_the_fly import OnTheFly, Trial
from edge.errors import EdgeError
from edge.model import Status
from edge.telemetry import Telemetry

_OWNER = 100  # characters
_AGAIN = 60.0  # seconds
_WRONG = 100  # manifests whose sources are known to be wrong


class Apps:
    """All of them. Any thread; changes one at a time, and none while an app is being proved."""

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
        forget: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Opens what is stored and judges it by today's edge.yaml; `changed` is told of nothing by that.

        `changed` is told the name of an app after a change, without a lock held; `forget` of one whose life begins,
        before it does: what another task or app of that name left behind is not its own. Raises `JournalError`.
        """
        self._admission = Admission(edge_id=edge_id, ceiling=ceiling, known=known, proving=proving, clock=clock)
        self._clock = clock
        self._telemetry = telemetry
        self._changed = changed
        self._forget = forget
        self._changing = threading.RLock()
        self._wrong: dict[bytes, tuple[float, Reason, str]] = {}
        self._registry = Registry(self._admission, tables, clock, telemetry)

    # -- what may be asked ----------------------------------------------------------------------------------------

    def list(self) -> list[App]:
        """Installed and waiting, by name."""
        with self._changing:
            return [self._registry.view(record) for record in self._registry.there()]

    def get(self, name: str) -> App:
        """Raises `NoSuchApp`."""
        with self._changing:
            return self._registry.view(self._registry.find(name))

    def manifest(self, name: str) -> bytes:
        """The exact bytes of the version that runs, or waits. Raises `NoSuchApp`."""
        with self._changing:
            return self._registry.parcel(self._registry.find(name)).manifest

    def source(self, name: str) -> bytes:
        """Its source. Raises `NoSuchApp`."""
        with self._changing:
            return self._registry.parcel(self._registry.find(name)).source

    def highest(self, name: str) -> int:
        """The highest version that was ever seen of that name; 0 for one that never was."""
        with self._changing:
            record = self._registry.records.get(name)
            return 0 if record is None else record.highest

    def audit(self, limit: int = 100, name: str | None = None) -> Sequence[Entry]:
        """Newest first; of one app, or of all."""
        with self._changing:
            return self._registry.newest(limit, name)

    def running(self, name: str) -> Running | None:
        """What must run for that name now; None: nothing. Waits for no change."""
        return self._registry.active.get(name)

    # -- a run's beginning and end --------------------------------------------------------------------------------

    def begin(self, name: str) -> Permit | None:
        """A permit for one run, asked for before its start is accepted, also for one that a crash interrupted. None: it
        may not run. Waits for no change and no disk."""
        return self._registry.active.begin(name)

    def finished(self, permit: Permit, status: Status, goal_missed: bool = False) -> None:
        """How it ended, once for each permit; `cancelled` and `rejected` give the run back. Waits for nothing."""
        self._registry.active.finished(permit, status, goal_missed)

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
            return self._refuse(Refused(reason, message), name, None, UNKNOWN)

    def remove(self, name: str, by: str = LOCAL) -> Entry:
        """Take it away; its highest version stays known. Raises `NoSuchApp`."""
        with self._change():
            record = self._registry.find(name)
            version = (record.serving or record.versions[0]).number
            return self._registry.put(Change(record.gone(), Action.REMOVE, version, ""), by)

    def promote(self, name: str, owner: str, keys: Sequence[str] | None = None) -> App:
        """Make it stay: no more runs or time to live. `keys` may send new versions over MQTT; default: those that
        could before. Raises `NoSuchApp`, and `Refused` for one that is on trial or waits."""
        with self._change():
            record = self._registry.find(name)
            if record.state is not State.ACTIVE or record.current is None:
                raise Refused(Reason.STATE, f"{name} is not active but {record.state}: wait for it to prove itself")
            if keys is not None:
                self._check_keys(keys)
            owner, wanted = owner[:_OWNER], record.keys if keys is None else tuple(keys)
            message = f"owner {owner}; new versions from {', '.join(wanted) or 'this device only'}"
            promoted = replace(record, persistent=True, owner=owner, keys=wanted)
            self._registry.put(Change(promoted, Action.PROMOTE, record.current.number, message), LOCAL)
            return self._registry.view(self._registry.find(name))

    def _check_keys(self, keys: Sequence[str]) -> None:
        unknown = sorted(set(keys) - set(self._admission.open.keys))
        if unknown:
            raise Refused(Reason.UNKNOWN_KEY, f"on_the_fly.keys has no {', '.join(unknown)}")

    def rollback(self, name: str, by: str = LOCAL) -> App:
        """To the version before; ends a trial. For the owner of the device only: over the network it would bring old
        faults back. Raises `NoSuchApp`, and `Refused` where there is none."""
        with self._change():
            record = self._registry.find(name)
            back = record.rolled_back()
            if back is None or record.serving is None or back.serving is None:
                raise Refused(Reason.STATE, f"there is no version of {name} to go back to; only the last one is kept")
            message = f"from version {record.serving.number} to {back.serving.number}"
            self._registry.put(Change(back, Action.ROLLBACK, record.serving.number, message), by)
            return self._registry.view(self._registry.find(name))

    def tick(self) -> None:
        """Every few seconds, from one thread: what is due happens. Raises `JournalError`; what it kept from happening
        happens at a later one."""
        with self._change():
            registry = self._registry
            registry.app_clock.catch_up()
            written = registry.due
            for name in list(registry.records):
                registry.collect(name, due=written)
                while self._step(registry.records[name]):
                    pass
            if written:
                registry.write_mark()

    def close(self) -> None:
        """Write counts and times down. Idempotent. Raises `JournalError`."""
        with self._change():
            for name in list(self._registry.records):
                self._registry.collect(name, due=True)
            self._registry.write_mark()

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """One change at a time; whom it concerns is told afterwards, without the lock."""
        names: list[str] = []
        try:
            with self._changing:
                try:
                    yield
                finally:
                    names, self._registry.changed = self._registry.changed, []
        finally:
            for name in dict.fromkeys(names):
                self._changed(name)

    # -- installing -----------------------------------------------------------------------------------------------

    def _install(self, opened: Callable[[], Parcel], name: str, by: str) -> Verdict:
        version, admission, asked = None, self._admission, by
        try:
            parcel = opened()
            manifest, by = admission.read(parcel)
            version = manifest.version
            if name and manifest.name != name:
                message = f"the topic names {name[:64]!r}, the manifest {manifest.name!r}"
                raise Refused(Reason.NAME, message, UNKNOWN)  # a topic is not signed
            name = manifest.name
            admission.check_place(manifest, LOCAL if asked == LOCAL else by, self._registry.records)
            waits = admission.must_wait(manifest)
            record = self._registry.records.get(name, Record(name=name))
            app = admission.allowed(manifest, parcel, trial=record.current is not None)
            note = admission.prove(app) if asked == LOCAL else self._prove_once(app, parcel)
            self._keep(manifest, parcel)
        except Refused as refused:
            return self._refuse(Refused(refused.reason, str(refused), refused.by or by), name, version, asked)
        if record.state is None:
            record = replace(record, keys=() if by == LOCAL else (by,))
        new = self._version(manifest, by)
        return self._wait(record, new) if waits else self._start(record, new, note)

    def _prove_once(self, app: Running, parcel: Parcel) -> str:
        """Proving takes seconds, and a signed message that failed is anybody's to send again: for `_AGAIN` seconds it
        has the same answer."""
        now = self._clock.monotonic()
        self._wrong = {key: wrong for key, wrong in self._wrong.items() if now - wrong[0] < _AGAIN}
        if parcel.manifest in self._wrong:
            _, reason, message = self._wrong[parcel.manifest]
            raise Refused(reason, message)
        try:
            return self._admission.prove(app)
        except Refused as refused:
            if len(self._wrong) < _WRONG:
                self._wrong[parcel.manifest] = self._clock.monotonic(), refused.reason, str(refused)
            raise

    def _keep(self, manifest: Manifest, parcel: Parcel) -> None:
        try:
            self._registry.add_program(manifest.name, manifest.version, parcel)
        except EdgeError as error:
            raise Refused(Reason.NO_ROOM, f"the journal cannot keep it: {error}") from error

    def _version(self, manifest: Manifest, by: str) -> Version:
        return Version(
            number=manifest.version,
            by=by,
            installed=iso(self._clock.wall()),
            born=self._registry.app_clock.now(),
            ttl=lifetime(manifest, self._admission.open),
            most=manifest.life.runs,
        )

    def _wait(self, record: Record, new: Version) -> Verdict:
        message = "it expires, and the clock is not set: decided once it is"
        waiting = replace(record, waiting=new, highest=new.number)
        self._registry.put(Change(waiting, Action.WAIT, new.number, message), new.by)
        return Verdict(accepted=True, name=record.name, version=new.number, state=State.WAITING, message=message)

    def _start(self, record: Record, new: Version, note: str) -> Verdict:
        if record.serving is None:
            self._forget(record.name)
        installed = record.installed(new)
        self._registry.put(Change(installed, Action.INSTALL, new.number, note), new.by)
        self._telemetry.counter("edge_apps_created_total").add()
        return Verdict(accepted=True, name=record.name, version=new.number, state=installed.state, message=note)

    def _refuse(self, refused: Refused, name: str, version: int | None, asked: str) -> Verdict:
        self._registry.refuse(refused, name, version, remote=asked != LOCAL)
        return Verdict(accepted=False, name=name, version=version, reason=refused.reason, message=str(refused))

    # -- what time and runs bring ---------------------------------------------------------------------------------

    def _step(self, record: Record) -> bool:
        """Do what is due for an app; whether something was."""
        if record.waiting is not None and self._clock.quality() != "unset":
            self._decide(record, record.waiting)
            return True
        ceiling, held = self._admission.ceiling, self._registry.is_held(record.name)
        if held and record.trial is not None:
            return False  # what does not run proves nothing
        change = due(record, self._registry.app_clock.now(), Trial() if ceiling is None else ceiling.trial)
        if change is not None:
            self._registry.put(change, RUNTIME)
        return change is not None

    def _decide(self, record: Record, waiting: Version) -> None:
        """One that waited for the clock: it is judged anew, by what edge.yaml and the clock say now."""
        admission = self._admission
        try:
            parcel = self._registry.parcel(replace(record, current=None, trial=None, previous=None))
            manifest, _ = admission.read(parcel)
            admission.must_wait(manifest)
            note = admission.prove(admission.allowed(manifest, parcel, trial=record.current is not None))
        except (Refused, NoSuchApp) as no:
            refused = no if isinstance(no, Refused) else Refused(Reason.SOURCE, str(no))
            without = replace(record, waiting=None)
            left = without if without.state is not None else record.gone()
            change = Change(left, Action.REFUSE, waiting.number, str(no))
            self._registry.put(change, waiting.by, refused.reason.value)
            return
        self._start(record, replace(waiting, born=self._registry.app_clock.now()), note)
