"""What its runs and its time make of an app: the end, or the verdict on a trial. Values in, values out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from edge.apps.records import Action, Record, Version
from edge.apps.trial import is_worse
from edge.config.on_the_fly import Trial


class Change(NamedTuple):
    """A record in place of another, and what the audit says of it."""

    record: Record
    action: Action
    version: int
    message: str


def is_over(record: Record, lived: float, more: int = 0) -> bool:
    """Whether the version that runs has had its runs, `more` besides those counted, or its time."""
    version = record.serving
    if version is None or record.persistent:
        return False
    runs = version.tally.runs + more
    return lived - version.born >= version.ttl or (version.most is not None and runs >= version.most)


def due(record: Record, lived: float, rules: Trial) -> Change | None:
    """The next thing that must happen to it; None: nothing yet. A trial is judged before anything ends."""
    if record.trial is not None and record.current is not None:
        return _verdict(record, record.trial, record.current, lived, rules)
    version = record.serving
    if version is None or not is_over(record, lived):
        return None
    what = "time" if lived - version.born >= version.ttl else "runs"
    left = record.gone() if record.waiting is None else replace(record, current=None, previous=None)
    return Change(left, Action.END, version.number, f"its {what} came to an end")


def _verdict(record: Record, new: Version, old: Version, lived: float, rules: Trial) -> Change | None:
    last = new.tally.runs >= rules.runs or lived - new.born >= rules.time or is_over(record, lived)
    counts = f"{new.tally.failed} of {new.tally.runs} runs failed, before {old.tally.failed} of {old.tally.runs}"
    if is_worse(new.tally, old.tally, looks=rules.runs, last=last):
        back = replace(record, trial=None)
        return Change(back, Action.ROLLBACK, new.number, f"worse than version {old.number}: {counts}")
    return Change(record.adopted(), Action.ADOPT, new.number, counts) if last else None
