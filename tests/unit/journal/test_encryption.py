"""A journal that is encrypted: nothing of what it keeps can be read from its files, and with the key it is a journal
like any other."""

from __future__ import annotations

import builtins
import errno
import shutil
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from edge.journal import (
    PUBLISHES,
    Journal,
    JournalError,
    JournalKeyMissing,
    Keyring,
    key_id,
    open_journal,
    read_journal,
)
from edge.journal.frames import HEAD_SIZE, Frame, walk
from edge.journal.keys import FileKey
from edge.journal.segments import Segment
from edge.model import Delivery, Record, RecordClass, RecordKind, Verdict
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

from .conftest import FOLDER, Opener, record

NEW, OLD = bytes(range(32)), bytes(range(32, 64))
RING = Keyring(NEW)
SECRETS = (b"box:", b"%0100d" % 5, b"plant/fan", b"hidden field", b"hidden words", b"quota of hidden", b"paho")


def everything(files: MemoryFiles) -> dict[str, bytes]:
    return {name: files.read(f"{FOLDER}/{name}", 0, 1 << 30) for name in files.names(FOLDER) if name != "lock"}


def filled(opened: Opener, **settings: Any) -> Journal:
    """One of everything: outcomes, a promise, a message, deliveries, acknowledgements, a dead letter, documents."""
    journal = opened(**{"keys": RING, "segment": 1 << 14, **settings})
    for number in range(40):
        records = [record(number, klass=RecordClass.ALARM if number % 10 == 0 else RecordClass.TELEMETRY, size=700)]
        if number % 10 == 5:
            records.append(record(1000 + number, RecordKind.PUBLISH))
        journal.append(records, Delivery("paho", number + 1, number + 7))
        if number % 5 == 4:
            journal.commit()
    journal.append([record(2000, RecordKind.ACCEPTED)])
    journal.commit()
    sequences = [stored.sequence for stored in journal.pending("cloud", limit=10)]
    journal.settle("cloud", sequences[:5], Verdict.DELIVERED)
    journal.settle("cloud", sequences[5:7], Verdict.DEAD, "quota of hidden things")
    journal.table("memory").insert({"hidden field": "hidden words"})
    journal.forget_deliveries("paho of old")
    journal.commit()
    return journal


def segments(files: MemoryFiles, keys: Keyring = RING) -> list[Segment]:
    return list(read_journal(FOLDER, files=files, keys=keys)._ledger.books.segments())


def facts(journal: Journal) -> dict[str, Any]:
    """All that it knows, but bytes and times."""
    stats = journal.stats()
    return {
        "stats": {name: stats[name] for name in ("accepted", "upstreams", "publishes", "unfinished", "degraded")},
        "records": [stored.record for stored in journal.records(None)],
        "pending": [stored.record for stored in journal.pending("cloud", limit=100)],
        "publishes": [stored.record for stored in journal.pending(PUBLISHES)],
        "promised": [stored.record for stored in journal.unfinished()],
        "dead": [(stored.record, reason) for stored, reason in journal.dead_letters("cloud")],
        "deliveries": dict(journal.deliveries("paho")),
        "table": journal.table("memory").all(),
    }


# -- what it keeps, and from whom -------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [False, True])
def test_it_keeps_exactly_what_a_plain_one_keeps(opened: Opener, files: MemoryFiles, clean: bool) -> None:
    journal = filled(opened)
    known = facts(journal)
    if clean:
        journal.close()
    files.crash(power=False)

    again = facts(opened(keys=RING))

    assert again == known
    assert len(again["records"]) == 45
    assert again["dead"][0][1] == "quota of hidden things"
    assert again["stats"]["degraded"] == []


