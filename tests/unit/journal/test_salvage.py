"""Finding what is intact behind a damaged place, whatever stands there."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest

from edge.journal import frames
from edge.journal.frames import Frame, Gap, encode, seal, walk
from edge.journal.keys import PLAIN

from .conftest import record

SIZE = 300_000


def frame(number: int, size: int = 100) -> bytes:
    front, body, flags = encode([record(number, size=size)], None)
    crc = crc32(body, crc32(front, PLAIN.seed))
    return seal(len(front) + len(body), flags, number, 0.0, 0, 0, crc) + front + body


def found(data: bytes) -> list[int]:
    """The numbers of the frames that are found behind a damaged beginning."""
    pieces = list(walk(lambda at, length: data[at : at + length], 0, len(data), PLAIN))
    assert isinstance(pieces[0], Gap)
    return [piece.sequence for piece in pieces if isinstance(piece, Frame)]


def heads(size: int) -> bytes:
    """As many heads of large frames as fit, none of which is one."""
    head = struct.pack("<2sIHIQdII", frames.MARKER, 0, 1, SIZE // 3, 5, 0.0, 0, 0)
    return head * (size // len(head))


@pytest.mark.parametrize("size", [10, 5_000, 200_000])
def test_a_frame_of_any_size_is_found_behind_damage(size: int) -> None:
    assert found(b"rotten\xd7J\xd7" * 50 + frame(7, size) + frame(8)) == [7, 8]


def test_the_effort_is_bounded_where_somebody_wrote_heads_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def counted(data: bytes, start: int = 0) -> int:
        checked.append(len(data))
        return crc32(data, start)

    monkeypatch.setattr(frames, "crc32", counted)
    crafted = heads(SIZE)
    assert found(crafted + frame(7)) == [7]
    assert sum(checked) < 25 * SIZE
