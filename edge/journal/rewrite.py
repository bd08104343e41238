"""Writing a sealed segment in one go: one anew with some of its frames, the few that live among many or those that are
intact; or one of records that stood elsewhere.

Frames are copied byte for byte. Each says what stood before it, so a record keeps its place and its number, and what is
left out is simply not there. A power cut leaves the old file or the new one, and both fit the books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from zlib import crc32

from edge.journal.files import Files
from edge.journal.frames import CHUNK, Frame
from edge.journal.index import Index
from edge.journal.outbox import Outbox
from edge.journal.segments import VERSION, Segment

SUFFIX = ".new"


def rewrite(
    files: Files, folder: str, outbox: Outbox, segment: Segment, keep: Callable[[Frame], bool], wall: float
) -> int:
    """Replace the segment's file; returns the bytes written. What is left out must be settled, durably, before the
    call. Raises OSError; then the old file stands."""
    new = replace(segment)
    kept = (frame.whole for frame in outbox.frames(segment) if keep(frame))
    write_whole(files, folder, new, kept, wall)
    segment.header, segment.body, segment.size, segment.length = new.header, new.body, new.size, new.length
    segment.crc, segment.index, segment.rewritten = new.crc, new.index, True
    outbox.forget(segment)
    files.sync_folder(folder)
    return segment.length


def write_whole(files: Files, folder: str, segment: Segment, frames: Iterable[bytes], wall: float) -> None:
    """Write a segment's file with these frames and its footer, in place of the one there may be, and let `segment`
    describe it; its counts are the caller's. Raises OSError: then the old file stands, and `segment` means nothing.
    The folder is still to be synced."""
    path = f"{folder}/{segment.name}"
    aside = path + SUFFIX
    if segment.name + SUFFIX in files.names(folder):
        files.remove(aside)
    segment.header, segment.index = replace(segment.header, version=VERSION), Index()
    begin = segment.header.dump()  # what stands in the file may be damaged
    segment.body = segment.size = len(begin)
    segment.crc = crc32(begin)
    file = files.append(aside)
    try:
        file.write(begin)
        for data in _gathered(frames):
            file.write(data)
            segment.chart(data)
            segment.size, segment.crc = segment.size + len(data), crc32(data, segment.crc)
        footer = segment.footer(wall)
        file.write(footer)
        file.sync()
        files.rename(aside, path)
    finally:
        file.close()
    segment.length, segment.sealed = segment.size + len(footer), True


def _gathered(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The frames in lots that are worth a call."""
    lot: list[bytes] = []
    size = 0
    for frame in frames:
        lot.append(frame)
        size += len(frame)
        if size >= CHUNK:
            yield b"".join(lot)
            lot, size = [], 0
    if lot:
        yield b"".join(lot)
