"""Which subscriptions a gateway makes: one for several sources where one covers them, those of devices apart."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from edge.config.models import Mqtt
from edge.ingest.topics import covering, overlap

log = logging.getLogger(__name__)


class Chosen(NamedTuple):
    """Filter -> QoS. Of `states` the broker is asked at each connection for what it keeps: that is how a device is."""

    events: dict[str, int]
    states: dict[str, int]


def choose(settings: Mqtt, *, commands: Iterable[str], devices: Collection[str]) -> Chosen:
    """The filters of `subscribe:`, of commands and of devices on the broker; says which of them overlap."""
    wanted = dict.fromkeys((*devices, *commands), 1)
    for entry in settings.subscribe.values():
        wanted[entry.topic] = max(entry.qos, wanted.get(entry.topic, 0))
    chosen = covering(wanted)
    _warn_of_overlaps(list(chosen))
    subscribed = {entry.topic for entry in settings.subscribe.values()}
    states = {filter: qos for filter, qos in chosen.items() if filter in devices and filter not in subscribed}
    return Chosen({filter: qos for filter, qos in chosen.items() if filter not in states}, states)


def _warn_of_overlaps(filters: Sequence[str]) -> None:
    for one, other in itertools.combinations(filters, 2):
        if overlap(one, other):
            log.warning(
                "topics inside both %s and %s may come twice: the broker may send one message a subscription; "
                "subscribe to one filter that covers both",
                one,
                other,
                extra={"action": "subscriptions_overlap"},
            )