def test_no_word_of_what_it_keeps_is_in_its_files(opened: Opener, files: MemoryFiles) -> None:
    """Neither while it is open, nor after a crash, nor in what a damage left in side files."""
    plain = MemoryFiles()
    with open_journal(FOLDER, clock=VirtualClock(), files=plain, upstreams=("cloud",)) as other:
        filled(lambda **settings: other)
        written = b"".join(everything(plain).values())
        assert all(secret in written for secret in SECRETS), "the test would find it"

    filled(opened)
    for _ in range(2):
        written = b"".join(everything(files).values())
        assert not [secret for secret in SECRETS if secret in written]
        files.damage(f"{FOLDER}/telemetry-0000000001.log", 20, b"rotten")
        files.crash(power=False)
        opened(keys=RING)
    assert any(name.startswith("quarantine") for name in files.names(FOLDER))


def test_what_stays_in_the_clear_is_what_counts_need(opened: Opener, files: MemoryFiles) -> None:
    """So that without the key it can be said what is there."""
    filled(opened)
    written = b"".join(everything(files).values())

    for word in (b'"upstreams":["cloud"]', b'"stream":"telemetry"', b'"outcomes":', key_id(NEW).encode()):
        assert word in written


# -- without the key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ring", [Keyring(), Keyring(OLD)], ids=["none", "wrong"])
def test_without_the_key_it_does_not_open_and_nothing_is_touched(
    opened: Opener, files: MemoryFiles, ring: Keyring
) -> None:
    filled(opened)
    files.crash(power=False)
    before = everything(files)

    with pytest.raises(JournalKeyMissing) as caught:
        opened(keys=ring)

    assert everything(files) == before
    assert set(caught.value.needs) == {key_id(NEW)}
    assert f"key {key_id(NEW)}" in str(caught.value)
    assert "nothing was touched" in str(caught.value)
    opened(keys=RING)  # the lock was given back


@pytest.mark.parametrize("ring", [Keyring(), Keyring(OLD)], ids=["none", "wrong"])
def test_without_the_key_it_is_verified_and_counted_and_nothing_else(
    opened: Opener, files: MemoryFiles, ring: Keyring
) -> None:
    with_key = filled(opened).stats()
    files.crash(power=False)
    before = everything(files)

    reader = read_journal(FOLDER, files=files, keys=ring)
    stats = reader.stats()

    assert reader.needs == (key_id(NEW),)
    assert reader.verify() == []
    for name in ("accepted", "publishes", "segments"):
        assert stats[name] == with_key[name]
    cloud = stats["upstreams"]["cloud"]
    assert cloud["delivered"] == 5
    assert cloud["pending"] == 35  # that two were refused is said by letters, which are closed
    assert stats["unfinished"] is None
    assert [line for line in stats["degraded"] if key_id(NEW) in line] == stats["degraded"]
    looks = (reader.records, reader.tables, lambda: reader.pending("cloud"), lambda: reader.dead_letters("cloud"))
    for look in looks:
        with pytest.raises(JournalKeyMissing):
            look()
    with pytest.raises(JournalKeyMissing):
        reader.show("box")
    assert everything(files) == before


def test_damage_is_found_without_the_key_too(opened: Opener, files: MemoryFiles) -> None:
    filled(opened)
    files.crash(power=False)
    files.damage(f"{FOLDER}/telemetry-0000000001.log", 3000, b"rotten")

    for ring in (Keyring(), RING):
        damages = [damage for damage in read_journal(FOLDER, files=files, keys=ring).verify() if not damage.torn]
        assert {damage.name for damage in damages} == {"telemetry-0000000001.log"}


def test_a_missing_library_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def no_cipher(name: str, *args: Any) -> Any:
        if name == "edge.journal.cipher":
            raise ImportError(name)
        return really(name, *args)

    monkeypatch.setattr(builtins, "__import__", no_cipher)
    with pytest.raises(JournalError, match=r"pip install 'edge-runtime\[encryption\]'"):
        Keyring(NEW)
    Keyring()


# -- other keys -------------------------------------------------------------------------------------------------------


