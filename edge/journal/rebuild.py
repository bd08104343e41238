"""A segment whose header is damaged: what its frames, its neighbour and the checkpoint still say."""

from __future__ import annotations

from edge.journal.files import Files
from edge.journal.frames import Frame, walk
from edge.journal.segments import DEAD, Header, Segment, parse_name, stream_seed
from edge.journal.statelog import State


def has_frames(files: Files, folder: str, name: str, state: State) -> bool:
    """Whether any frame of its stream is intact in the file, wherever it belongs."""
    return _first(files, folder, name, state, -1) is not None


def _first(files: Files, folder: str, name: str, state: State, after: int) -> Frame | None:
    """The first intact frame behind that sequence number."""
    place, path = parse_name(name), f"{folder}/{name}"
    if place is None:
        return None
    seed = stream_seed(state.seed, place[0])
    found = walk(lambda at, size: files.read(path, at, size), 0, files.size(path), seed, after=after)
    return next((frame for frame in found if isinstance(frame, Frame) and not frame.is_note), None)


def rebuild(files: Files, folder: str, name: str, state: State, previous: Segment | None) -> Segment | None:
    """The segment with a header as it must have been; None where no intact frame is left that may stand in it.

    The checkpoint knows it best; else it follows the segment before it, or what the checkpoint says of the stream;
    else it begins with its first intact frame.
    """
    place = parse_name(name)
    frame = _first(files, folder, name, state, previous.last if previous is not None else -1)
    if place is None or frame is None:
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
    )
    return Segment(
        name, header, frame.offset, frame.offset, files.size(f"{folder}/{name}"), last=first - 1, age=state.age
    )
