"""A segment whose header is damaged: what its frames, its neighbour and the checkpoint still say."""

from __future__ import annotations

from edge.journal.files import Files
from edge.journal.frames import Frame, walk
from edge.journal.keys import FileKey, Keyring
from edge.journal.segments import DEAD, Header, Segment, begun, parse_name, stream_seed
from edge.journal.statelog import State


def rebuild(
    files: Files, folder: str, name: str, state: State, previous: Segment | None, keys: Keyring
) -> Segment | None:
    """The segment with a header as it must have been; None where no intact frame is left in it, or none that opens.

    The checkpoint knows it best; else it follows the segment before it, or what the checkpoint says of the stream;
    else it begins with its first intact frame.
    """
    place = parse_name(name)
    salt, master = state.salts.get(name, ("", ""))
    frame = first_frame(files, folder, name, state.seed)
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
        first, upstreams = previous.last + 1, previous.header.upstreams
        if previous.sealed:  # else its end is not known yet, and the frame's own word must do
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
    segment = begun(keys, header)
    segment.body = segment.size = frame.offset
    segment.length = files.size(f"{folder}/{name}")
    return segment


def first_frame(files: Files, folder: str, name: str, seed: int) -> Frame | None:
    """The first intact frame of a segment whose header is not known; it is not opened."""
    path, place = f"{folder}/{name}", parse_name(name)
    if place is None:
        return None
    for about in (b"", b"?"):  # as of a plain segment, then as of one whose key is missing
        key = FileKey(stream_seed(seed, place[0]), about=about, needs=about.decode())
        for found in walk(lambda at, size: files.read(path, at, size), 0, files.size(path), key):
            if isinstance(found, Frame) and not found.is_note:
                return found
    return None
