"""The two ways to show the demo."""

from __future__ import annotations

import dataclasses
import io

import pytest

from edge.demo.lines import Lines
from edge.demo.picture import Picture, arrival, bars

PICTURE = Picture(
    second=23.0,
    hour="14:30",
    caption="the upstream is away",
    readings={"climate": "34.1 degC", "door": "closed"},
    links={"mqtt": "connected", "up-default": "offline"},
    runs={"frost": "1 success"},
    arrived=["frost           success  celsius 2.9"],
    backlogs=[0, 3, 8],
    longest=8,
    counters={"events": 512, "received": 80},
)


def test_lines_say_the_caption_once_and_the_rest_every_other_second() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for tenth in range(30):
        lines.show(dataclasses.replace(PICTURE, second=23.0 + tenth / 10))
    lines.close()

    text = stream.getvalue()
    assert text.count("-- the upstream is away") == 1
    assert text.count("climate 34.1 degC; door closed") == 2
    assert text.count("backlog 8, 512 events, 80 received") == 2


def test_a_backlog_is_drawn_in_eighths_of_its_highest() -> None:
    assert bars([0, 1, 4, 8], width=10) == " ▁▄█"
    assert bars([0, 1, 4, 8], width=2) == "▄█"
    assert bars([], width=5) == ""
    assert bars([0, 0], width=5) == "  "


def test_an_outcome_without_a_result_is_shown_too() -> None:
    assert arrival({"task": "frost", "status": "failure", "result": None}).split() == ["frost", "failure", "None"]


@pytest.mark.parametrize("size", [(76, 24), (200, 60)])
def test_the_screen_shows_everything_of_a_picture_at_every_size(size: tuple[int, int]) -> None:
    rich = pytest.importorskip("rich.console", reason="the extra `broker` brings rich")
    from edge.demo.screen import draw

    width, height = size
    console = rich.Console(file=io.StringIO(), width=width, height=height)
    console.print(draw(PICTURE, width), height=height)

    shown = console.file.getvalue()
    for text in (
        "14:30",
        "the upstream is away",
        "34.1 degC",
        "offline",
        "1 success",
        "celsius 2.9",
        "journal: 8",
        "█",
    ):
        assert text in shown
    assert len(shown.rstrip("\n").splitlines()) == height
