"""Topic filters of MQTT (5.0, section 4.7): what matches, what covers what, and which sources a topic belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
_REMEMBERED = 4096  # topics whose sources are known by heart


def matches(filter: str, topic: str) -> bool:
    """Whether a topic lies inside a filter. Wildcards at the first level do not match topics that begin with `$`."""
    wanted, levels = _levels(filter), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    return _inside(wanted, levels)


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic inside `narrow` is inside `wide`."""
    if wide.startswith("$share/") or narrow.startswith("$share/"):
        return wide == narrow
    wanted, levels = wide.split("/"), narrow.split("/")
    if narrow.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or levels[index] == "#" or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def overlap(one: str, other: str) -> bool:
    """Whether some topic is inside both."""
    shorter, longer = sorted((_levels(one), _levels(other)), key=len)
    for left, right in zip(shorter, longer, strict=False):
        if "#" in (left, right):
            return True
        if left != right and "+" not in (left, right):
            return False
    return longer[len(shorter) :] in ([], ["#"])


def _levels(filter: str) -> list[str]:
    levels = filter.split("/")
    return levels[2:] if levels[0] == "$share" and len(levels) > 2 else levels


def _inside(wanted: list[str], levels: list[str]) -> bool:
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


class Topics(Generic[T]):
    """Which entries a topic belongs to, in their given order. A bounded memory answers for topics seen before.

    One thread at a time. When more distinct topics come than are remembered, the memory starts anew: cheaper than
    keeping it in order, and a stream of ever new topics has no use for it anyway.
    """

    def __init__(self, entries: Mapping[str, tuple[T, ...]]) -> None:
        self._entries = tuple(entries.items())
        self._known: dict[str, tuple[T, ...]] = {}

    def find(self, topic: str) -> tuple[T, ...]:
        """The entries of all filters that match."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = tuple(entry for filter, entries in self._entries if matches(filter, topic) for entry in entries)
            self._known[topic] = found
        return found


def covering(filters: Mapping[str, int]) -> dict[str, int]:
    """Filter -> QoS without the filters that another covers.

    A broker may deliver a message once for each subscription it matches; one subscription that covers several
    sources gets it once, and `Topics` knows whose it is. The covering filter takes the highest QoS among them.
    """
    kept: dict[str, int] = {}
    for filter, qos in sorted(filters.items(), key=lambda item: item[0].count("/")):
        wider = next((known for known in kept if covers(known, filter)), None)
        if wider is not None:
            kept[wider] = max(kept[wider], qos)
        else:
            for narrow in [known for known in kept if covers(filter, known)]:
                qos = max(qos, kept.pop(narrow))
            kept[filter] = qos
    return kept
