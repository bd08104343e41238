"""Block sockets and the waiter, on a pair of connected sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from edge.links.wire import BlockSocket, Waiter


@pytest.fixture
def pair() -> Iterator[tuple[BlockSocket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    yield BlockSocket(near), far
    near.close()
    far.close()


@pytest.fixture
def waiter() -> Iterator[Waiter]:
    waiter = Waiter()
    yield waiter
    waiter.close()


def test_one_read_serves_many_small_ones(pair):
    block, far = pair
    far.sendall(b"abcdef")

    assert (block.recv(1), block.recv(2), block.more, block.recv(10)) == (b"a", b"bc", True, b"def")
    assert block.received == 1
    assert not block.more
    with pytest.raises(BlockingIOError):
        block.recv(1)


def test_the_end_of_the_stream_is_an_empty_read(pair):
    block, far = pair
    far.close()

    assert block.recv(1) == b""


def test_writes_are_collected_until_they_are_flushed(pair):
    block, far = pair
    for letter in b"abc":
        block.send(bytes((letter,)))
    assert block.unsent

    block.flush()

    assert far.recv(10) == b"abc"
    assert not block.unsent


def test_too_much_waiting_is_refused_instead_of_collected(pair):
    block, _ = pair
    block.send(bytes(1_000_000))

    with pytest.raises(BlockingIOError):
        block.send(b"x")


def test_closing_sends_what_was_collected(pair):
    block, far = pair
    block.send(b"bye")
    block.close()
    block.close()

    assert far.recv(10) == b"bye"


def test_a_wait_ends_when_there_is_something_to_read_and_says_so(pair, waiter):
    block, far = pair
    assert not waiter.wait(block, 0)
    far.sendall(b"x")

    assert waiter.wait(block, 10)
    assert waiter.wait(block, 10)


def test_what_was_read_already_is_not_waited_for(pair, waiter):
    block, far = pair
    far.sendall(b"ab")
    block.recv(1)

    assert waiter.wait(block, 10)


def test_a_wait_ends_when_the_socket_takes_more(pair, waiter):
    block, far = pair
    block.send(bytes(3_000_000))
    block.flush()
    assert block.unsent
    assert not waiter.wait(block, 0)
    while block.unsent:
        far.recv(1 << 20)
        assert not waiter.wait(block, 10)
        block.flush()


def test_another_thread_wakes_a_wait(waiter):
    thread = threading.Thread(target=waiter.wake)
    thread.start()
    waiter.wait(None, 30)  # the test's timeout would notice
    thread.join()


def test_waking_before_the_wait_counts_once(waiter):
    waiter.wake()
    waiter.wait(None, 30)

    assert not waiter.wait(None, 0)


def test_waking_a_closed_waiter_is_no_error():
    waiter = Waiter()
    waiter.close()

    waiter.wake()


def test_sockets_that_follow_each_other_are_told_apart(waiter):
    for _ in range(3):
        near, far = socket.socketpair()
        near.setblocking(False)
        block = BlockSocket(near)
        assert not waiter.wait(block, 0)
        far.sendall(b"x")
        assert waiter.wait(block, 10)
        block.close()
        far.close()
        assert not waiter.wait(None, 0)
