"""What is known of every app, as frozen values, and how they stand in a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from edge.apps.trial import NOTHING, Tally

LOCAL = "local"
"""Provenance of what came through the command line of this device; no key can have this name."""
RUNTIME = "runtime"
"""Who did what happened by itself."""


class State(StrEnum):
    """Where an app stands."""

    WAITING = "waiting"  # it expires, and the clock is not set: decided once it is
    TRIAL = "trial"  # a new version runs in place of the old one until it has proved itself
    ACTIVE = "active"


class Action(StrEnum):
    """What an entry of the audit tells of."""

    INSTALL = "install"
    REFUSE = "refuse"
    WAIT = "wait"
    REMOVE = "remove"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ADOPT = "adopt"  # a trial went well
    END = "end"  # its runs or its time were used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit. `by` is a key's name, `local`, `runtime`, or `unknown` for who could not prove it;
    `count` is how many times the same was refused since the last such entry."""

    number: int
    time: str
    clock: str
    by: str
    action: Action
    name: str
    version: int | None = None
    reason: str | None = None
    message: str = ""
    count: int = 1

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "action": self.action.value}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Entry:
        return cls(**{**data, "action": Action(data["action"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One installed version. `born` and `ttl` are seconds by `app_clock`; `most` is how many runs it may have."""

    number: int
    by: str
    installed: str
    born: float
    ttl: float
    most: int | None = None
    tally: Tally = NOTHING

    def data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Version | None:
        return None if data is None else cls(**{**data, "tally": Tally(**data["tally"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One name. `highest` is the highest version that was ever installed or waited, kept when all else is gone;
    `entry` is the audit's line of the change that made this record."""

    name: str
    highest: int = 0
    current: Version | None = None
    previous: Version | None = None
    trial: Version | None = None
    waiting: Version | None = None
    persistent: bool = False
    owner: str | None = None
    keys: tuple[str, ...] = field(default=())
    entry: Entry | None = None

    @property
    def state(self) -> State | None:
        """None: only its highest version is remembered."""
        if self.trial is not None:
            return State.TRIAL
        if self.current is not None:
            return State.ACTIVE
        return State.WAITING if self.waiting is not None else None

    @property
    def serving(self) -> Version | None:
        """The version that runs."""
        return self.trial or self.current

    @property
    def versions(self) -> tuple[Version, ...]:
        """All whose programs are kept."""
        kept = (self.current, self.previous, self.trial, self.waiting)
        return tuple(one for one in kept if one is not None)

    def counted(self, number: int, more: Tally) -> Record:
        """With runs added to a version, if it is still kept."""
        changed: dict[str, Any] = {
            place: replace(one, tally=one.tally + more)
            for place in ("current", "previous", "trial")
            if (one := getattr(self, place)) is not None and one.number == number
        }
        return replace(self, **changed) if changed else self

    def installed(self, new: Version) -> Record:
        """With a new version: on trial where there is one already."""
        known = replace(self, highest=max(self.highest, new.number), waiting=None)
        return replace(known, current=new) if known.current is None else replace(known, trial=new)

    def adopted(self) -> Record:
        """The trial went well."""
        return replace(self, previous=self.current, current=self.trial, trial=None)

    def rolled_back(self) -> Record | None:
        """One version back; None where there is none."""
        if self.trial is not None:
            return replace(self, trial=None)
        return None if self.previous is None else replace(self, current=self.previous, previous=None)

    def gone(self) -> Record:
        """Nothing but what must be remembered."""
        return Record(name=self.name, highest=self.highest)

    def data(self) -> dict[str, Any]:
        places = {place: one.data() if (one := getattr(self, place)) is not None else None for place in _PLACES}
        return {
            "name": self.name,
            "highest": self.highest,
            **places,
            "persistent": self.persistent,
            "owner": self.owner,
            "keys": list(self.keys),
            "entry": None if self.entry is None else self.entry.data(),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Record:
        """Raises KeyError or TypeError for what is none."""
        return cls(
            name=data["name"],
            highest=data["highest"],
            persistent=data["persistent"],
            owner=data["owner"],
            keys=tuple(data["keys"]),
            entry=None if data["entry"] is None else Entry.of(data["entry"]),
            **{place: Version.of(data[place]) for place in _PLACES},
        )


_PLACES = ("current", "previous", "trial", "waiting")
