"""A sync on a workbench: an outbox that is a list, a broker in memory, a clock that stands still."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from edge import envelope
from edge.config.models import Broker
from edge.links.backoff import Backoff
from edge.model import Record, RecordClass, RecordKind, Stored, Verdict
from edge.sync.couriers import OutcomeCourier, PublishCourier
from edge.sync.sync import Sync
from edge.telemetry import Telemetry
from edge.testing.broker import FakeUpstream
from edge.testing.clock import VirtualClock

TOPIC = "edge/pi/outcomes"


class ListOutbox:
    """Records in a list; what was settled is kept with its verdict."""

    def __init__(self) -> None:
        self.records: list[Stored] = []
        self.settled: dict[int, tuple[Verdict, str]] = {}
        self.reads = 0

    @property
    def durable(self) -> int:
        return self.records[-1].sequence if self.records else 0

    def add(self, *, size: int = 0) -> int:
        number = self.durable + 1
        data: dict[str, Any] = {"task": "t", "status": "success", "event": {}, "result": number, "error": None}
        data |= {"attempts": 1, "duration_ms": 0.1, "usage": {}, "padding": "x" * size}
        body = envelope.seal(id=f"pi:{number}", edge_id="pi", task="t", time="2026-11-21T09:00:00.000Z", data=data)
        self.records.append(Stored(number, Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, f"pi:{number}", body)))
        return number

    def add_publish(self, topic: str, payload: Any) -> int:
        number = self.durable + 1
        body = orjson.dumps({"payload": payload, "correlation_id": "pi:0", "hops": 1})
        self.records.append(
            Stored(number, Record(RecordKind.PUBLISH, RecordClass.PUBLISH, f"pi:{number}", body, topic))
        )
        return number

    def pending(self, upstream: str, *, limit: int, max_bytes: int, after: int | None = None) -> Sequence[Stored]:
        self.reads += 1
        beyond = [stored for stored in self.records if stored.sequence > (after or 0)]
        return [stored for stored in beyond if stored.sequence not in self.settled][:limit]

    def settle(self, upstream: str, sequences: Sequence[int], verdict: Verdict, reason: str = "") -> int:
        for sequence in sequences:
            assert sequence not in self.settled, "settled twice"
            self.settled[sequence] = (verdict, reason)
        return len(sequences)

    def backlog(self, upstream: str) -> int:
        return len(self.records) - len(self.settled)

    def verdicts(self, verdict: Verdict) -> list[int]:
        return sorted(sequence for sequence, (what, _) in self.settled.items() if what is verdict)


class Bench:
    """`broker` has one consumer; `sync` ships to it."""

    def __init__(
        self, *, batch: int = 1, window: int = 64, every: float | None = None, publishes: bool = False
    ) -> None:
        self.clock = VirtualClock()
        self.broker = FakeUpstream(self.clock)
        self.outbox = ListOutbox()
        self.telemetry = Telemetry()
        self.link = self.broker.link(Broker(broker="mqtt://there"), client_id="edge-pi-up-default")
        courier: OutcomeCourier | PublishCourier
        courier = (
            PublishCourier(self.link) if publishes else OutcomeCourier(self.link, TOPIC, window=window, batch=batch)
        )
        self.sync = Sync(
            "default",
            self.outbox,
            courier,
            clock=self.clock,
            backoff=Backoff(random.Random(1)),
            telemetry=self.telemetry,
            every=every,
        )
        self.wanted: float | None = None

    def step(self, times: int = 5) -> None:
        for _ in range(times):
            self.wanted = self.sync.step()
            self.link.step(0)

    def connect(self) -> None:
        self.step(1)
        assert self.link.session is not None

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.step()

    @property
    def batches(self) -> list[int]:
        """How many outcomes each message held."""
        return [len(envelope.unpack(message.payload)) for message in self.broker.messages]

    @property
    def arrived(self) -> list[int]:
        return [outcome.result for outcome in self.broker.received]


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    return Bench
