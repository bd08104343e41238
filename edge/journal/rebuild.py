"""A segment whose header is damaged: what its frames, its neighbour and the checkpoint still say."""

from __future__ import annotations

from dataclasses import replace

from edge.journal.files import Files
from edge.journal.frames import Frame, walk
from edge.journal.keys import FileKey, Keyring
from edge.journal.segments import DEAD, Header, Segment, described, parse_name, stream_seed
from edge.journal.statelog import State


def has_frames(files: Files, folder: str, name: str, state: State) -> bool:
    """Whether any frame of its stream is intact in the file, wherever it belongs and whatever opens it."""
    return _first(files, folder, name, state, -1) is not None


def _first(files: Files, folder: str, name: str, state: State, after: int) -> Frame | None:
    """The first intact frame behind that sequence number; a closed one is not opened."""
    place, path = parse_name(name), f"{folder}/{name}"
    if place is None:
        return None
    for about in (b"", b"?"):  # as of a plain segment, then as of one whose key is missing
        key = FileKey(stream_seed(state.seed, place[0]), about=about, needs=about.decode())
        for found in walk(lambda at, size: files.read(path, at, size), 0, files.size(path), key, after=after):
            if isinstance(found, Frame) and not found.is_note:
                return found
    return None


def rebuild(
    files: Files, folder: str, name: str, state: State, previous: Segment | None, keys: Keyring
) -> Segment | None:
    """The segment with a header as it must have been; None where no intact frame is left that may stand in it, or what
    would open them is lost.

    The checkpoint knows it best; else it follows the segment before it, or what the checkpoint says of the stream;
    else it begins with its first intact frame.
    """
    place, (salt, master) = parse_name(name), state.salts.get(name, ("", ""))
    frame = _first(files, folder, name, state, previous.last if previous is not None else -1)
    if place is None or frame is None or (frame.closed and not salt):
        return None
    stream, number = place
    first, outcomes, publishes = frame.sequence, frame.outcomes, frame.publishes
    upstreams = () if stream == DEAD else tuple(state.upstreams)
    counts = dict.fromkeys(upstreams, outcomes)
    at_checkpoint = state.streams.get(stream)
    known = state.segments.get(name)
    if known is not None:
        first, (outcomes, publishes) = known["first"], known["before"]
        upstreams, counts = tuple(known["upstreams"]), known["counts"]
    elif previous is not None:
        upstreams = previous.header.upstreams
        if previous.sealed:  # else its end is not known yet, and the frame's own word must do
            first = previous.last + 1
            outcomes = previous.header.outcomes + previous.outcomes
            publishes = previous.header.publishes + previous.publishes
        counts = dict(previous.header.counts)
        for upstream in upstreams:
            counts[upstream] = counts.get(upstream, 0) + outcomes - previous.header.outcomes
    elif at_checkpoint is not None:  # it began after the checkpoint, and all before it were deleted
        outcomes, publishes, counts = (at_checkpoint[key] for key in ("outcomes", "publishes", "counts"))
    header = Header(
        seed=state.seed,
        stream=stream,
        number=number,
        first=first,
        outcomes=outcomes,
        publishes=publishes,
        upstreams=upstreams,
        counts=counts,
        totals={},
        age=state.age,
        wall=frame.wall,
        salt=salt,
        key=master,
    )
    # The file's own name, which may be spelt otherwise than ours are.
    return replace(described(keys, header, frame.offset, files.size(f"{folder}/{name}")), name=name)
