"""Every app's record, with what follows from it: what runs, what is held back, what the audit says.

One thread at a time; only `active` is asked by others meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.apps.admission import Admission
from edge.apps.app_clock import AppClock
from edge.apps.audit import UNKNOWN, Audit
from edge.apps.lifecycle import Change
from edge.apps.parcel import Parcel
from edge.apps.records import Action, Entry, Record
from edge.apps.refusal import NoSuchApp, Refused
from edge.apps.running import ActiveApps
from edge.apps.store import Store, Tables
from edge.apps.views import App
from edge.clock import Clock
from edge.telemetry import Telemetry

_EVERY = 600.0  # seconds between two writings of what decides nothing soon


class Registry:
    """`changed` holds the names of which something changed, until somebody takes them."""

    def __init__(self, admission: Admission, tables: Tables, clock: Clock, telemetry: Telemetry) -> None:
        self._admission = admission
        self._telemetry = telemetry
        self._store = Store(tables)
        self._audit = Audit(tables, clock, self._store.entries())
        self._held: dict[str, str] = {}
        self.changed: list[str] = []
        self.app_clock = AppClock(clock, self._store.mark)
        self._written = self.app_clock.now()
        self.active = ActiveApps(telemetry, self.app_clock.now)
        for record in self._store.records.values():
            self._serve(record)
        telemetry.gauge("edge_apps_installed", lambda: len(self.there()))

    # -- looking --------------------------------------------------------------------------------------------------

    @property
    def records(self) -> dict[str, Record]:
        """All by name, with those of which only the highest version is remembered."""
        return self._store.records

    def there(self) -> Sequence[Record]:
        """Those that are installed or wait, by name."""
        return sorted((one for one in list(self.records.values()) if one.state), key=lambda one: one.name)

    def find(self, name: str) -> Record:
        """Raises `NoSuchApp`."""
        record = self.records.get(name)
        if record is None or record.state is None:
            raise NoSuchApp(f"no app called {name[:64]!r} is installed; `edge apps list` shows them")
        return record

    def parcel(self, record: Record) -> Parcel:
        """What was sent of the version that runs, or waits. Raises `NoSuchApp` where a damaged journal lost it."""
        number = (record.serving or record.versions[0]).number
        try:
            return self._store.program(record.name, number)
        except KeyError:
            raise NoSuchApp(f"the program of {record.name} {number} is lost; install a higher version") from None

    def view(self, record: Record) -> App:
        """With what has been counted since it was written."""
        for number, tally in self.active.uncounted(record.name).items():
            record = record.counted(number, tally)
        try:
            description = self._admission.manifest(self.parcel(record)).description
        except (Refused, NoSuchApp):
            description = ""
        held = self._held.get(record.name, "")
        return App.of(record, held=held, lived=self.app_clock.now(), description=description)

    def newest(self, limit: int, name: str | None) -> Sequence[Entry]:
        """The audit."""
        return self._audit.newest(limit, name)

    # -- changing -------------------------------------------------------------------------------------------------

    def add_program(self, name: str, version: int, parcel: Parcel) -> None:
        """Keep a program that a change will refer to."""
        self._store.add_program(name, version, parcel)

    def put(self, change: Change, by: str, reason: str | None = None) -> Entry:
        """Make a change: it has happened, wholly, when its record is durable. Raises `JournalError`."""
        record, action, version, message = change
        if record.serving is not None:
            self._store.put_mark(self.app_clock.mark())  # by what it will be compared with after a restart
        entry = self._audit.entry(action, record.name, by, version=version, message=message, reason=reason)
        try:
            self._store.put(replace(record, entry=entry))
        finally:  # what the table took runs, also where the disk failed
            self._serve(self.records.get(record.name, record.gone()))
            self.changed.append(record.name)
        self._audit.add(entry)
        if action is Action.ROLLBACK:
            self._telemetry.counter("edge_apps_rolled_back_total").add()
        if reason is not None:
            self._telemetry.counter("edge_apps_rejected_total", reason=reason).add()
        return entry

    def refuse(self, refused: Refused, name: str, version: int | None, *, remote: bool) -> None:
        """Count and write down a refusal, which changed nothing; `remote`: of a message."""
        reason = refused.reason.value
        self._telemetry.counter("edge_apps_rejected_total", reason=reason).add()
        by = refused.by or UNKNOWN
        said = {"version": version, "reason": reason, "message": str(refused)}
        self._audit.refused(self._audit.entry(Action.REFUSE, name[:64], by, **said), remote=remote)

    def collect(self, name: str, *, due: bool) -> None:
        """Take what ended into the record; written at once where it may soon decide something."""
        fresh, record = self.active.uncounted(name), self.records[name]
        version = record.serving
        soon = version is None or record.trial is not None or (version.most is not None and not record.persistent)
        if fresh and (due or soon):
            counted = record
            for number, tally in fresh.items():
                counted = counted.counted(number, tally)
            if counted != record:
                self._store.put(counted)
            self.active.collected(counted, fresh)

    @property
    def due(self) -> bool:
        """Whether it is time to write down what decides nothing soon."""
        return self.app_clock.now() - self._written >= _EVERY

    def write_mark(self) -> None:
        """Write down how long apps have lived."""
        if self.there():
            self._store.put_mark(self.app_clock.mark())
        self._written = self.app_clock.now()

    def is_held(self, name: str) -> bool:
        """Whether it does not run although it is installed."""
        return name in self._held

    def _serve(self, record: Record) -> None:
        """What runs for this record: nothing where today's edge.yaml does not allow it."""
        self._held.pop(record.name, None)
        running = None
        if record.serving is not None:
            try:
                parcel = self.parcel(record)
                manifest, _ = self._admission.read(parcel)
                running = self._admission.allowed(manifest, parcel, trial=record.trial is not None)
            except Refused as refused:
                self._held[record.name] = f"{refused.reason}: {refused}"
            except NoSuchApp as lost:
                self._held[record.name] = str(lost)
        self.active.put(record, running)
