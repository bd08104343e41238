"""What the command line and the network are told of apps: frozen, JSON-ready."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.apps.records import Record, State
from edge.apps.refusal import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to who wants to install something; `message` is a sentence, empty where there is nothing to say."""

    accepted: bool
    name: str
    version: int | None
    state: State | None = None
    reason: Reason | None = None
    message: str = ""

    def data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An installed app. Counts are those of the version that runs; `held` says why it does not run although it is
    installed; `keys` may send new versions; `left_*`: until it ends, None without an end."""

    name: str
    version: int
    state: State
    held: str
    provenance: str
    owner: str | None
    persistent: bool
    keys: tuple[str, ...]
    installed: str
    description: str
    previous: int | None
    runs: int
    failed: int
    goal_missed: int
    left_runs: int | None
    left_seconds: float | None

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "keys": list(self.keys)}

    @classmethod
    def of(cls, record: Record, *, held: str, lived: float, description: str) -> App:
        """From a record that is not empty."""
        state, version = record.state, record.serving or record.versions[0]
        assert state is not None
        back = record.current if record.trial is not None else record.previous
        ends = not record.persistent
        return cls(
            name=record.name,
            version=version.number,
            state=state,
            held=held,
            provenance=version.by,
            owner=record.owner,
            persistent=record.persistent,
            keys=record.keys,
            installed=version.installed,
            description=description,
            previous=None if back is None else back.number,
            runs=version.tally.runs,
            failed=version.tally.failed,
            goal_missed=version.tally.missed,
            left_runs=max(0, version.most - version.tally.runs) if ends and version.most is not None else None,
            left_seconds=max(0.0, version.born + version.ttl - lived) if ends else None,
        )
