"""What a parcel must pass before it is an app. Nothing here changes anything; a no is a `Refused` with its reason.

    size, signature                 before anything in it is read
    JSON, fields, edge id, sha256   what it says of itself
    owner, version, expiry          against what is installed and the clock
    name, trigger, ceiling          against edge.yaml, as it is today
    source, types, check, dry run   the code, without running a line of it in this process

The first three groups in that order for a sender whom nobody knows: he learns nothing about the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge.apps.ceiling import settings_within
from edge.apps.judge import Judge
from edge.apps.manifest import LARGEST, Manifest, digest
from edge.apps.parcel import Parcel
from edge.apps.records import LOCAL, Record
from edge.apps.refusal import Reason, Refused
from edge.apps.rehearsal import Rehearse
from edge.apps.running import Running
from edge.apps.shape import annotation
from edge.clock import Clock
from edge.config.keys import parse_key
from edge.config.on_the_fly import OnTheFly
from edge.config.tasks import When
from edge.model import Event, EventKind
from edge.runs.sandbox import source as sources
from edge.runs.sandbox.schema import BadSource

MOST_NAMES = 4096
RESERVED = frozenset(("status", "outcomes", "apps", "event"))  # levels of topics that are the runtime's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What edge.yaml has. `sources` are devices too; `tools` says which are safe by default."""

    tasks: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    tools: Mapping[str, bool] = field(default_factory=dict)
    settings: Judge = lambda name, settings: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """What judges code. `types`: name and source to what the type checker says; `expression`: what is wrong with a
    check; `event`: the newest journalled event of a trigger's source, None where there is none."""

    types: Callable[[str, bytes], str] = lambda name, source: ""
    expression: Callable[[str], str] = lambda text: ""
    event: Callable[[When], Event | None] = lambda when: None
    rehearse: Rehearse = lambda app, event: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The rules of one gateway. Any thread."""

    edge_id: str
    ceiling: OnTheFly | None
    known: Known
    proving: Proving
    clock: Clock

    @property
    def open(self) -> OnTheFly:
        """The ceiling. Raises `Refused` where there is none."""
        if self.ceiling is None:
            raise Refused(Reason.OFF, "edge.yaml has no `on_the_fly:` section: nothing can be installed")
        return self.ceiling

    def read(self, parcel: Parcel) -> tuple[Manifest, str]:
        """What it says of itself, and who is proved to have sent it: a key's name, or `local` for one that is not
        signed, which whoever receives from outside has refused before. Raises `Refused`."""
        ceiling = self.open
        if len(parcel.source) > min(ceiling.source, sources.LARGEST):
            most = min(ceiling.source, sources.LARGEST)
            raise Refused(Reason.TOO_LARGE, f"the source has {len(parcel.source)} bytes; at most {most} are taken")
        if len(parcel.manifest) > LARGEST:
            raise Refused(Reason.TOO_LARGE, f"the manifest has {len(parcel.manifest)} bytes; at most {LARGEST}")
        by = self._sender(parcel, ceiling)
        try:
            manifest = self.manifest(parcel)
            self._check_address(manifest, parcel)
        except Refused as refused:
            refused.by = by
            raise
        return manifest, by

    def manifest(self, parcel: Parcel) -> Manifest:
        """What it says of itself, whoever sent it. Raises `Refused`."""
        return Manifest.parse(parcel.manifest, self.edge_id)

    def _sender(self, parcel: Parcel, ceiling: OnTheFly) -> str:
        if not parcel.signed:
            return LOCAL
        known = ceiling.keys.get(parcel.key)
        if known is None:
            raise Refused(Reason.UNKNOWN_KEY, f"there is no key {parcel.key[:64]!r} in on_the_fly.keys")
        try:
            from edge.crypto import verify
        except ImportError:
            message = "signatures need a library that is not installed: pip install 'edge-runtime[encryption]'"
            raise Refused(Reason.UNKNOWN_KEY, message) from None
        try:
            public = parse_key(known)
        except ValueError as error:
            raise Refused(Reason.UNKNOWN_KEY, f"on_the_fly.keys.{parcel.key}: {error}") from None
        if not verify(public, parcel.signature, parcel.manifest):
            raise Refused(Reason.SIGNATURE, f"the signature is not that of key {parcel.key} over this manifest")
        return parcel.key

    def _check_address(self, manifest: Manifest, parcel: Parcel) -> None:
        if manifest.edge != self.edge_id:
            raise Refused(Reason.EDGE_ID, f"it is meant for gateway {manifest.edge!r}; this is {self.edge_id!r}")
        found = digest(parcel.source)
        if manifest.sha256 != found:
            raise Refused(Reason.SHA256, f"the source is not the one the manifest names: its sha256 is {found}")

    def check_place(self, manifest: Manifest, by: str, records: Mapping[str, Record]) -> None:
        """Against what is installed. Raises `Refused`."""
        record = records.get(manifest.name)
        if record is None and by != LOCAL and len(records) >= MOST_NAMES:
            message = f"{MOST_NAMES} names are remembered with their versions, and no further one can be"
            raise Refused(Reason.NO_ROOM, f"{message}; use a name that was used before, or install it on the device")
        if record is not None:
            if record.state is not None and by not in (LOCAL, *record.keys):
                message = f"{manifest.name} belongs to {', '.join(record.keys) or 'this device'}"
                raise Refused(Reason.NOT_OWNER, f"{message}; `edge apps promote` says who may send new versions")
            if manifest.version <= record.highest:
                message = f"version {manifest.version} of {manifest.name} is not higher than {record.highest}"
                raise Refused(Reason.VERSION, f"{message}, which was here before; versions only rise")
        there = sum(one.state is not None for name, one in records.items() if name != manifest.name)
        if there >= self.open.apps:
            raise Refused(Reason.APPS, f"{there} apps are installed, as many as on_the_fly.apps allows; remove one")

    def must_wait(self, manifest: Manifest) -> bool:
        """Whether only a clock that is set can decide. Raises `Refused` for one that has expired."""
        if manifest.expires_at is None:
            return False
        if self.clock.quality() == "unset":
            return True
        if self.clock.wall() > manifest.expires_at:
            raise Refused(Reason.EXPIRED, f"it was to be installed before {manifest.expires}")
        return False

    def allowed(self, manifest: Manifest, parcel: Parcel, *, trial: bool) -> Running:
        """The app as it would run, by today's edge.yaml. Raises `Refused`."""
        name = manifest.name
        if name in self.known.tasks or name in self.known.sources or name in RESERVED:
            raise Refused(Reason.NAME, f"edge.yaml has {name!r} already, or the runtime itself does; rename the app")
        settings = settings_within(manifest, self.open, self.known.tools)
        problem = self.known.settings(name, settings)
        if problem:
            raise Refused(Reason.WHEN, problem)
        try:
            sources.read(parcel.source, None)
        except BadSource as error:
            raise Refused(Reason.SOURCE, str(error)) from None
        output = None if manifest.output is None else annotation(manifest.output)
        return Running(
            name=name, version=manifest.version, trial=trial, settings=settings, source=parcel.source, output=output
        )

    def prove(self, app: Running) -> str:
        """Types, goal check and dry run; returns what is to be said of it. Raises `Refused`. Takes as long as the code
        may run."""
        check = app.settings.check
        if check is not None:
            if check.partition(":")[0].strip().endswith(".py"):
                raise Refused(
                    Reason.CHECK, "check: an app's is an expression; a function would run outside the sandbox"
                )
            problem = self.proving.expression(check)
            if problem:
                raise Refused(Reason.CHECK, f"check: {problem}")
        problem = self.proving.types(app.name, app.source)
        if problem:
            raise Refused(Reason.TYPES, problem)
        event = self._event(app)
        if event is None:
            return "no event of its source is in the journal: it was installed without a dry run"
        wrong = self.proving.rehearse(app, event)
        if wrong:
            raise Refused(Reason.DRY_RUN, f"a dry run on event {event.id} failed: {wrong}")
        return "" if wrong == "" else "the dry run could not be seen to its end, for it needs what only a real run has"

    def _event(self, app: Running) -> Event | None:
        when = app.settings.when
        if when.source is not None:
            return self.proving.event(when)
        now, wall = self.clock.monotonic(), self.clock.wall()
        return Event("dry-run", f"schedule/{app.name}", EventKind.TICK, {}, wall, now, self.clock.quality())
