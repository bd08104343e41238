"""A number closes once under a key, whatever happens to the disk and however often the journal is opened: were it
twice, two closed texts together would give both away, and anybody could make frames that open."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import crypto
from edge.journal import Keyring, Limits, read_journal
from edge.testing.files import PowerCut

from .rings import FORMER, MASTER
from .test_power_cut import FOLDER, THIN, TIGHT, World

SMALL = Limits(max_size=10_000_000, segment=4_096, keep_delivered=0)


class Used:
    """Every key and nonce that closed something, and whether a pair came twice with another text."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[bytes, bytes], bytes] = {}
        self.twice = 0

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Stands between our code and the library."""
        used, real = self, crypto.AESGCM

        class Recorder:
            def __init__(self, key: bytes) -> None:
                self._key = key
                self._aes = real(key)

            def encrypt(self, nonce: bytes, text: bytes, about: bytes) -> bytes:
                closed = self._aes.encrypt(nonce, text, about)
                used.twice += (self._key, nonce) in used.pairs
                used.pairs[self._key, nonce] = closed
                return closed

            def decrypt(self, *args: Any) -> bytes:
                return self._aes.decrypt(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(crypto, "AESGCM", Recorder)
            yield


class Troubled(World):
    """A world whose disk refuses now and then, and whose owner changes keys and mends."""

    def begin(self) -> None:
        if self.dice.random() < 0.3:
            masters = [MASTER, FORMER]
            self.dice.shuffle(masters)
            self.keys = Keyring(masters[0], masters[1:], draw=self.dice.randbytes)
        super().begin()

    def open(self) -> Any:
        with contextlib.suppress(OSError):
            return super().open()
        self.files.faults.clear()
        self.files.locks.clear()
        return super().open()

    def step(self) -> None:
        action = self.dice.random()
        if action < 0.06:
            operation = self.dice.choice(("write", "sync", "sync_folder", "rename", "truncate", "create", "remove"))
            code = self.dice.choice((errno.EIO, errno.ENOSPC))
            times, skip = self.dice.choice((1, 1, 2, 4)), self.dice.randrange(4)
            self.files.fail(operation, code, name=self.dice.choice(("", "state", "telemetry")), times=times, skip=skip)
        with contextlib.suppress(OSError):
            if action < 0.12:
                self.journal.table("memory").insert({"n": self.names})
            elif action < 0.14:
                self.journal.mend(read_journal(FOLDER, files=self.files, keys=self.keys).verify())
            elif action < 0.16:
                self.journal.close()
                self.begin()
            else:
                super().step()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    limits=st.sampled_from((SMALL, TIGHT, THIN)),
    cuts=st.lists(st.tuples(st.integers(0, 120), st.booleans()), min_size=1, max_size=6),
)
def test_no_number_closes_twice_under_a_key(seed: int, limits: Limits, cuts: list[tuple[int, bool]]) -> None:
    used = Used()
    with used.recorded():
        world = Troubled(seed, limits, encrypted=True)
        world.begin()
        for cut, power in cuts:
            world.files.cut_at = world.files.steps + cut
            with contextlib.suppress(PowerCut):
                for _ in range(120):
                    world.step()
            world.files.faults.clear()
            world.files.crash(seed + cut, power=power)
            world.begin()

    assert not used.twice
    assert len(used.pairs) > 1