def test_a_new_key_is_for_new_files_and_the_old_one_opens_the_others(opened: Opener, files: MemoryFiles) -> None:
    filled(opened, keys=Keyring(OLD)).close()

    journal = opened(keys=Keyring(NEW, [OLD]))
    journal.append([record(50)])
    journal.commit()
    journal.table("memory").insert({"more": 1})
    journal.commit()

    assert len(list(journal.records())) == 41
    assert journal.stats()["segments"] == {key_id(OLD): 4, key_id(NEW): 1}
    journal.close()
    for ring, missing in ((Keyring(NEW), OLD), (Keyring(OLD), NEW)):
        with pytest.raises(JournalKeyMissing) as caught:
            opened(keys=ring)
        assert set(caught.value.needs) == {key_id(missing)}


def test_an_old_key_is_not_needed_once_its_files_are_gone(opened: Opener) -> None:
    journal = opened(keys=Keyring(OLD), keep_delivered=0)
    journal.append([record(1)])
    journal.commit()
    journal.settle("cloud", [1], Verdict.DELIVERED)
    journal.close()

    opened(keys=Keyring(NEW, [OLD]), keep_delivered=0).close()
    journal = opened(keys=Keyring(NEW, [OLD]), keep_delivered=0)
    journal._committer.chores = True
    journal.commit()
    journal.close()

    assert opened(keys=Keyring(NEW)).stats()["accepted"] == 1


def test_encryption_begins_and_ends_with_new_files(opened: Opener, files: MemoryFiles) -> None:
    """What was plain stays plain, what was encrypted stays readable as long as its key is named."""
    journal = opened()
    journal.append([record(1)])
    journal.commit()
    files.crash(power=False)

    journal = opened(keys=RING)
    journal.append([record(2)])
    journal.commit()
    assert journal.stats()["segments"] == {"plain": 1, key_id(NEW): 1}
    files.crash(power=False)

    journal = opened(keys=Keyring(old=[NEW]))
    journal.append([record(3)])
    journal.commit()
    assert journal.stats()["segments"] == {"plain": 2, key_id(NEW): 1}
    assert [stored.record for stored in journal.pending("cloud")] == [record(number) for number in (1, 2, 3)]
    written = everything(files)
    assert [record(2).body in data for data in written.values()].count(True) == 0
    assert record(3).body in written["telemetry-0000000003.log"]


def test_dead_letters_of_format_1_are_encrypted_when_they_become_letters(tmp_path: Path) -> None:
    """The segments that they come from stay plain, as they were."""
    path = tmp_path / "journal"
    shutil.copytree(Path(__file__).parent / "format-1", path)

    with open_journal(str(path), clock=VirtualClock(), upstreams=("cloud", "plant"), keys=RING) as journal:
        assert [reason for _, reason in journal.dead_letters("cloud")] == ["quota exceeded"] * 2

    [letters] = path.glob("dead-*.log")
    assert b"quota" not in letters.read_bytes()
    assert b"box:" not in letters.read_bytes()


# -- no file is written on --------------------------------------------------------------------------------------------


def test_a_file_of_another_process_is_never_written_on(opened: Opener, files: MemoryFiles) -> None:
    """After a power cut a number may come again; under the same key it would give the secret away."""
    salts = set()
    for number in range(3):
        journal = opened(keys=RING)
        journal.append([record(number)])
        journal.commit()
        (journal.close if number else files.crash)()
        salts |= {segment.header.salt for segment in segments(files)}

    assert len(salts) == 3
    assert [segment.last for segment in segments(files)] == [1, 2, 3]


