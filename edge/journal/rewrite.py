"""Writing a sealed segment anew with some of its frames: the few that live among many, or those that are intact.

The frames are copied byte for byte. Each says what stood before it, so a record keeps its place and its number, and
what is left out is simply not there. A power cut leaves the old file or the new one, and both fit the books.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from edge.journal.files import Files
from edge.journal.frames import HEAD_SIZE, Frame
from edge.journal.outbox import Outbox
from edge.journal.segments import Segment

SUFFIX = ".new"


def rewrite(
    files: Files, folder: str, outbox: Outbox, segment: Segment, keep: Callable[[Frame], bool], wall: float
) -> int:
    """Replace the segment's file; returns the bytes written. What is left out must be settled, durably, before the
    call. Raises OSError; then the old file stands."""
    path = f"{folder}/{segment.name}"
    aside = path + SUFFIX
    if segment.name + SUFFIX in files.names(folder):
        files.remove(aside)
    begin = segment.header.dump()  # what stands in the file may be damaged
    size, crc = len(begin), crc32(begin)
    file = files.append(aside)
    try:
        file.write(begin)
        for frame in outbox.frames(segment):
            if keep(frame):
                data = frame.data[frame.start - HEAD_SIZE : frame.stop]
                file.write(data)
                size, crc = size + len(data), crc32(data, crc)
        before = segment.size, segment.crc, segment.body
        segment.size, segment.crc, segment.body = size, crc, len(begin)
        try:
            footer = segment.footer(wall)
            file.write(footer)
            file.sync()
            files.rename(aside, path)
        except OSError:
            segment.size, segment.crc, segment.body = before
            raise
    finally:
        file.close()
    segment.length, segment.rewritten = size + len(footer), True
    for marks in segment.marks.values():
        marks.start = 0
    outbox.forget(segment)
    files.sync_folder(folder)
    return segment.length
