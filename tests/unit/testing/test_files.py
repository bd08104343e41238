"""The memory disk loses what a real one may lose: each habit is met for some seed, and never more than that."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from edge.testing.files import MemoryFiles

SEEDS = range(300)
PATH = "/d/file"


def survivors(files_of: Callable[[], MemoryFiles]) -> set[bytes]:
    """What stands in the file after a power cut, over all seeds; None where it is gone."""
    found = set()
    for seed in SEEDS:
        files = files_of()
        files.crash(seed)
        found.add(files.read(PATH, 0, 10_000) if files.names("/d") else b"gone")
    return found


def with_base() -> MemoryFiles:
    files = MemoryFiles()
    file = files.append(PATH)
    file.write(b"a" * 512)
    file.sync()
    files.sync_folder("/d")
    return files


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    def written() -> MemoryFiles:
        files = with_base()
        file = files.append(PATH)
        file.write(b"b" * 512)
        file.write(b"c" * 512)
        return files

    found = survivors(written)
    a, b, c, zero = (letter * 512 for letter in (b"a", b"b", b"c", b"\0"))
    assert {a, a + b, a + b + c, a + zero + c, a + zero + zero, a + b + zero} <= found
    assert any(0 < one[512:1024].count(b"b") < 512 for one in found), "torn inside a sector"
    assert all(one.startswith(a) for one in found), "what was synced is lost"


def test_what_a_failed_sync_was_for_may_be_lost_although_a_later_one_succeeds() -> None:
    def written() -> MemoryFiles:
        files = with_base()
        file = files.append(PATH)
        file.write(b"b" * 512)
        files.fail("sync", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            file.sync()
        file.write(b"c" * 512)
        file.sync()
        assert files.read(PATH, 512, 512) == b"b" * 512  # the cache has it
        return files

    assert survivors(written) == {b"a" * 512 + middle * 512 + b"c" * 512 for middle in (b"b", b"\0")}


def test_a_reservation_is_zeros_until_what_was_written_in_it_is_synced() -> None:
    def written() -> MemoryFiles:
        files = with_base()
        file = files.append(PATH)
        file.reserve(2048)
        file.sync()
        file.write(b"b" * 512)
        return files

    found = survivors(written)
    assert {len(one) for one in found} == {2048}
    assert {one[512:1024] for one in found} >= {b"b" * 512, bytes(512)}


def test_a_truncation_is_two_calls_and_may_be_lost_between_them() -> None:
    def written() -> MemoryFiles:
        files = with_base()
        files.fail("sync", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            files.truncate(PATH, 100)
        assert files.size(PATH) == 100
        return files

    assert survivors(written) == {b"a" * 512, b"a" * 100}


def test_names_are_lost_independently_until_the_folder_is_synced() -> None:
    found = set()
    for seed in SEEDS:
        files = with_base()
        files.append("/d/new").sync()
        files.rename(PATH, "/d/renamed")
        files.crash(seed)
        found.add(tuple(files.names("/d")))
    assert found == {("file",), ("file", "new"), ("renamed",), ("new", "renamed")}


def test_the_end_of_a_process_loses_nothing_and_makes_nothing_durable() -> None:
    def killed() -> MemoryFiles:
        files = MemoryFiles()
        files.append(PATH).write(b"b" * 512)
        files.crash(power=False)
        assert files.read(PATH, 0, 512) == b"b" * 512
        return files

    assert survivors(killed) >= {b"gone", b"b" * 512, bytes(512)}
