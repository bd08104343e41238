"""The inbox is bounded, in order, and says what it does when it is full."""

from __future__ import annotations

import pytest

from edge.ingest.inbox import Inbox
from edge.telemetry import Counter


class Item:
    def __init__(self, name: str) -> None:
        self.name = name

    delivery = None

    def events(self):
        raise AssertionError("not asked here")

    def settle(self) -> None:
        raise AssertionError("not asked here")


@pytest.fixture
def dropped() -> Counter:
    return Counter()


def names(inbox: Inbox) -> list[str]:
    found = []
    while (item := inbox.take()) is not None:
        found.append(item.name)
    return found


def test_items_come_out_in_the_order_they_came(dropped):
    inbox = Inbox(dropped=dropped)
    inbox.push(Item("reading"))
    assert inbox.offer(Item("message"))
    inbox.push(Item("edge"))

    assert names(inbox) == ["reading", "message", "edge"]


def test_a_full_inbox_refuses_a_held_item_and_keeps_what_it_has(dropped):
    inbox = Inbox(held=2, lossy=0, dropped=dropped)
    assert inbox.offer(Item("a"))
    assert inbox.offer(Item("b"))
    assert not inbox.offer(Item("c"))

    assert names(inbox) == ["a", "b"]
    assert dropped.value == 0


def test_the_oldest_lossy_item_goes_first_and_is_counted(dropped):
    inbox = Inbox(lossy=2, dropped=dropped)
    inbox.push(Item("old"))
    assert inbox.offer(Item("held"))
    inbox.push(Item("new"))
    inbox.push(Item("newest"))

    assert names(inbox) == ["held", "new", "newest"]
    assert dropped.value == 1


def test_waiting_ends_at_once_when_something_is_there(dropped):
    inbox = Inbox(dropped=dropped)
    inbox.push(Item("a"))
    inbox.wait(None)

    assert names(inbox) == ["a"]
