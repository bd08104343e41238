"""Values by key: what was set is there after any crash, and there is never more than was allowed."""

from __future__ import annotations

import errno
import threading

import pytest

from edge.errors import LimitExceeded, ToolError


def test_a_value_that_was_set_is_got_and_what_was_not_is_the_default(kv):
    kv.set("fan", {"on": True, "since": [1, 2.5, None]})

    assert kv.get("fan") == {"on": True, "since": [1, 2.5, None]}
    assert kv.get("heater") is None
    assert kv.get("heater", "off") == "off"


def test_it_is_there_after_the_power_went(bench):
    bench.tool("kind: kv").set("count", 41)
    bench.tool("kind: kv").set("count", 42)

    bench.crash()

    assert bench.tool("kind: kv").get("count") == 42
    assert bench.tool("kind: kv").keys() == ["count"]


def test_a_deleted_key_is_gone_and_makes_room(kv, bench):
    for key in "abc":
        kv.set(key, 1)
    assert kv.delete("b") is True
    assert kv.delete("b") is False
    kv.set("d", 1)
    bench.crash()

    assert bench.tool("kind: kv").keys() == ["a", "c", "d"]


def test_keys_come_in_order_by_prefix_and_no_more_than_asked_for(bench):
    kv = bench.tool("kind: kv")
    for key in ("room.b", "room.a", "hall.a"):
        kv.set(key, 0)

    assert kv.keys() == ["hall.a", "room.a", "room.b"]
    assert kv.keys("room.") == ["room.a", "room.b"]
    assert kv.keys(prefix="", limit=1) == ["hall.a"]


def test_what_a_task_does_to_a_value_it_got_changes_nothing(kv):
    kv.set("list", [1])
    kv.get("list").append(2)

    assert kv.get("list") == [1]


def test_one_key_too_many_is_refused_and_the_others_can_still_change(kv):
    for key in "abc":
        kv.set(key, 1)
    with pytest.raises(LimitExceeded, match=r"holds 3 keys.*delete some"):
        kv.set("d", 1)
    kv.set("a", 2)

    assert kv.get("a") == 2
    assert kv.get("d") is None


def test_a_value_too_large_is_refused_and_the_old_one_stays(kv):
    kv.set("a", "short")
    with pytest.raises(LimitExceeded, match=r"102 bytes as JSON, 100B"):
        kv.set("a", "x" * 100)

    assert kv.get("a") == "short"


@pytest.mark.parametrize("key", ["", "k" * 201, 7, None, ["a"]])
def test_a_key_is_a_short_text(kv, key):
    with pytest.raises((ValueError, TypeError), match="a key"):
        kv.set(key, 1)


@pytest.mark.parametrize("value", [object(), {1, 2}, 2**70])
def test_a_value_is_json(kv, value):
    with pytest.raises(TypeError):
        kv.set("a", value)


def test_a_disk_that_refuses_is_an_error_that_may_pass_and_the_key_is_written_again(bench):
    kv = bench.tool("kind: kv")
    kv.set("a", 1)
    bench.files.fail("sync", errno.EIO, times=2)  # so that the change stands, and the call raises
    with pytest.raises(ToolError, match="the journal does not take it"):
        kv.set("b", 2)
    kv.set("b", 3)
    assert len(bench.journal.table("kv.part")) == 2
    bench.crash()

    assert [(key, bench.tool("kind: kv").get(key)) for key in ("a", "b")] == [("a", 1), ("b", 3)]


def test_two_tools_do_not_share_their_keys(bench):
    bench.tool("kind: kv").set("a", 1)

    assert bench.journal.table("kv.part").all() == [{"key": "a", "value": 1}]


def test_runs_beside_each_other_lose_nothing(bench):
    kv = bench.tool("kind: kv")

    def fill(name: str) -> None:
        for number in range(20):
            kv.set(f"{name}{number:02}", number)

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kv.keys()) == 60
    assert kv.get("c19") == 19


def test_every_call_is_counted_by_its_result(bench, kv):
    kv.set("a", 1)
    kv.get("a")
    with pytest.raises(ValueError):
        kv.get("")

    assert bench.counts() == {"ok": 2, "refused": 1}


def test_a_call_that_is_not_there_names_those_that_are(kv):
    with pytest.raises(TypeError, match="tool part has no 'put'; it has get, set, delete, keys"):
        kv.put("a", 1)


def test_it_waits_for_others_no_longer_than_the_run_may(bench):
    kv = bench.tool("kind: kv", left=0.0)
    body = bench.last.operations["get"].__wrapped__.__self__
    with body._lock, pytest.raises(ToolError, match="kept it busy"):
        kv.get("a")
