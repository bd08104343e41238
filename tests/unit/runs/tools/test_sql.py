"""SQL on a file: values stay apart from the statement, reading stays reading, and no statement takes it all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.errors import LimitExceeded, NotGranted, ToolError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "workshop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE parts (name TEXT PRIMARY KEY, weight REAL, photo BLOB)")
        connection.executemany("INSERT INTO parts VALUES (?, ?, ?)", [("bolt", 1.5, None), ("nut", 0.5, b"\x00\xff")])
    connection.close()
    return path


@pytest.fixture
def reading(bench, file):
    return bench.tool("kind: sql, file: workshop.db, rows: 100")


@pytest.fixture
def writing(bench, file):
    return bench.tool("kind: sql, file: workshop.db, write: true")


def content(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return sorted(connection.execute("SELECT name, weight FROM parts"))
    finally:
        connection.close()


BEFORE = [("bolt", 1.5), ("nut", 0.5)]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_query_gives_rows_by_column(reading):
    found = reading.query("SELECT name, weight * 2 AS twice FROM parts WHERE weight > ? ORDER BY name", [1])

    assert found == [{"name": "bolt", "twice": 3.0}]


def test_binary_values_come_as_base64(reading):
    assert reading.query("SELECT photo FROM parts WHERE name = 'nut'") == [{"photo": "AP8="}]


def test_a_value_is_never_part_of_the_statement(reading, file):
    assert reading.query("SELECT name FROM parts WHERE name = ?", ["x' OR '1'='1"]) == []
    assert content(file) == BEFORE


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO parts VALUES ('x', 1, NULL)",
        "UPDATE parts SET weight = 0",
        "DELETE FROM parts",
        "DROP TABLE parts",
        "CREATE TABLE more (a)",
        "CREATE TEMP TABLE more (a)",
        "ALTER TABLE parts RENAME TO others",
        "ATTACH DATABASE ? AS other",
        "VACUUM",
        "VACUUM INTO '/tmp/copy-of-parts.db'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "PRAGMA query_only = OFF",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "WITH gone AS (SELECT 1) DELETE FROM parts",
        "EXPLAIN DELETE FROM parts",
        "CREATE TRIGGER t AFTER INSERT ON parts BEGIN DELETE FROM parts; END",
    ],
)
def test_a_query_only_reads(bench, file, statement):
    for keys in ("", ", write: true"):
        with pytest.raises(NotGranted, match="is not allowed; query may only read"):
            bench.tool(f"kind: sql, file: workshop.db{keys}").query(
                statement, ["/tmp/other.db"] if "?" in statement else []
            )

    assert content(file) == BEFORE


def test_without_write_there_is_no_execute(reading):
    with pytest.raises(TypeError, match="tool part has no 'execute'; it has query"):
        reading.execute("DELETE FROM parts")


def test_the_shape_of_a_table_may_be_read(reading):
    assert [row["name"] for row in reading.query("PRAGMA table_info(parts)")] == ["name", "weight", "photo"]


def test_a_change_is_durable_and_says_what_it_did(writing, file):
    assert writing.execute("INSERT INTO parts VALUES (?, ?, ?)", ["washer", 0.1, None])["lastrowid"] == 3
    assert writing.execute("UPDATE parts SET weight = weight + 1")["rowcount"] == 3
    assert writing.execute("DELETE FROM parts WHERE name LIKE ?", ["b%"])["rowcount"] == 1
    assert writing.execute("INSERT INTO parts VALUES ('x', 1, NULL), ('y', 2, NULL) RETURNING name")["rowcount"] >= 0

    assert content(file) == [("nut", 1.5), ("washer", 1.1), ("x", 1.0), ("y", 2.0)]


def test_a_task_may_make_its_table(writing):
    writing.execute("CREATE TABLE IF NOT EXISTS seen (at INTEGER PRIMARY KEY, what TEXT)")
    writing.execute("CREATE INDEX IF NOT EXISTS by_what ON seen (what)")
    writing.execute("INSERT INTO seen (what) VALUES ('a')")

    assert writing.query("SELECT * FROM seen") == [{"at": 1, "what": "a"}]


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE parts", "ALTER TABLE parts ADD COLUMN x", "VACUUM INTO '/tmp/copy.db'", "ATTACH '/tmp/other.db' AS o",
     "PRAGMA writable_schema = ON", "CREATE VIRTUAL TABLE v USING fts5(a)", "BEGIN", "SAVEPOINT a",
     "CREATE TRIGGER t AFTER INSERT ON parts BEGIN DELETE FROM parts; END", "CREATE TEMP TABLE t (a)",
     "SELECT load_extension('x')"],
)  # fmt: skip
def test_writing_is_rows_and_new_tables_only(writing, file, statement):
    with pytest.raises(NotGranted):
        writing.execute(statement)

    assert content(file) == BEFORE


def test_a_file_of_its_full_size_takes_no_more_and_can_be_emptied(bench, file):
    tool = bench.tool("kind: sql, file: workshop.db, write: true, size: 200KB")
    tool.execute("INSERT INTO parts VALUES ('full', 1, zeroblob(90000))")
    with pytest.raises(ToolError, match="full"):
        tool.execute("INSERT INTO parts VALUES ('a', 1, zeroblob(90000)), ('b', 1, zeroblob(90000))")
    bench.tool("kind: sql, file: workshop.db, write: true, size: 10KB").execute("DELETE FROM parts WHERE photo NOTNULL")

    assert file.stat().st_size <= 200_000
    assert content(file) == [("bolt", 1.5)]


def test_one_statement_at_a_time(writing, file):
    with pytest.raises(ValueError, match="one statement"):
        writing.execute("DELETE FROM parts; DELETE FROM parts")

    assert content(file) == BEFORE


@pytest.mark.parametrize(
    ("statement", "params", "why"),
    [
        ("SELEC 1", [], "syntax error"),
        ("SELECT * FROM nobody", [], "no such table"),
        ("SELECT ?", [], "binding"),
        ("SELECT 1 AS a, 2 AS a", [], "two columns are called 'a'"),
        ("SELECT ?", [2**70], "64 bits"),
        ("SELECT 1", [0] * 2000, "at most 1000"),
        ("SELECT 1 -- " + "x" * 30_000, [], "at most 20000"),
    ],
)
def test_a_statement_that_is_wrong_says_why(reading, statement, params, why):
    with pytest.raises(ValueError, match=why):
        reading.query(statement, params)


@pytest.mark.parametrize(("statement", "params"), [(7, []), ("SELECT ?", "x"), ("SELECT ?", [{}]), ("SELECT ?", None)])
def test_arguments_of_another_type_are_refused(reading, statement, params):
    with pytest.raises(TypeError):
        reading.query(statement, params)


def test_a_statement_that_takes_too_long_is_ended(bench, file):
    with pytest.raises(ToolError, match=r"took longer than 0\.05 s"):
        bench.tool("kind: sql, file: workshop.db, timeout: 50ms").query(ENDLESS)
    assert bench.counts() == {"error": 1}


def test_the_run_s_own_time_counts_as_well(bench, file):
    with pytest.raises(ToolError, match=r"took longer than 0\.02 s"):
        bench.tool("kind: sql, file: workshop.db", left=0.02).query(ENDLESS)


def test_a_change_that_takes_too_long_changes_nothing(bench, file):
    tool = bench.tool("kind: sql, file: workshop.db, write: true, timeout: 50ms")
    with pytest.raises(ToolError, match="took longer"):
        tool.execute(f"UPDATE parts SET weight = ({ENDLESS})")

    assert content(file) == BEFORE


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT {} AS x FROM n"


@pytest.mark.parametrize(
    ("statement", "params", "why"),
    [
        (NUMBERS.format("i"), [101], "over 100 rows"),
        (NUMBERS.format("zeroblob(90000)"), [90], "over 2000000 bytes"),
        ("SELECT zeroblob(1000000000)", [], "over 100000 bytes"),
    ],
)
def test_an_answer_has_an_end(reading, statement, params, why):
    with pytest.raises(LimitExceeded, match=why):
        reading.query(statement, params)


@pytest.mark.parametrize(
    "statement",
    [
        NUMBERS.format("randomblob(90000)") + " ORDER BY x",
        "SELECT count(DISTINCT x) AS n FROM (" + NUMBERS.format("randomblob(90000)") + ")",
        "SELECT json_group_array(x) AS n FROM (" + NUMBERS.format("hex(zeroblob(40000))") + ")",
    ],
)
def test_what_a_statement_holds_back_has_an_end_and_is_never_a_file(reading, statement):
    with pytest.raises(LimitExceeded, match="too much memory"):
        reading.query(statement, [3000])  # 240 MB and more


def test_as_many_rows_as_allowed_are_fine(reading):
    assert len(reading.query(NUMBERS.format("i"), [100])) == 100


def test_a_file_that_is_not_there_is_said_without_its_path_and_not_made(bench, tmp_path):
    for keys in ("", ", write: true"):
        with pytest.raises(ToolError, match=r"no database yet at tools\.part\.file") as caught:
            bench.tool(f"kind: sql, file: none.db{keys}").query("SELECT 1")
        assert str(tmp_path) not in str(caught.value)

    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_said(bench, tmp_path):
    (tmp_path / "notes.txt").write_text("no database " * 100)
    with pytest.raises(ToolError, match="not a database"):
        bench.tool("kind: sql, file: notes.txt").query("SELECT * FROM parts")


def test_a_lock_is_waited_for_and_then_said(bench, file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(ToolError, match="locked"):
            bench.tool("kind: sql, file: workshop.db, write: true, timeout: 40ms").execute("DELETE FROM parts")
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_database_in_wal_mode_can_be_read(bench, file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("INSERT INTO parts VALUES ('gear', 9, NULL)")
    try:
        found = bench.tool("kind: sql, file: workshop.db").query("SELECT count(*) AS n FROM parts")
    finally:
        other.close()

    assert found == [{"n": 3}]


def test_a_path_with_signs_of_a_url_is_only_a_path(bench, tmp_path, file):
    odd = tmp_path / "a?mode=rwc#b%20.db"
    odd.write_bytes(file.read_bytes())
    tool = bench.tool("kind: sql, file: 'a?mode=rwc#b%20.db'")

    assert tool.query("SELECT count(*) AS n FROM parts") == [{"n": 2}]


def test_only_reading_is_safe_by_default(bench, file):
    bench.tool("kind: sql, file: workshop.db")
    assert bench.last.safe_by_default is True
    bench.tool("kind: sql, file: workshop.db, write: true")
    assert bench.last.safe_by_default is False
