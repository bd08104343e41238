"""Random calls on stock TinyDB and on ours give the same results, errors and documents, whatever happens between them.

The stock one stands on JSON in memory, which is its own JSON storage without the disk, and is given the one law that
ours adds: an id is given once.
"""

from __future__ import annotations

import contextlib
import json
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tinydb import Query, TinyDB, operations, where
from tinydb.storages import Storage
from tinydb.table import Document, Table

from edge.journal import open_database
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles, PowerCut

NAMES = ("_default", "a", "b")


class JSONMemory(Storage):
    """Stock TinyDB's file, and the largest id that every table has had."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.largest: dict[str, int] = {}

    def read(self) -> Any:
        return None if self.text is None else json.loads(self.text)

    def write(self, data: Any) -> None:
        self.text = json.dumps(data)
        self.largest = {name: max([self.largest.get(name, 0), *map(int, data[name])]) for name in data}


class Lawful(Table):
    """The stock table, which gives an id only once."""

    live: Any = ()

    def _get_next_id(self) -> int:
        return max([self.storage.largest.get(self.name, 0), 0, *self.live]) + 1  # type: ignore[attr-defined]

    def _update_table(self, updater: Callable[[Any], None]) -> None:
        def watched(table: Any) -> None:
            self.live = table
            updater(table)

        try:
            super()._update_table(watched)
        finally:
            self.live = ()

    def truncate(self) -> None:
        super().truncate()
        self.storage.largest[self.name] = 0  # type: ignore[attr-defined]


class Stock(TinyDB):
    table_class = Lawful


# -- what may be asked -----------------------------------------------------------------------------------------------

scalars = st.sampled_from([0, 1, 2, 3, True, False, None, 1.0, 2.5, float("nan"), 10**30, "", "a", "ab", "°", "\ud800"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["x", "y", 1, None, True, 2.5]), inner, max_size=2),
    ),
    max_leaves=4,
)
fields = st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3)
unfit = st.sampled_from([{"x": {1, 2}}, {"x": object()}, {("x", "y"): 1}, {"x": b"1"}, 5, "text", None, [("x", 1)]])
ids = st.integers(-1, 9)
odd_ids = st.one_of(ids, ids, ids, st.sampled_from([True, 1.0, "1", "01", None, "x"]))
own = st.builds(lambda doc, doc_id: (doc, doc_id), fields, ids)
document = st.one_of(fields, fields, fields, own, unfit)


def fresh(value: Any) -> Any:
    """A caller's own object: nothing of it is shared between the two databases."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], dict) and isinstance(value[1], int):
        return Document(fresh(value[0]), value[1])
    if isinstance(value, dict):
        return {key: fresh(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fresh(item) for item in value)
    return value


def short(value: Any) -> bool:
    return len(str(value)) < 4


def odd(value: Any) -> bool:
    return bool(value % 2)


def uncacheable(value: Any) -> Any:
    query = (where("x") == value) | (where("y") == value)
    query._hash = None
    return query


x, y = where("x"), where("y")
queries = st.one_of(
    scalars.map(lambda value: where("x") == value),
    scalars.map(lambda value: where("y") != value),
    st.sampled_from([operator.lt, operator.le, operator.gt, operator.ge]).map(lambda compare: compare(where("x"), 2)),
    st.lists(scalars, max_size=2).map(lambda items: where("x").any(items)),
    st.lists(scalars, max_size=2).map(lambda items: where("x").all(items)),
    st.lists(scalars, max_size=2).map(lambda items: where("x").one_of(items)),
    fields.map(lambda part: Query().fragment(part)),
    scalars.map(uncacheable),
    st.sampled_from(
        [
            x.exists(),
            ~y.exists(),
            x.exists() & y.exists(),
            x.exists() | (y == 1),
            x.any(where("x") == 1),
            x.all(where("y") == 1),
            x.x == 1,
            x.matches("a+"),
            x.search("b"),
            x.test(short),
            x.test(odd),  # raises for what has no remainder
            x.map(str) == "1",
            x.map(odd) == True,  # noqa: E712
            Query().noop(),
            lambda doc: len(doc) > 1,
            lambda doc: doc["x"] == 1,  # raises where there is none
        ]
    ),
)


def spoil(doc: Any) -> None:
    doc["y"] = "spoilt"
    doc["z"] = 1 / (doc["x"] - 1)


def grow(doc: Any) -> None:
    doc.setdefault("z", []).append(len(doc))


def ruin(doc: Any) -> None:
    for value in doc.values():
        vandalise(value)
    raise LookupError("after half of its work")


work = st.one_of(
    fields,
    st.sampled_from([spoil, grow, ruin, {"x": {1, 2}}, 5]),
    st.sampled_from(
        [
            operations.delete("x"),
            operations.add("x", "b"),
            operations.add("y", 1),
            operations.subtract("x", 1),
            operations.set("z", [1]),
            operations.increment("x"),
            operations.decrement("x"),
        ]
    ),
)


def broken(documents: list[Any], length: int) -> Any:
    """Documents, and then the source of them fails."""
    yield from documents[:length]
    raise LookupError("the source failed")


Call = Callable[[Any], Any]
maybe_query = st.one_of(st.none(), queries)
calls: st.SearchStrategy[Call] = st.one_of(
    document.map(lambda doc: lambda table: table.insert(fresh(doc))),
    st.lists(document, max_size=4).map(lambda docs: lambda table: table.insert_multiple([fresh(doc) for doc in docs])),
    st.lists(fields, max_size=4).map(lambda docs: lambda table: table.insert_multiple(iter(fresh(docs)))),
    st.lists(fields, max_size=4).map(lambda docs: lambda table: table.insert_multiple(broken(fresh(docs), 2))),
    st.tuples(work, maybe_query).map(lambda t: lambda table: table.update(fresh(t[0]), t[1])),
    st.tuples(work, st.lists(odd_ids, max_size=3)).map(
        lambda t: lambda table: table.update(fresh(t[0]), doc_ids=iter(t[1]))
    ),
    st.lists(st.tuples(work, queries), max_size=3).map(
        lambda updates: lambda table: table.update_multiple([(fresh(what), cond) for what, cond in updates])
    ),
    st.tuples(st.one_of(document, work), maybe_query).map(lambda t: lambda table: table.upsert(fresh(t[0]), t[1])),
    maybe_query.map(lambda query: lambda table: table.remove(query)),
    st.lists(odd_ids, max_size=3).map(lambda wanted: lambda table: table.remove(doc_ids=iter(wanted))),
    st.just(lambda table: table.truncate()),
)
questions: st.SearchStrategy[Call] = st.one_of(
    queries.map(lambda query: lambda table: table.search(query)),
    queries.map(lambda query: lambda table: table.count(query)),
    maybe_query.map(lambda query: lambda table: table.get(query)),
    maybe_query.map(lambda query: lambda table: table.contains(query)),
    odd_ids.map(lambda one: lambda table: table.get(doc_id=one)),
    odd_ids.map(lambda one: lambda table: table.contains(doc_id=one)),
    st.lists(odd_ids, max_size=3).map(lambda wanted: lambda table: table.get(doc_ids=wanted)),
    st.just(lambda table: table.all()),
    st.just(list),
    st.just(len),
    st.just(lambda table: table.clear_cache()),
    st.just(lambda table: sorted((table.storage.read() or {}).items())),
)


def told(call: Call, table: Any) -> tuple[str, Any]:
    """What a call gives, as text that tells True from 1 and knows ids, and the result itself."""
    try:
        result = call(table)
    except PowerCut:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the other one must raise it too
        return type(error).__name__, None
    return written(result), result


def written(result: Any) -> str:
    if isinstance(result, Document):
        return f"{result.doc_id!r}: {json.dumps(result)}"
    if isinstance(result, list):
        return f"[{', '.join(map(written, result))}]"
    return repr(result)


def vandalise(result: Any) -> None:
    """Change all of a result that can be changed."""
    for inner in list(result.values()) if isinstance(result, dict) else result if isinstance(result, list) else ():
        vandalise(inner)
    if isinstance(result, dict):
        result["vandal"] = 1
    elif isinstance(result, list):
        result.append("vandal")


def content(db: Any) -> dict[str, str]:
    return {name: written(db.table(name).all()) for name in sorted(db.tables())}


class BothDatabases(RuleBasedStateMachine):
    """The same calls on both."""

    @initialize()
    def begin(self) -> None:
        self.files = MemoryFiles()
        self.storage = JSONMemory()
        self.open()

    def open(self) -> None:
        self.stock = Stock(storage=lambda: self.storage)
        self.ours = open_database("/db", files=self.files, clock=VirtualClock())
        self.others: dict[str, Any] = {}

    def mine(self, name: str, other: bool) -> Any:
        """Our table, or a second object for it, which may have seen the table dropped."""
        if not other:
            return self.ours.table(name)
        return self.others.setdefault(name, self.ours.table_class(self.ours.storage, name))  # type: ignore[arg-type]

    def expect(self, name: str, call: Call) -> str:
        """What the stock one gives; the half of an upsert that it keeps although the other half raised is undone."""
        before = self.storage.text
        expected, result = told(call, self.stock.table(name))
        if result is None and expected != "None":
            self.storage.text = before
        return expected

    @rule(name=st.sampled_from(NAMES), call=st.one_of(calls, calls, questions), other=st.booleans())
    def call(self, name: str, call: Call, other: bool) -> None:
        expected = self.expect(name, call)
        found, result = told(call, self.mine(name, other))
        assert found == expected
        vandalise(result)

    def tables(self) -> Any:
        return self.ours.storage.backend.store.tables  # type: ignore[attr-defined]

    @rule(name=st.sampled_from(NAMES), query=queries)
    def search_twice(self, name: str, query: Any) -> None:
        for _ in range(2):
            self.call(name, lambda table: table.search(query), False)

    @rule(name=st.sampled_from(NAMES))
    def drop_table(self, name: str) -> None:
        self.stock.drop_table(name)
        self.ours.drop_table(name)

    @rule()
    def drop_tables(self) -> None:
        self.stock.drop_tables()
        self.ours.drop_tables()

    @rule(name=st.sampled_from(NAMES))
    def persist_empty(self, name: str) -> None:
        if name not in self.stock.tables():  # where it is, stock TinyDB would empty it
            self.stock.table_class(self.storage, name, persist_empty=True)
        self.ours.table_class(self.ours.storage, name, persist_empty=True)  # type: ignore[arg-type]

    @rule(data=st.dictionaries(st.sampled_from(NAMES), st.dictionaries(ids.map(str), fields, max_size=2)))
    def write_all(self, data: Any) -> None:
        for db in (self.stock, self.ours):
            db.storage.write(fresh(data))
        self.stock = Stock(storage=lambda: self.storage)  # its tables do not see what others write

    @rule()
    def reopen(self) -> None:
        self.ours.close()
        self.open()

    @rule(seed=st.integers(0, 9), power=st.booleans())
    def crash(self, seed: int, power: bool) -> None:
        self.files.crash(seed, power=power)
        self.open()

    @rule(name=st.sampled_from(NAMES), call=calls, step=st.integers(0, 3), seed=st.integers(0, 9))
    def crash_in_a_call(self, name: str, call: Call, step: int, seed: int) -> None:
        before, text, survives = content(self.ours), self.storage.text, False
        self.files.cut_at = self.files.steps + step
        with contextlib.suppress(PowerCut):
            told(call, self.ours.table(name))
            survives = True
        self.expect(name, call)
        self.files.crash(seed)
        self.open()
        if not survives and content(self.ours) == before:
            self.storage.text = text
            self.storage.largest = {one: table.next - 1 for one, table in self.tables().items()}

    @invariant()
    def same(self) -> None:
        if hasattr(self, "ours"):
            assert content(self.ours) == content(self.stock)
            for name in NAMES:
                assert len(self.ours.table(name)) == len(self.stock.table(name))
            sizes = [len(json.dumps(table.docs, separators=(",", ":"))) - 1 for table in self.tables().values()]
            assert [table.size for table in self.tables().values()] == [size if size > 1 else 0 for size in sizes]


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        BothDatabases,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_run_of_calls_gives_what_stock_tinydb_gives() -> None:
    run(40, 25)


@pytest.mark.slow
def test_any_long_run_of_calls_gives_what_stock_tinydb_gives() -> None:
    run(500, 50)
