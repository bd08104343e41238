"""The receiver's promise: every outcome once, whatever the gateways repeat."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.collect.receiver import Counts, Receiver
from edge.envelope import pack, seal


def outcome(number: int, gateway: str = "greenhouse") -> bytes:
    data = {"task": "frost", "status": "success", "result": {"celsius": 1.5}}
    return seal(id=f"{gateway}:{number}", edge_id=gateway, task="frost", time="2026-11-21T09:00:00.000Z", data=data)


@pytest.fixture
def receiver(tmp_path: Path):
    with closing(Receiver(tmp_path / "outcomes.sqlite")) as receiver:
        yield receiver


def stored(receiver: Receiver, path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [id for (id,) in database.execute("SELECT id FROM outcomes ORDER BY number")]


def test_an_outcome_is_stored_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.sqlite"
    with closing(Receiver(path)) as receiver:
        receiver.take(outcome(1))

    with closing(sqlite3.connect(path)) as database:
        [row] = database.execute("SELECT id, gateway, task, status, time, envelope FROM outcomes")
    assert row[:5] == ("greenhouse:1", "greenhouse", "frost", "success", "2026-11-21T09:00:00.000Z")
    assert orjson.loads(row[5]) == orjson.loads(outcome(1))


def test_a_repeat_is_counted_and_dropped(receiver: Receiver) -> None:
    assert receiver.take(outcome(1)) == Counts(received=1, accepted=1)
    assert receiver.take(outcome(1)) == Counts(received=1, accepted=0)

    assert receiver.total.data() == {"received": 2, "accepted": 1, "repeats": 1}


def test_a_batch_is_taken_apart_and_a_repeat_inside_it_is_found(receiver: Receiver) -> None:
    receiver.take(outcome(2))

    assert receiver.take(pack([outcome(1), outcome(2), outcome(3), outcome(3)])) == Counts(received=4, accepted=2)


def test_repeats_are_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.sqlite"
    with closing(Receiver(path)) as first:
        first.take(outcome(1))
    with closing(Receiver(path)) as second:
        assert second.take(outcome(1)).repeats == 1
        assert second.total == Counts(received=2, accepted=1)


def test_gateways_are_counted_apart(receiver: Receiver) -> None:
    receiver.take(pack([outcome(1, "north"), outcome(1, "south"), outcome(2, "south"), outcome(1, "south")]))

    assert receiver.gateways == {"north": Counts(1, 1), "south": Counts(3, 2)}


@pytest.mark.parametrize(
    "payload",
    [b"", b"online", b"{}", b"[1]", b'{"id": 7, "data": {}}', b'{"id": "a"}', b"[" + outcome(1) + b', {"id": "x"}]'],
)
def test_what_is_no_outcome_is_refused_as_a_whole(receiver: Receiver, payload: bytes) -> None:
    with pytest.raises(ValueError):
        receiver.take(payload)

    assert receiver.total == Counts()


def test_a_file_that_is_no_database_is_an_error_at_once(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look at\n" * 50)
    with pytest.raises(sqlite3.Error):
        Receiver(path)


def test_new_outcomes_are_told_of_after_they_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.sqlite"
    seen: list[tuple[str, list[str]]] = []
    with closing(
        Receiver(path, on_accepted=lambda envelope: seen.append((envelope["id"], stored(receiver, path))))
    ) as receiver:
        receiver.take(outcome(1))
        receiver.take(outcome(1))

    assert seen == [("greenhouse:1", ["greenhouse:1"])]


@settings(deadline=None, max_examples=30)
@given(messages=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), max_size=12))
def test_whatever_is_repeated_each_id_is_kept_once_in_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, messages: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("collect") / "outcomes.sqlite"
    with closing(Receiver(path)) as receiver:
        for message in messages:
            receiver.take(pack([outcome(number) for number in message]))

        sent = [f"greenhouse:{number}" for message in messages for number in message]
        assert stored(receiver, path) == list(dict.fromkeys(sent))
        assert receiver.total == Counts(received=len(sent), accepted=len(set(sent)))
