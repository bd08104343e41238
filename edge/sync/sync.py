"""One upstream's outcomes travel, oldest first, inside the window that the other side allows.

Invariants
- Every record is sent at most once a connection. What was not answered when a connection ended is read from the
  outbox again on the next one: same bytes, same id.
- A record is settled in the outbox by an answer, and by nothing else; what is too large for ever is answered by us.
- A message holds records accepted before this connection, or after it, never both: late ones are marked `replayed`.
- A refused batch is sent again one by one, so that the one record that is refused does not take others with it.
- Nothing is retried blindly: "later" and "forbidden" wait for their back-off, and the outbox keeps the records.
- A record that costs connections is found: many brokers (AWS IoT, HiveMQ, Mosquitto) answer what they forbid by
  ending the connection. After two that ended at once with nothing answered, records go alone, one under way; the one
  that still costs every connection is to blame, and the courier says what that means.

When a message is sent. Without `every`: at once while nothing is under way; while something is, records gather until
`batch` of them are there or the answer comes. With `every`: when `batch` are there, or the oldest has waited that
long. What waits when a connection comes up is sent immediately.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from edge.clock import Clock
from edge.links.backoff import Backoff
from edge.model import Stored, Verdict
from edge.sync.couriers import Answer, Courier, Fate
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

_AT_ONCE = 5.0  # seconds: a connection that ends sooner after a message may have ended because of it
_CAREFUL = 2  # connections in a row after which records go alone
_BLAME = 6  # connections in a row after which the one record under way is to blame
_DISK_PAUSE = 1.0  # seconds until the outbox is tried again after its disk refused
_READ_AHEAD = 200  # records read in one go at least; the outbox's cost is in the going


class Outbox(Protocol):
    """What sync needs of the journal. Any thread."""

    @property
    def durable(self) -> int:
        """The newest sequence that is on the disk."""
        ...

    def pending(self, upstream: str, *, limit: int, max_bytes: int, after: int | None = None) -> Sequence[Stored]:
        """Durable records without a verdict, oldest first, behind `after`; at least one if there is one."""
        ...

    def settle(self, upstream: str, sequences: Sequence[int], verdict: Verdict, reason: str = "") -> object:
        """What became of them, for good."""
        ...

    def backlog(self, upstream: str) -> int:
        """How many are pending."""
        ...


class SyncState(StrEnum):
    OFFLINE = "offline"
    PAUSED = "paused"
    IDLE = "idle"
    SENDING = "sending"
    WAITING = "waiting"  # the other side asked for a pause, or refuses


@dataclass(frozen=True, slots=True)
class Report:
    """`edge sync status`, one line."""

    name: str
    state: SyncState
    pending: int
    delivered: int
    paused: bool
    last_error: str


@dataclass(slots=True, eq=False)
class _Flight:
    """A message under way."""

    sequences: list[int]
    connection: int
    sent: float
    answer: Answer | None = None


class Sync:
    """Everything belongs to the courier's thread, which calls `step` before each step of its link; `wake`, `pause`,
    `resume`, `now` and `report` are for all threads."""

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        courier: Courier,
        *,
        clock: Clock,
        backoff: Backoff,
        telemetry: Telemetry,
        every: float | None = None,
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._courier = courier
        self._clock = clock
        self._backoff = backoff
        self._every = every
        self._delivered = telemetry.counter("edge_sync_delivered_total", upstream=name)
        self._dead = telemetry.counter("edge_sync_dead_total", upstream=name)
        self._unheard = telemetry.counter("edge_sync_unheard_total", upstream=name)
        self._repeats = telemetry.counter("edge_sync_sent_again_total", upstream=name)
        self._connection = 0
        self._boundary = 0  # the newest sequence when this connection began
        self._newest = -1  # durable sequence at the last look into the outbox
        self._cursor: int | None = None  # the newest record read on this connection
        self._gathered: deque[Stored] = deque()
        self._since = 0.0  # when the oldest gathered record was read
        self._flights: deque[_Flight] = deque()
        self._strikes = 0  # connections in a row that ended at once after a message, with nothing answered
        self._answered = False  # something was, on this connection
        self._alone = 0  # records up to here go one by one
        self._hold = 0.0  # nothing is sent before
        self._again = False  # records were put off: read from the oldest when all flights have landed
        self._hurry = False  # what was gathered goes without waiting for company
        self._asked = False  # someone said `now`
        self._paused = False
        self._error = ""

    # -- any thread -----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be new records: call it when something became durable."""
        self._courier.wake()

    def pause(self) -> None:
        """Send nothing more; what is under way is answered."""
        self._paused = True

    def resume(self) -> None:
        """Go on with what the outbox has now: some of what was gathered before may be given up meanwhile."""
        self._again = True
        self._paused = False
        self.wake()

    def now(self) -> None:
        """Do not wait for a batch or a back-off this once."""
        self._asked = True
        self.wake()

    def report(self) -> Report:
        if self._paused:
            state = SyncState.PAUSED
        elif not self._connection:
            state = SyncState.OFFLINE
        elif self._hold > self._clock.monotonic():
            state = SyncState.WAITING
        else:
            state = SyncState.SENDING if self._flights else SyncState.IDLE
        pending = self._outbox.backlog(self.name)
        return Report(self.name, state, pending, self._delivered.value, self._paused, self._error)

    # -- the courier's thread -------------------------------------------------------------------------------------

    def step(self) -> float | None:
        """Settle what was answered, send what may be sent. Seconds until it wants to be called again, None if only
        an answer, a connection or `wake` can change anything."""
        try:
            return self._step()
        except OSError as error:  # of the outbox: its disk refuses
            return self._endure(error)

    def _step(self) -> float | None:
        connection = self._courier.connection
        if connection != self._connection:
            self._begin(connection)
        if not connection:
            return None
        self._land()
        now = self._clock.monotonic()
        if self._asked:
            self._asked = False
            self._hurry = True
            self._hold = 0.0
        if not self._paused and self._hold <= now and not self._restart():
            self._send(now)
        return self._deadline(now)

    def _endure(self, error: OSError) -> float:
        """Nothing was noted: the flights stay until it can be, and what was gathered is read again after them."""
        reason = f"the journal refuses: {error.strerror or error}"
        if reason != self._error:
            log.error("%s: %s", self.name, reason, extra={"action": "sync_refused", "upstream": self.name})
        self._error = reason
        self._again = True
        return _DISK_PAUSE

    def _begin(self, connection: int) -> None:
        """Another connection, or none: what the old one did not answer is forgotten here, not in the outbox."""
        self._land()
        if self._flights:
            self._repeats.add(sum(len(flight.sequences) for flight in self._flights))
            self._judge(self._flights[0])
        self._connection = connection
        self._answered = False
        self._flights.clear()
        self._rewind()
        self._boundary = self._outbox.durable
        self._hurry = True

    def _judge(self, oldest: _Flight) -> None:
        """A connection ended with this message unanswered: was it the message's fault?"""
        if self._answered or self._clock.monotonic() - oldest.sent >= _AT_ONCE:
            self._strikes = 0
            return
        self._strikes += 1
        if self._strikes >= _BLAME and len(oldest.sequences) == 1:
            oldest.answer = self._courier.blame(self._strikes)
            self._put_off(oldest, oldest.answer)
            self._strikes = _CAREFUL if oldest.answer.fate is Fate.REFUSED else self._strikes

    def _rewind(self) -> None:
        self._gathered.clear()
        self._cursor = None
        self._newest = -1
        self._again = False

    def _restart(self) -> bool:
        """Whether sending has to wait for flights to land before it begins again at the oldest record."""
        if self._again and not self._flights:
            self._rewind()
        return self._again

    def _send(self, now: float) -> None:
        courier = self._courier
        window = courier.window if self._strikes < _CAREFUL else 1
        while len(self._flights) < window and courier.free:
            self._gather(now)
            batch = self._cut(now)
            if not batch:
                break
            flight = _Flight([stored.sequence for stored in batch], self._connection, now)

            def answered(answer: Answer, flight: _Flight = flight) -> None:
                flight.answer = answer

            try:
                courier.send(batch, batch[0].sequence <= self._boundary, answered)
            except ValueError as error:
                self._bury(flight.sequences, str(error))
            else:
                self._flights.append(flight)
        if not self._gathered:
            self._hurry = False

    def _gather(self, now: float) -> None:
        """Read on when less than a batch is here and something new may be there."""
        wanted = self._courier.batch
        durable = self._outbox.durable
        if len(self._gathered) >= wanted or self._newest == durable:
            return
        if self._every is None and self._flights and not self._hurry:
            possible = durable - max(self._cursor or 0, self._newest)
            if len(self._gathered) + possible < wanted:
                return  # it could not fill a batch, and while something is under way only a full one goes
        limit = max(wanted, _READ_AHEAD)
        found = self._outbox.pending(self.name, limit=limit, max_bytes=1 << 20, after=self._cursor)
        if not found:
            self._newest = durable
            return
        if not self._gathered:
            self._since = now
        self._gathered.extend(found)
        self._cursor = found[-1].sequence

    def _cut(self, now: float) -> list[Stored]:
        """The next message's records, or none while it is better to wait."""
        gathered, courier = self._gathered, self._courier
        capacity = courier.capacity
        batch: list[Stored] = []
        size = full = 0
        while gathered and not full:
            stored = gathered[0]
            weight = len(stored.record.body) + 1
            if weight > capacity and not batch:
                gathered.popleft()
                self._bury([stored.sequence], f"{weight} bytes: the other side takes {capacity} in one message")
                continue
            boundary = batch and (stored.sequence <= self._boundary) != (batch[0].sequence <= self._boundary)
            alone = stored.sequence <= self._alone or self._strikes >= _CAREFUL
            if batch and (boundary or alone or size + weight > min(courier.size, capacity)):
                full = True
                break
            batch.append(gathered.popleft())
            size += weight
            full = alone or len(batch) >= courier.batch
        if not batch or full or self._hurry or self._is_time(now):
            return batch
        gathered.extendleft(reversed(batch))
        return []

    def _is_time(self, now: float) -> bool:
        if self._every is not None:
            return now - self._since >= self._every
        return not self._flights

    def _deadline(self, now: float) -> float | None:
        times = []
        if self._flights:
            times.append(self._flights[0].sent + self._courier.patience)
            if times[0] <= now:
                self._courier.give_up(f"no acknowledgement for {now - self._flights[0].sent:.0f} s")
        if self._hold > now:
            times.append(self._hold)
        elif self._gathered and self._every is not None and not self._paused:
            times.append(self._since + self._every)
        return max(0.0, min(times) - now) if times else None

    # -- answers --------------------------------------------------------------------------------------------------

    def _land(self) -> None:
        """Settle the flights that were answered; each stays until its settling has returned."""
        delivered: list[_Flight] = []
        others: list[tuple[_Flight, Answer]] = []
        for flight in self._flights:
            if flight.answer is None:
                continue
            self._answered = True
            self._strikes = 0
            if flight.answer.fate is Fate.DELIVERED:
                delivered.append(flight)
            else:
                others.append((flight, flight.answer))
        if delivered:
            self._deliver(delivered)
        for flight, answer in others:
            self._put_off(flight, answer)
            self._flights.remove(flight)

    def _deliver(self, flights: Sequence[_Flight]) -> None:
        sequences = [sequence for flight in flights for sequence in flight.sequences]
        self._outbox.settle(self.name, sequences, Verdict.DELIVERED)
        self._flights = deque(flight for flight in self._flights if flight not in flights)
        self._delivered.add(len(sequences))
        self._backoff.reset()
        unheard = ""
        for flight in flights:
            if flight.answer is not None and flight.answer.reason:
                unheard = flight.answer.reason
                self._unheard.add(len(flight.sequences))
        if unheard and unheard != self._error:
            log.warning("%s: %s", self.name, unheard, extra={"action": "sync_unheard", "upstream": self.name})
        self._error = self._error if self._again else unheard

    def _put_off(self, flight: _Flight, answer: Answer) -> None:
        self._error = answer.reason
        if answer.fate is Fate.REFUSED and len(flight.sequences) == 1:
            self._bury(flight.sequences, answer.reason)
            return
        self._again = True
        if answer.fate is Fate.REFUSED:
            self._alone = max(self._alone, flight.sequences[-1])
            return
        now = self._clock.monotonic()
        if self._hold > now:
            return
        self._hold = now + (self._backoff.next() if answer.fate is Fate.LATER else self._backoff.long())
        log.warning(
            "%s: not now: %s", self.name, answer.reason, extra={"action": "sync_put_off", "upstream": self.name}
        )

    def _bury(self, sequences: Sequence[int], reason: str) -> None:
        self._error = reason
        self._outbox.settle(self.name, sequences, Verdict.DEAD, reason)
        self._dead.add(len(sequences))
        log.error("%s: refused for good: %s", self.name, reason, extra={"action": "sync_dead", "upstream": self.name})
