"""The index of a segment says where to begin reading. It saves time, and nothing depends on it."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.journal import Journal
from edge.journal.frames import HEAD_SIZE, note
from edge.journal.index import Index
from edge.journal.segments import FOOTER, stream_seed
from edge.model import RecordKind, Verdict
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record
from .test_outbox import drain, fill

SEGMENT = f"{FOLDER}/telemetry-0000000001.log"
BIG = {"segment": 1 << 20}


def filled(opened: Opener, count: int = 4000) -> Journal:
    """A sealed segment of a megabyte and an open one."""
    journal = opened(**BIG)
    for start in range(0, count, 100):
        fill(journal, 100, start=start, size=300)
    return journal


class Counted(MemoryFiles):
    """Files that count what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0

    def read(self, path: str, offset: int, length: int) -> bytes:
        data = super().read(path, offset, length)
        self.bytes_read += len(data)
        return data


@pytest.fixture
def files() -> Counted:
    return Counted()


def cost(files: Counted, journal: Journal, number: int) -> int:
    """Bytes read to look up one record."""
    before = files.bytes_read
    found = journal.record(number + 1)
    assert found is not None
    assert found.record == record(number, size=300)
    return files.bytes_read - before


def test_one_record_is_found_without_reading_its_segment(opened: Opener, files: Counted) -> None:
    journal = filled(opened)
    assert max(cost(files, journal, number) for number in (0, 1500, 2500, 3999)) < 300_000

    files.crash(power=False)  # an open segment has its index again after a start
    journal = opened(**BIG)
    assert max(cost(files, journal, number) for number in (0, 1500, 2500, 3999)) < 300_000


def test_there_is_no_record_of_a_number_that_was_never_given(opened: Opener) -> None:
    journal = filled(opened, 300)

    assert journal.record(0) is None
    assert journal.record(301) is None
    journal.append([record(301)])
    assert journal.record(301) is None, "not durable yet"


def test_a_record_is_found_by_its_own_number_in_a_frame_of_many(opened: Opener) -> None:
    journal = opened()
    journal.append([record(1), record(2, RecordKind.PUBLISH), record(3)])
    journal.commit()

    found = [journal.record(sequence) for sequence in (1, 2, 3)]
    assert [stored.record for stored in found if stored] == [record(1), record(2, RecordKind.PUBLISH), record(3)]


def test_what_waits_deep_in_a_segment_is_reached_without_reading_what_was_delivered(
    opened: Opener, files: Counted
) -> None:
    journal = filled(opened)
    sequences = [stored.sequence for stored in drain(journal, limit=1000)]
    journal.settle("cloud", sequences[:2000], Verdict.DELIVERED)
    for after in (None, sequences[2500]):
        before = files.bytes_read
        found = journal.pending("cloud", limit=10, after=after)
        assert found[0].sequence == (sequences[2000] if after is None else sequences[2501])
        assert files.bytes_read - before < 300_000


@pytest.mark.parametrize("wrong", ["missing", "nonsense", "shifted", "columns"])
def test_a_wrong_index_costs_time_and_nothing_else(opened: Opener, files: Counted, wrong: str) -> None:
    journal = filled(opened)
    journal.settle("cloud", [stored.sequence for stored in drain(journal, limit=1000)][:1000], Verdict.DELIVERED)
    journal.close()
    rewrite_index(files, wrong)
    journal = opened(**BIG)

    assert [stored.record for stored in drain(journal, limit=100)] == [
        record(number, size=300) for number in range(1000, 4000)
    ]
    assert [journal.record(number + 1) is not None for number in (0, 1500, 2500)] == [True] * 3
    assert journal.stats()["degraded"] == []


def test_an_index_that_is_missing_is_learnt_by_reading(opened: Opener, files: Counted) -> None:
    filled(opened).close()
    rewrite_index(files, "missing")
    journal = opened(**BIG)
    assert cost(files, journal, 2500) > 600_000
    assert cost(files, journal, 2500) < 300_000


def rewrite_index(files: MemoryFiles, wrong: str) -> None:
    """Put another index into the footer of the first segment, with a checksum that fits."""
    size = files.size(SEGMENT)
    (at,) = struct.unpack("<Q", files.read(SEGMENT, size - 8, 8))
    footer = orjson.loads(files.read(SEGMENT, at + HEAD_SIZE + 1, size - at - HEAD_SIZE - 9))
    index: Any = footer.pop("index")
    if wrong != "missing":
        footer["index"] = {
            "nonsense": {"a": "b"},
            "shifted": [*index[:3], [offset + 7 for offset in index[3]]],
            "columns": index[:3],
        }[wrong]
    state = next(name for name in files.names(FOLDER) if name.startswith("state"))
    seed = orjson.loads(files.read(f"{FOLDER}/{state}", 13 + HEAD_SIZE + 1, 10_000).partition(b"\xd7J")[0])["seed"]
    data = note(FOOTER, orjson.dumps(footer), footer["last"] + 1, 0.0, stream_seed(seed, "telemetry"))
    files.truncate(SEGMENT, at)
    file = files.append(SEGMENT)
    file.write(data + struct.pack("<Q", at))
    file.sync()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 200_000), max_size=3000), st.integers(0, 10**9))
def test_an_index_is_bounded_and_never_points_behind_what_is_wanted(lengths: list[int], wanted: int) -> None:
    index, offset, frames = Index(), 0, []
    for number, length in enumerate(lengths):
        frames.append((number * 2, offset))
        if offset >= index.due:
            index.add(number * 2, number, 0, offset)
        offset += length
    index = Index.load(index.dump())
    sequence = wanted % (2 * len(lengths) + 1)
    found = index.seek(sequence=sequence, outcomes=wanted if wanted < len(lengths) else None)

    assert len(index) <= 512
    if found is not None:
        at, first = found
        assert (first, at) in frames
        assert first <= sequence or first // 2 <= wanted
