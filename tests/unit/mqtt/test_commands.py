"""Commands to devices leave at once over a link that another thread drives, or are an error."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drivers import BusTimeout, BusUnavailable
from edge.links import commands as module
from edge.links.commands import Commands
from edge.links.link import Session, Standing, State


class Link:
    """Takes what it is given, and answers when it is told to."""

    def __init__(self) -> None:
        self.session: Session | None = Session(1, True, "5", 10, None, 30.0)
        self.standing = Standing(State.OFFLINE, 0.0, "cable pulled")
        self.room = 10
        self.heard = 0.0
        self.sent: list[tuple[str, bytes]] = []
        self.answers: list[Any] = []
        self.woken = threading.Event()
        self.turn = self.refuse
        self.turns = 0

    def listen(self, connected: Any = None, disconnected: Any = None) -> None:
        self.lose = disconnected

    def publish(self, topic: str, payload: bytes, **more: Any) -> None:
        assert "retain" not in more
        self.sent.append((topic, payload))
        self.answers.append(more["done"])

    def wake(self) -> None:
        self.woken.set()

    def step(self, timeout: float) -> None:
        self.turns += 1
        self.turn()

    def refuse(self) -> None:
        raise AssertionError("another thread drives it")


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def commands(link: Link) -> Commands:
    made = Commands()
    made.attach(link)  # type: ignore[arg-type]
    return made


def driven(commands: Commands, link: Link, act: Any) -> Any:
    """What `publish` raises in its thread while this one is the link's, and does `act` once it was woken."""
    raised: list[BaseException | None] = []
    commands.step()  # from now on this thread is the link's

    def order() -> None:
        try:
            commands.publish("cmnd/plug/POWER", b"OFF")
            raised.append(None)
        except BaseException as error:  # noqa: BLE001 - judged by the test
            raised.append(error)

    giver = threading.Thread(target=order)
    giver.start()
    assert link.woken.wait(5)
    act()
    giver.join(5)
    return raised[0]


def test_it_is_sent_by_the_links_thread_and_returns_when_the_broker_has_it(commands: Commands, link: Link) -> None:
    def act() -> None:
        commands.step()
        link.answers.pop()(0, "")

    assert driven(commands, link, act) is None
    assert link.sent == [("cmnd/plug/POWER", b"OFF")]


def test_a_connection_that_ends_before_the_answer_is_an_error(commands: Commands, link: Link) -> None:
    def act() -> None:
        commands.step()
        link.lose("cut")

    error = driven(commands, link, act)
    assert isinstance(error, BusUnavailable)
    assert "it may act all the same" in str(error)


def test_a_connection_that_ends_before_it_was_sent_is_an_error(commands: Commands, link: Link) -> None:
    error = driven(commands, link, lambda: link.lose("cut"))

    assert isinstance(error, BusUnavailable)
    assert "not sent" in str(error)
    commands.step()
    assert link.sent == []


def test_without_a_connection_nothing_waits(commands: Commands, link: Link) -> None:
    link.session = None

    with pytest.raises(BusUnavailable, match=r"no connection to the broker \(cable pulled\); nothing was sent"):
        commands.publish("cmnd/plug/POWER", b"OFF")
    link.session = Session(2, True, "5", 10, None, 30.0)
    commands.step()
    assert link.sent == []


def test_what_its_giver_gave_up_is_not_sent_any_more(
    commands: Commands, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    link.room = 0

    error = driven(commands, link, lambda: None)

    assert isinstance(error, BusTimeout)
    link.room = 10
    commands.step()
    assert link.sent == []


def test_what_nobody_waits_for_goes_in_the_next_step(commands: Commands, link: Link) -> None:
    commands.later([("cmnd/plug/TelePeriod", b"")])
    commands.step()

    assert link.sent == [("cmnd/plug/TelePeriod", b"")]


def test_what_is_sent_ahead_overtakes_what_a_task_gave_in_the_same_moment(commands: Commands, link: Link) -> None:
    told: list[Any] = []

    def act() -> None:  # the connection is up, and its greeting comes a moment after a command
        commands.ahead([("cmnd/plug/MODE", b"0"), ("cmnd/plug/POWER", b"OFF")], told.append)
        commands.step()
        while link.answers:
            link.answers.pop(0)(0, "")

    assert driven(commands, link, act) is None
    assert [topic for topic, _ in link.sent] == ["cmnd/plug/MODE", "cmnd/plug/POWER", "cmnd/plug/POWER"]
    assert told == [None]


def test_what_a_connection_took_with_it_is_told(commands: Commands, link: Link) -> None:
    told: list[Any] = []
    for send in (False, True):
        commands.ahead([("cmnd/plug/POWER", b"OFF")], told.append)
        if send:
            commands.step()
        link.lose("cut")

    assert [type(error) for error in told] == [BusUnavailable, BusUnavailable]


def test_a_broker_that_does_not_answer_is_waited_for_once_until_it_says_something(
    commands: Commands, link: Link
) -> None:
    link.turn = lambda: None

    def turns_of_a_command() -> int:
        before = link.turns
        with pytest.raises(BusTimeout, match="it may act all the same"):
            commands.publish("cmnd/plug/POWER", b"OFF")
        return link.turns - before

    assert turns_of_a_command() == 40
    assert turns_of_a_command() == 1
    link.heard = 5.0
    assert turns_of_a_command() == 40
    assert len(link.sent) == 3, "it was sent all the same"


def test_a_command_whose_link_lost_its_thread_meanwhile_is_sent_by_its_giver(commands: Commands, link: Link) -> None:
    ready = threading.Event()

    def drive() -> None:
        commands.step()
        ready.set()
        assert link.woken.wait(5)  # the runtime stops just now: no step follows

    driver = threading.Thread(target=drive)
    driver.start()
    assert ready.wait(5)
    link.turn = lambda: link.answers.pop()(0, "")

    commands.publish("cmnd/plug/POWER", b"OFF")
    driver.join(5)
    assert link.sent == [("cmnd/plug/POWER", b"OFF")]
