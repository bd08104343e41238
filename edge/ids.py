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


def _encode(number: int, pairs: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(10 * (pairs - 1), -10, -10)])


class Minter:
    """Mints `<edge id>:<ULID>`. Any thread. `source` is the randomness seam: a seeded one repeats its ids."""

    def __init__(self, edge_id: str, clock: Clock, source: random.Random) -> None:
        self._prefix = f"{edge_id}:"
        self._clock = clock
        self._random = source
        self._lock = threading.Lock()
        self._millisecond = -1
        self._head = ""
        self._tail = 0

    def mint(self) -> str:
        millisecond = int(self._clock.wall() * 1000)
        with self._lock:
            if millisecond == self._millisecond:
                self._tail += 1
            else:
                self._millisecond = millisecond
                # The upper half of the random part is encoded once a millisecond; the lower half counts, from a
                # start that leaves it room for 2**39 ids.
                self._head = (
                    self._prefix + _encode(millisecond & (1 << 48) - 1, 5) + _encode(self._random.getrandbits(40), 4)
                )
                self._tail = self._random.getrandbits(39)
            tail = self._tail
            return (
                self._head
                + _PAIRS[tail >> 30]
                + _PAIRS[tail >> 20 & 1023]
                + _PAIRS[tail >> 10 & 1023]
                + _PAIRS[tail & 1023]
            )
