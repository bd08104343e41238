"""What holds for a journal in the clear holds for one that is encrypted: a ring of keys for each."""

from __future__ import annotations

import random

import pytest

from edge.journal import Keyring

MASTER, FORMER = bytes(range(32)), bytes(range(32, 64))

both = pytest.mark.parametrize("encrypted", [False, True], ids=("plain", "encrypted"))


def ring(encrypted: bool, seed: int = 0) -> Keyring:
    """The keys of one world, with salts that follow from its seed."""
    return Keyring(MASTER if encrypted else None, draw=random.Random(seed).randbytes)
