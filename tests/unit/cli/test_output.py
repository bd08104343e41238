"""What people read is aligned, and coloured only where someone looks."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from edge.cli.logs import JsonLines, Lines, set_up
from edge.cli.output import columns, count, note, paint, plain, quantity, say


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert paint("ok", "green") == "ok"

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert paint("ok", "green") == "\033[32mok\033[0m"

    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("ok", "green") == "ok"


@pytest.mark.parametrize("act", ["\033[2J", "\033]0;name\007", "\r", "\b", "\x9b2J", "\033[8m", "\u202e", "\x7f"])
def test_what_others_wrote_does_not_drive_the_terminal(act: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"\033[32mok\033[0m {act}\tfine\n")
    note(act)
    said = capsys.readouterr()
    assert act not in said.out + said.err
    assert said.out.startswith("\033[32mok\033[0m ")
    assert said.out.endswith("\tfine\n\n")
    assert act not in Lines().format(logging.makeLogRecord({"name": "edge.x", "msg": act}))


def test_what_others_wrote_makes_no_lines_of_its_own() -> None:
    forged = "fine\n2026-11-21T09:00:00.000Z info    apps: app x removed"
    assert len(columns([("what", forged), ("may not", "anything else")]).splitlines()) == 2
    line = Lines().format(logging.makeLogRecord({"name": "edge.x", "msg": forged}))
    assert line.splitlines()[1].startswith("  2026")


def test_colours_do_not_disturb_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    plainly = columns([("a", "ok", "x"), ("bbb", "degraded", "y")], ("name", "state"))
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    painted = columns([("a", paint("ok", "green"), "x"), ("bbb", paint("degraded", "red"), "y")])

    assert plainly.splitlines() == ["NAME  STATE", "a     ok        x", "bbb   degraded  y"]
    assert painted.splitlines()[0].endswith("\033[0m        x")
    assert columns([]) == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(21.5, "degC", "21.5 degC"), (True, "bool", "yes"), (False, "bool", "no"), (None, "hPa", "-"), (3, "", "3")],
)
def test_values_are_short(value: object, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_numbers_and_things_agree() -> None:
    assert [count(number, "task") for number in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]
    assert plain(0.1 + 0.2) == "0.3"
    assert plain(1_700_000_001.0) == "1700000001"


# -- log lines ------------------------------------------------------------------------------------------------------


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("edge.links.mqtt", logging.WARNING, __file__, 1, "gone: %s", ("timeout",), None)
    made.created = 1795251600.12
    vars(made).update(extra)
    return made


def test_a_line_for_people_says_when_who_and_what() -> None:
    assert Lines().format(record()) == "2026-11-21T09:00:00.120Z warning links.mqtt: gone: timeout"


def test_a_line_for_programs_has_the_extras_as_keys() -> None:
    line = json.loads(JsonLines().format(record(action="link_down", link="mqtt")))

    assert line == {
        "time": "2026-11-21T09:00:00.120Z",
        "level": "warning",
        "logger": "edge.links.mqtt",
        "message": "gone: timeout",
        "action": "link_down",
        "link": "mqtt",
    }


def test_the_level_is_ours_and_libraries_only_warn() -> None:
    stream = io.StringIO()
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        set_up("info", as_json=True, stream=stream)
        logging.getLogger("edge.app").info("started")
        logging.getLogger("apscheduler").info("chatter")
        logging.getLogger("edge.app").debug("detail")
    finally:
        root.handlers[:] = handlers
        for name in ("edge", "drivers", "tasks"):
            logging.getLogger(name).setLevel(logging.NOTSET)

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["started"]


def test_a_log_whose_reader_went_away_stops_without_noise(capsys: pytest.CaptureFixture[str]) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        set_up("info", as_json=False, stream=Closed())
        logging.getLogger("edge.app").warning("one")
        assert root.handlers == []
    finally:
        root.handlers[:] = handlers
        for name in ("edge", "drivers", "tasks"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert capsys.readouterr().err == ""
