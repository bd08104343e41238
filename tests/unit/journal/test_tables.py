"""TinyDB on the journal behaves as TinyDB's documentation says: one body of tests over the stock one and ours.

Then where ours is better. `test_tables_model.py` compares the two on random calls.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tinydb import TinyDB, where
from tinydb.operations import add, decrement, delete, increment, set, subtract
from tinydb.storages import MemoryStorage
from tinydb.table import Document

from edge.journal import JournalError, open_database, open_journal
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles


def stock() -> TinyDB:
    return TinyDB(storage=MemoryStorage)


def ours(files: MemoryFiles | None = None) -> TinyDB:
    return open_database("/db", files=files if files is not None else MemoryFiles(), clock=VirtualClock())


@pytest.fixture(params=[stock, ours])
def db(request: pytest.FixtureRequest) -> Iterator[TinyDB]:
    with request.param() as database:
        yield database


def test_insert_gives_ids_from_one_and_all_returns_in_order(db: TinyDB) -> None:
    assert [db.insert({"n": n}) for n in range(3)] == [1, 2, 3]
    assert db.all() == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [doc.doc_id for doc in db] == [1, 2, 3]
    assert len(db) == 3


def test_insert_multiple_returns_ids_and_takes_any_iterable(db: TinyDB) -> None:
    assert db.insert_multiple({"n": n} for n in range(3)) == [1, 2, 3]
    assert db.insert_multiple([]) == []


def test_a_document_brings_its_own_id_and_the_next_follows(db: TinyDB) -> None:
    assert db.insert(Document({"a": 1}, doc_id=12)) == 12
    assert db.insert({"a": 2}) == 13
    with pytest.raises(ValueError, match="already exists"):
        db.insert(Document({"a": 3}, doc_id=12))
    assert db.count(where("a") == 3) == 0


@pytest.mark.parametrize("bad", [{1, 2}, "text", 5])
def test_what_is_no_mapping_is_refused(db: TinyDB, bad: Any) -> None:
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert(bad)
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert_multiple([{"a": 1}, bad])


def test_get_contains_count_search(db: TinyDB) -> None:
    db.insert_multiple({"n": n, "even": n % 2 == 0} for n in range(6))

    assert db.get(where("n") == 3) == {"n": 3, "even": False}
    assert db.get(doc_id=2) == {"n": 1, "even": False}
    assert db.get(doc_ids=[1, 3, 99]) == [{"n": 0, "even": True}, {"n": 2, "even": True}]
    assert db.get(where("n") == 99) is None
    assert db.get(doc_id=99) is None
    assert db.contains(where("even") == True)  # noqa: E712
    assert db.contains(doc_id=6)
    assert not db.contains(doc_id=7)
    assert db.count(where("even") == True) == 3  # noqa: E712
    assert [doc.doc_id for doc in db.search(where("n") > 3)] == [5, 6]
    with pytest.raises(RuntimeError):
        db.get()
    with pytest.raises(RuntimeError):
        db.contains()


def test_update_with_fields_callables_conditions_and_ids(db: TinyDB) -> None:
    db.insert_multiple({"n": n} for n in range(4))

    assert db.update({"x": 1}) == [1, 2, 3, 4]
    assert db.update({"x": 2}, where("n") == 1) == [2]
    assert db.update({"x": 3}, doc_ids=[3, 99]) == [3]
    assert db.update(increment("n"), where("n") == 3) == [4]
    assert db.update(lambda doc: doc.setdefault("list", []).append(1), doc_ids=[1]) == [1]
    assert db.all() == [{"n": 0, "x": 1, "list": [1]}, {"n": 1, "x": 2}, {"n": 2, "x": 3}, {"n": 4, "x": 1}]


def test_operations(db: TinyDB) -> None:
    db.insert({"n": 5, "s": "a", "gone": 1})
    for operation in (add("s", "b"), subtract("n", 2), increment("n"), decrement("n"), set("k", 9), delete("gone")):
        db.update(operation)
    assert db.all() == [{"n": 3, "s": "ab", "k": 9}]


def test_update_multiple(db: TinyDB) -> None:
    db.insert_multiple({"n": n} for n in range(3))

    assert db.update_multiple([({"x": 1}, where("n") == 0), (delete("n"), where("n") == 2)]) == [1, 3]
    assert db.all() == [{"n": 0, "x": 1}, {"n": 1}, {}]


def test_upsert_updates_or_inserts(db: TinyDB) -> None:
    assert db.upsert({"n": 1, "x": 1}, where("n") == 1) == [1]
    assert db.upsert({"n": 1, "x": 2}, where("n") == 1) == [1]
    assert db.upsert(Document({"y": 1}, doc_id=1)) == [1]
    assert db.upsert(Document({"y": 1}, doc_id=7)) == [7]
    assert db.all() == [{"n": 1, "x": 2, "y": 1}, {"y": 1}]
    with pytest.raises(ValueError, match="doc_id"):
        db.upsert({"n": 1})


def test_remove_by_condition_and_by_ids(db: TinyDB) -> None:
    db.insert_multiple({"n": n} for n in range(5))

    assert db.remove(where("n") < 2) == [1, 2]
    assert db.remove(doc_ids=[3, 99]) == [3]
    assert [doc.doc_id for doc in db.all()] == [4, 5]
    with pytest.raises(RuntimeError):
        db.remove()


def test_truncate_empties_and_ids_start_at_one(db: TinyDB) -> None:
    db.insert_multiple({"n": n} for n in range(5))
    db.truncate()

    assert db.all() == []
    assert db.insert({}) == 1


def test_tables_drop_table_and_drop_tables(db: TinyDB) -> None:
    db.table("a").insert({"n": 1})
    db.table("b").insert({"n": 2})
    db.insert({"n": 3})
    assert db.tables() == {"a", "b", "_default"}

    db.drop_table("a")
    db.drop_table("never")
    assert db.tables() == {"b", "_default"}
    assert db.table("a").all() == []
    assert db.table("a").insert({}) == 1

    db.drop_tables()
    assert db.tables() == set_of()
    assert len(db) == 0


def set_of() -> Any:
    return frozenset()


def test_the_query_cache_is_never_stale(db: TinyDB) -> None:
    query = where("n") == 1
    db.insert({"n": 1})
    assert db.count(query) == 1
    db.insert({"n": 1})
    assert db.count(query) == 2
    db.update({"n": 2}, doc_ids=[1])
    assert db.count(query) == 1
    db.truncate()
    assert db.count(query) == 0


def test_a_table_keeps_its_name_and_options(db: TinyDB) -> None:
    table = db.table("t", cache_size=0)
    assert table is db.table("t")
    assert table.name == "t"
    table.insert({"a": {"b": [1, 2]}})
    assert table.search(where("a").b.any([2])) == [{"a": {"b": [1, 2]}}]
    db.table("empty", persist_empty=True)
    assert "empty" in db.tables()
    assert "t" in repr(db)


# -- where ours is better than the stock one -----------------------------------------------------------------------


@pytest.mark.parametrize("read", ["search", "get", "get_id", "all", "iter", "storage"])
def test_changing_a_result_does_not_change_the_database(read: str) -> None:
    db = ours()
    db.insert({"state": "pending", "deep": {"list": [1]}})
    for _ in range(2):
        doc: Any = {
            "search": lambda: db.search(where("state") == "pending")[0],
            "get": lambda: db.get(where("state") == "pending"),
            "get_id": lambda: db.get(doc_id=1),
            "all": lambda: db.all()[0],
            "iter": lambda: next(iter(db)),
            "storage": lambda: db.storage.read()["_default"]["1"],  # type: ignore[index]
        }[read]()
        doc["state"] = "MUTATED"
        doc["deep"]["list"].append(2)

        assert db.all() == [{"state": "pending", "deep": {"list": [1]}}]
        assert db.search(where("state") == "pending") == db.all()


def test_what_is_put_in_can_be_changed_afterwards() -> None:
    db = ours()
    doc = {"deep": [1]}
    db.insert(doc)
    doc["deep"].append(2)
    assert db.all() == [{"deep": [1]}]


def test_ids_do_not_start_again_after_removing_or_reopening() -> None:
    files = MemoryFiles()
    with ours(files) as db:
        db.insert_multiple({"n": n} for n in range(3))
        db.remove(doc_ids=[1, 2, 3])
    with ours(files) as db:
        assert db.all() == []
        assert db.insert({}) == 4


def test_a_call_that_raises_changes_nothing() -> None:
    db = ours()
    db.insert_multiple({"n": n, "deep": [n]} for n in range(3))
    before = db.all()

    def spoil(doc: Any) -> None:
        doc["deep"].append(1)
        doc["n"] = 10 / (1 - doc["n"])

    with pytest.raises(ZeroDivisionError):
        db.update(spoil)
    with pytest.raises(TypeError):
        db.insert_multiple([{"ok": 1}, {"not": object()}])
    assert db.all() == before


def test_every_call_is_durable_on_return() -> None:
    files = MemoryFiles()
    db = ours(files)
    for number in range(5):
        db.insert({"n": number})
        files.crash(seed=number)
        db = ours(files)
        assert len(db) == number + 1
    db.update({"x": 1}, doc_ids=[2])
    db.drop_table("other")
    files.crash()
    assert ours(files).get(doc_id=2) == {"n": 1, "x": 1}


def test_a_change_costs_its_own_bytes_and_not_the_table() -> None:
    files = MemoryFiles()
    db = ours(files)
    db.insert_multiple({"n": n, "text": "x" * 50} for n in range(2000))
    before = files.written
    for number in range(100):
        db.insert({"n": number, "text": "x" * 50})
    assert files.written - before < 100 * 250


def test_the_log_is_written_anew_before_it_grows_without_bound() -> None:
    files = MemoryFiles()
    db = ours(files)
    for number in range(4000):
        db.upsert({"k": 1, "n": number, "text": "x" * 1000}, where("k") == 1)
    assert sum(files.size(f"/db/{name}") for name in files.names("/db")) < 3_000_000
    files.crash()
    assert ours(files).all() == [{"k": 1, "n": 3999, "text": "x" * 1000}]


def test_a_change_is_one_write_and_one_sync_and_a_question_none() -> None:
    files = MemoryFiles()
    db = ours(files)
    db.table("other").insert({})
    for change in (
        lambda: db.insert({"n": 1}),
        lambda: db.insert_multiple({"n": n} for n in range(50)),
        lambda: db.update({"x": 1}),
        lambda: db.upsert({"n": 99}, where("n") == 99),
        lambda: db.remove(where("n") == 1),
        db.truncate,
        db.drop_tables,
    ):
        before = files.steps
        change()
        assert files.steps == before + 2
    before = files.steps
    db.all(), db.search(where("n") == 1), db.get(doc_id=1), len(db), db.tables()
    db.update({"x": 1}, where("n") == 77)
    assert (
        files.steps == before + 2
    )  # the update made the table that drop_tables had taken; the next finds nothing to do
    db.update({"x": 1}, where("n") == 77)
    assert files.steps == before + 2


def test_a_change_of_type_alone_is_a_change() -> None:
    files = MemoryFiles()
    with ours(files) as db:
        db.insert({"on": 1, "level": 2})
        db.update({"on": True, "level": 2.0})
    with ours(files) as db:
        assert [type(value) for value in db.all()[0].values()] == [bool, float]


def test_what_json_makes_of_a_document_is_there_at_once() -> None:
    files = MemoryFiles()
    with ours(files) as db:
        db.insert({"pair": (1, 2), 5: "five", None: float("inf"), "\ud800": 10**40})
        found = db.all()
        assert found == [{"pair": [1, 2], "5": "five", "null": float("inf"), "\ud800": 10**40}]
    with ours(files) as db:
        assert db.all() == found


@pytest.mark.parametrize("doc_id", ["7", 1.5, None, "x"])
def test_an_id_that_is_no_whole_number_is_refused(doc_id: Any) -> None:
    db = ours()
    with pytest.raises(ValueError, match="whole number"):
        db.insert(Document({}, doc_id))
    with pytest.raises(ValueError, match="whole number"):
        db.insert_multiple([{}, Document({}, doc_id)])
    assert db.tables() == set_of()


def test_an_id_may_be_any_number_equal_to_it() -> None:
    files = MemoryFiles()
    with ours(files) as db:
        db.insert_multiple([{"n": 1}, {"n": 2}])
        assert db.update({"x": 1}, doc_ids=[True]) == [True]  # type: ignore[list-item]
        assert db.remove(doc_ids=[2.0]) == [2.0]  # type: ignore[list-item]
    with ours(files) as db:
        assert [(doc.doc_id, doc) for doc in db] == [(1, {"n": 1, "x": 1})]


def test_an_id_that_a_table_gives_is_never_one_that_a_document_brought() -> None:
    db = ours()
    assert db.insert({}) == 1
    assert db.insert_multiple([Document({"mine": 1}, 2), {}, Document({}, 9), {}]) == [2, 3, 9, 10]
    db.remove(doc_ids=[9, 10])
    db.insert(Document({}, 5))
    assert db.insert({}) == 11
    assert db.get(doc_id=2) == {"mine": 1}


def test_a_call_that_raises_uses_no_id_up() -> None:
    db = ours()
    db.insert({})
    with pytest.raises(TypeError):
        db.insert({"not": object()})
    with pytest.raises(ZeroDivisionError):
        db.insert_multiple({"n": 1 // (2 - n)} for n in range(5))
    assert db.insert({}) == 2


@pytest.mark.parametrize(("levels", "fits"), [(100, True), (101, False), (100_000, False)])
def test_what_could_not_be_read_back_for_its_depth_is_refused(levels: int, fits: bool) -> None:
    files = MemoryFiles()
    deep: Any = {}
    for _ in range(levels - 1):
        deep = {"in": deep}
    with ours(files) as db:
        if fits:
            db.insert(deep)
        else:
            with pytest.raises(ValueError, match="100 levels"):
                db.insert(deep)
    with ours(files) as db:
        assert db.all() == [deep][: int(fits)]
    while deep:  # an object of that depth cannot even be freed at once
        deep = deep.pop("in")


def test_persist_empty_makes_a_table_and_leaves_one_that_is_there() -> None:
    files = MemoryFiles()
    with ours(files) as db:
        db.table("t", persist_empty=True).insert({"n": 1})
    with ours(files) as db:
        assert db.table("t", persist_empty=True).all() == [{"n": 1}]


def test_an_iterator_of_updates_reaches_every_document() -> None:
    db = ours()
    db.insert_multiple([{"n": 1}, {"n": 2}])
    assert db.update_multiple(iter([({"x": 1}, where("n") > 0)])) == [1, 2]


def test_a_function_of_an_update_may_use_other_tables_but_not_change_its_own() -> None:
    db = ours()
    db.insert_multiple([{"n": 1}, {"n": 2}])
    db.update(lambda doc: doc.update(seen=db.table("log").insert({"n": doc["n"]}) + len(db)))
    assert db.all() == [{"n": 1, "seen": 3}, {"n": 2, "seen": 4}]

    with pytest.raises(RuntimeError, match="_default"):
        db.update(lambda doc: doc.update(lost=db.insert({"inner": 1})), doc_ids=[1])
    assert db.all() == [{"n": 1, "seen": 3}, {"n": 2, "seen": 4}, {"inner": 1}]


def test_documents_may_come_from_what_changes_the_table_they_go_to() -> None:
    db = ours()
    assert db.insert_multiple({"n": db.insert({})} for _ in range(2)) == [3, 4]
    assert db.all() == [{}, {}, {"n": 1}, {"n": 2}]


def test_a_question_asked_before_is_answered_from_the_cache_until_something_changes() -> None:
    db = ours()
    db.insert({"n": 1})
    asked = []

    def query(doc: Any) -> bool:
        asked.append(doc)
        return True

    for again in (lambda: None, db.clear_cache, lambda: db.insert({"n": 2})):
        again()
        asked.clear()
        for _ in range(2):
            db.search(query), db.count(query)
        assert len(asked) == len(db)


def test_what_changes_during_a_search_is_not_missing_in_the_next() -> None:
    db = ours()
    db.insert({"n": 1})

    def query(doc: Any) -> bool:
        if len(db) == 1:
            db.insert({"n": 2})
            assert db.count(where("n") == 2) == 1
        return True

    assert db.search(query) == [{"n": 1}]
    assert db.search(query) == [{"n": 1}, {"n": 2}]


def test_no_function_of_a_caller_holds_the_journal_up() -> None:
    journal = open_journal("/journal", files=MemoryFiles(), clock=VirtualClock())
    table = journal.table("t")
    table.insert({"n": 1})
    waited = []

    def meanwhile(doc: Any = None) -> bool:
        other = threading.Thread(target=lambda: (journal.table("t").all(), journal.stats(), journal.commit()))
        other.start()
        other.join(10)
        waited.append(other.is_alive())
        return True

    table.update(meanwhile)
    table.update({"x": 1}, meanwhile)
    table.upsert({"x": 1}, meanwhile)
    table.search(meanwhile)
    table.get(meanwhile)
    table.insert_multiple({} for _ in range(1) if meanwhile())
    assert waited == [False] * 6


def test_of_two_upserts_at_once_one_inserts_and_one_updates() -> None:
    db = ours()
    others = []

    def key(doc: Any) -> bool:
        return bool(doc["k"] == 1)

    def slow(doc: Any) -> bool:
        if not others:
            others.append(threading.Thread(target=lambda: db.upsert({"k": 1, "by": "other"}, key)))
            others[0].start()
            others[0].join(0.05)  # it waits for us
        return key(doc)

    db.insert({"k": 0})
    db.upsert({"k": 1, "by": "me"}, slow)
    others[0].join()
    assert db.all() == [{"k": 0}, {"k": 1, "by": "other"}]


def test_what_the_storage_shows_is_plain_json_and_may_be_written_back() -> None:
    db = ours()
    db.table("a").insert_multiple([{"n": 1}, {"n": 2}])
    db.insert({"n": 3})
    data = json.loads(json.dumps(db.storage.read()))
    assert data == {"a": {"1": {"n": 1}, "2": {"n": 2}}, "_default": {"1": {"n": 3}}}

    del data["_default"], data["a"]["2"]
    db.storage.write(data)
    assert db.tables() == {"a"}
    assert db.table("a").insert({}) == 3


def test_after_close_a_change_is_refused() -> None:
    db = ours()
    db.close()
    with pytest.raises(JournalError, match="closed"):
        db.insert({})
