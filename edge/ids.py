"""ULIDs (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford's base 32, 26 characters.

Within one millisecond the random part counts up, so ids of one minter never repeat. They say nothing about order:
order comes from the journal's sequence, because the wall clock may step back.
"""

from __future__ import annotations

import random
import threading

from edge.clock import Clock

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]  # ten bits a look-up: the minter is on the hot path


_TAIL_BITS = 40
_RENEW = 1 << 10  # milliseconds, also what ten bits of time last


def _encode(number: int, pairs: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(10 * (pairs - 1), -10, -10)])


class Minter:
    """Mints `<edge id>:<ULID>`. Any thread. `source` is the randomness seam: a seeded one repeats its ids.

    The upper half of the random part is drawn about once a second, the lower half counts on from a random start, in
    2**39 steps: an id costs a few look-ups, and no two of one upper half are the same whatever the wall clock does.
    """

    def __init__(self, edge_id: str, clock: Clock, source: random.Random) -> None:
        self._prefix = f"{edge_id}:"
        self._clock = clock
        self._random = source
        self._lock = threading.Lock()
        self._span = -1
        self._head = ""  # the id up to the last ten bits of time
        self._upper = ""
        self._tail = 0

    def mint(self) -> str:
        milliseconds = int(self._clock.wall() * 1000)
        with self._lock:
            if milliseconds // _RENEW != self._span:
                self._renew(milliseconds)
            self._tail = tail = self._tail + 1
            return (
                self._head
                + _PAIRS[milliseconds & 1023]
                + self._upper
                + _PAIRS[tail >> 30]
                + _PAIRS[tail >> 20 & 1023]
                + _PAIRS[tail >> 10 & 1023]
                + _PAIRS[tail & 1023]
            )

    def _renew(self, milliseconds: int) -> None:
        self._span = milliseconds // _RENEW
        self._head = self._prefix + _encode(self._span & (1 << 40) - 1, 4)
        self._upper = _encode(self._random.getrandbits(_TAIL_BITS), 4)
        self._tail = self._random.getrandbits(_TAIL_BITS - 1)