def test_what_a_failed_sync_moves_is_closed_under_the_next_files_key(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(keys=RING)
    journal.append([record(1)])
    journal.commit()
    journal.append([record(2)])
    files.fail("sync", errno.EIO, name="telemetry")
    journal.commit()

    first, second = segments(files)
    assert first.header.salt != second.header.salt
    assert [stored.record for stored in journal.pending("cloud")] == [record(1), record(2)]


def test_a_note_that_was_not_written_whole_has_spent_its_number(opened: Opener, files: MemoryFiles) -> None:
    journal = opened(keys=RING)
    files.fail("write", errno.ENOSPC, name="state")
    with pytest.raises(OSError, match="No space"):
        journal.table("memory").insert({"n": 1})
    journal.table("memory").insert({"n": 2})
    journal.commit()
    files.crash(power=False)

    assert opened(keys=RING).table("memory").all() == [{"n": 2}]


# -- what was changed or moved does not open --------------------------------------------------------------------------


def closed_frames(files: MemoryFiles, segment: Segment) -> list[Frame]:
    path = f"{FOLDER}/{segment.name}"
    found = walk(lambda at, size: files.read(path, at, size), segment.body, segment.size, segment.key)
    return [frame for frame in found if isinstance(frame, Frame)]


def forge(data: bytes, seed: int) -> bytes:
    """The frame with the checksum that fits, as anybody can compute who changes it."""
    return data[:2] + struct.pack("<I", crc32(data[6:HEAD_SIZE], crc32(data[HEAD_SIZE:], seed))) + data[6:]


@pytest.mark.parametrize("at", [18, 26, HEAD_SIZE - 1, HEAD_SIZE, HEAD_SIZE + 4, HEAD_SIZE + 60, -1])
def test_a_frame_that_somebody_changed_is_damage_even_where_its_checksum_fits(
    opened: Opener, files: MemoryFiles, at: int
) -> None:
    """Its time, its counts, what stands in it, its tag."""
    filled(opened).close()
    segment = next(one for one in segments(files) if one.name == "telemetry-0000000001.log")
    frame = closed_frames(files, segment)[10]
    changed = bytearray(frame.whole)
    changed[at] ^= 1
    files.damage(f"{FOLDER}/{segment.name}", frame.offset, forge(bytes(changed), segment.key.seed))

    [damage] = read_journal(FOLDER, files=files, keys=RING).verify()
    with opened(keys=RING) as journal:
        found = [stored.record for stored in journal.records()]
        list(journal.pending("cloud", limit=100))
        dropped = journal.stats()["upstreams"]["cloud"]["dropped"]

    assert (damage.name, damage.offset, damage.end) == (segment.name, frame.offset, frame.end)
    assert len(found) == 39
    assert dropped == {"damaged": 1}


def test_a_plain_frame_is_not_believed_in_an_encrypted_file(opened: Opener, files: MemoryFiles) -> None:
    """Its checksum is right, but anybody could have put it there."""
    filled(opened).close()
    segment = next(one for one in segments(files) if one.name == "telemetry-0000000001.log")
    frame = closed_frames(files, segment)[10]
    length = frame.end - frame.offset - HEAD_SIZE
    head = b"\xd7J" + frame.whole[2:HEAD_SIZE]
    body = struct.pack("<BBBHHI", 2, 2, 1, 0xFFFF, 0, length - 12) + b"x" + bytes(length - 12)
    files.damage(f"{FOLDER}/{segment.name}", frame.offset, forge(head + body, segment.key.seed))

    with opened(keys=RING) as journal:
        assert all(stored.record.id.startswith("box:") for stored in journal.records(None))


def test_a_segment_under_anothers_name_does_not_open(opened: Opener, files: MemoryFiles) -> None:
    """Also where its header is made to fit the name."""
    filled(opened).close()
    one = segments(files)[0]
    key = RING.of_file(one.key.seed, one.header.salt, one.header.key, purpose="segment alarm", name="alarm-2.log")

    path = f"{FOLDER}/{one.name}"
    found = walk(lambda at, size: files.read(path, at, size), one.body, one.size, key)

    assert closed_frames(files, one)
    assert not [frame for frame in found if isinstance(frame, Frame)]


def test_a_plain_note_is_not_believed_in_an_encrypted_log(opened: Opener, files: MemoryFiles) -> None:
    from edge.journal.frames import note
    from edge.journal.keys import FileKey
    from edge.journal.statelog import TABLE, state_number

    filled(opened).close()
    [name] = [name for name in files.names(FOLDER) if name.startswith("state")]
    path, key = f"{FOLDER}/{name}", FileKey(state_number(name) or 0)
    files.damage(path, files.size(path), note(TABLE, b'{"t":"memory","n":9,"p":{"7":{}}}', 1000, 0.0, key))

    assert opened(keys=RING).table("memory").all() == [{"hidden field": "hidden words"}]


# -- damaged headers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [False, True], ids=["salt in a note", "salt in the checkpoint"])
def test_a_damaged_header_costs_no_record(opened: Opener, files: MemoryFiles, clean: bool) -> None:
    journal = filled(opened)
    known = [stored.record for stored in journal.records(None)]
    if clean:
        journal.close()
    files.crash(power=False)
    for name in [name for name in files.names(FOLDER) if not name.startswith("state")]:
        files.damage(f"{FOLDER}/{name}", 20, b"rotten")

    with opened(keys=RING) as journal:
        assert [stored.record for stored in journal.records(None)] == known
        assert sum(journal.stats()["upstreams"]["cloud"]["dropped"].values()) == 0


def test_a_segment_whose_salt_is_lost_is_kept_aside_and_counted(opened: Opener, files: MemoryFiles) -> None:
    """Header and state log together: nothing opens it any more, but that is not for us to decide."""
    filled(opened).close()
    name = "telemetry-0000000001.log"
    [state] = [name for name in files.names(FOLDER) if name.startswith("state")]
    files.remove(f"{FOLDER}/{state}")
    files.damage(f"{FOLDER}/{name}", 20, b"rotten")
    data = files.read(f"{FOLDER}/{name}", 0, 1 << 30)

    with opened(keys=RING) as journal:
        cloud = journal.stats()["upstreams"]["cloud"]
        assert cloud["dropped"]
        assert all(stored.record.id.startswith("box:") for stored in journal.records(None))

    assert files.read(f"{FOLDER}/quarantine-{name}", 0, 1 << 30) == data


# -- rewriting --------------------------------------------------------------------------------------------------------


def test_what_is_written_anew_is_copied_as_it_is_closed(opened: Opener, files: MemoryFiles) -> None:
    """Closing it again would take the same numbers under the same key."""
    filled(opened).close()
    name = "telemetry-0000000001.log"
    segment = next(one for one in segments(files) if one.name == name)
    frames = [frame.whole for frame in closed_frames(files, segment)]
    files.damage(f"{FOLDER}/{name}", closed_frames(files, segment)[3].offset + 50, b"rotten")
    found = read_journal(FOLDER, files=files, keys=RING).verify()

    with opened(keys=RING) as journal:
        assert journal.mend(found) == 1

    [mended] = [one for one in segments(files) if one.name == name]
    assert [frame.whole for frame in closed_frames(files, mended)] == frames[:3] + frames[4:]
    assert mended.header.salt == segment.header.salt


def test_a_frame_without_its_key_says_so() -> None:
    """A guard: readers ask for keys before they look at records."""
    from edge.journal.frames import records_of

    frame = Frame(0, 9, 5, 0.0, 0, 0, 1, b"", 0, 0, b"closed", "0badcafe")
    with pytest.raises(JournalError, match="0badcafe"):
        records_of(frame)


def test_a_record_of_any_shape_comes_back(opened: Opener, files: MemoryFiles) -> None:
    shapes = [
        Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, "", b""),
        Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, "elsewhere", b"x" * 70_000, "a/b"),
        Record(RecordKind.PUBLISH, RecordClass.PUBLISH, "é" * 100, bytes(range(256)), "ü" * 3000),
    ]
    journal = opened(keys=RING)
    for shape in shapes:
        journal.append([shape])
    journal.append(shapes)
    journal.commit()
    files.crash(power=False)

    assert [stored.record for stored in opened(keys=RING).records(None)] == shapes + shapes


def test_a_plain_journal_has_no_closed_frames_and_does_not_know_the_library(opened: Opener, files: MemoryFiles) -> None:
    import subprocess
    import sys

    filled(opened, keys=None)
    assert not any(b"\xd7S" in data and b'"salt":""' not in data for data in everything(files).values())
    assert FileKey(1).cipher is None
    script = (
        "import sys, edge.journal as j; from edge.clock import SystemClock; import tempfile;"
        "j.open_journal(tempfile.mkdtemp(), clock=SystemClock()).close();"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
