"""SSD1306: what is to be seen on the glass, and when nothing is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, Nack, NotStarted, OutOfRange, SimBus, World, WrongChip
from drivers.kit.canvas import Canvas, as_text, wrapped
from drivers.kit.font import drawn
from drivers.ssd1306 import SSD1306, SimSSD1306
from tests.drivers.failing import Failing


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimSSD1306:
    chip = SimSSD1306(world, "it")
    bus.attach(0x3C, chip)
    return chip


def started(bus: Any, **options: Any) -> SSD1306:
    display = SSD1306(bus, **options)
    display.start()
    return display


def test_a_text_is_to_be_seen(chip: SimSSD1306, bus: SimBus) -> None:
    started(bus).set("21.5 °C|ok")

    shown = as_text([row[:45].rstrip(".").ljust(45, ".") for row in chip.picture()[:16]])
    assert [line.rstrip() for line in shown.split("\n")] == [
        "▄▀▀▀▄  ▄█         █▀▀▀▀       ▄▀▀▄  ▄▀▀▀▄",
        "  ▄▄▀   █         ▀▀▀▀▄       ▀▄▄▀  █",
        "▄▀      █    ▄▄   ▄   █             █   ▄",
        "▀▀▀▀▀  ▀▀▀   ▀▀    ▀▀▀               ▀▀▀",
        "      █",
        "▄▀▀▀▄ █ ▄▀",
        "█   █ █▀▄",
        " ▀▀▀  ▀  ▀",
    ]
    assert not any("#" in row for row in chip.picture()[16:])


@pytest.mark.parametrize(
    ("height", "setup"),
    [
        (64, "00d580a83fd300408d142002a1c8da12817fd9f1db30a4a6"),
        (32, "00d580a81fd300408d142002a1c8da02817fd9f1db30a4a6"),
    ],
)
def test_it_is_set_up_as_others_do(height: int, setup: str, chip: SimSSD1306, bus: SimBus) -> None:
    """adafruit_ssd1306 2.12.24 and luma.oled 3.16.0, unmodified, show on this glass what they drew, and the same dots
    sent by luma leave the same memory as ours."""
    started(bus, height=height, contrast=0x7F)

    assert setup in [t.write.hex() for t in bus.log]
    assert len(chip.picture()) == height


def test_it_is_dark_until_it_is_told_to_show_something(chip: SimSSD1306, bus: SimBus, world: World) -> None:
    """The memory of a display is full of noise when its supply comes up; nobody ever sees that."""
    display = started(bus)
    assert display.read().values == {"on": False}

    display.set("on")
    assert display.read().values == {"on": True}
    assert world["it.on"] is True
    assert not any("#" in row for row in chip.picture()), "nothing was said yet"

    display.set("hello")
    display.set(False)
    assert not any("#" in row for row in chip.picture())
    display.set(True)
    assert any("#" in row for row in chip.picture()), "it still knows what it showed"

    display.close()
    assert world["it.on"] is False, "its safe state is to sleep"


def test_safe_on_keeps_what_is_shown(chip: SimSSD1306, bus: SimBus) -> None:
    display = started(bus, safe="on")
    display.set("last words")
    before = chip.picture()

    display.close()

    assert chip.picture() == before
    assert chip.awake


def test_turned_by_half_a_turn(chip: SimSSD1306, bus: SimBus) -> None:
    started(bus).set("up")
    upright = chip.picture()
    started(bus, rotation=180).set("up")

    assert chip.picture() == [row[::-1] for row in upright[::-1]]


def test_contrast_goes_to_the_chip(chip: SimSSD1306, bus: SimBus) -> None:
    started(bus, contrast=3)
    assert chip.settings[0x81] == 3
    with pytest.raises(OutOfRange, match="contrast is 0 to 255, not 256"):
        SSD1306(bus, contrast=256)


@pytest.mark.parametrize("height", [64, 32])
def test_a_graph_of_the_last_numbers(height: int, chip: SimSSD1306, bus: SimBus) -> None:
    """The newest at the right, the highest to the top of the lower half, the lowest one dot."""
    display = started(bus, height=height, graph=True)
    for number in (10.0, 20.0, 15.0):
        display.set(number)

    half = height // 2
    columns = ["".join(row[x] for row in chip.picture()[half:]) for x in range(128)]
    assert [column.count("#") for column in columns[-3:]] == [1, half, 1 + round((half - 1) / 2)]
    assert all(column == column.count("#") * "#" + (half - column.count("#")) * "." for column in
               (column[::-1] for column in columns)), "a bar stands on the ground"  # fmt: skip
    assert not any("#" in column for column in columns[:-3])

    for number in range(200):
        display.set(number)
    low = ["".join(row[x] for row in chip.picture()[half:]).count("#") for x in range(128)]
    assert low == sorted(low), "the last 128 of them"
    assert (low[0], low[-1]) == (1, half)


def test_a_graph_says_its_numbers_until_it_is_given_a_text(chip: SimSSD1306, bus: SimBus) -> None:
    display = started(bus, graph=True)
    display.set(19.5)
    display.set(21)
    numbers = chip.picture()[:16]
    display.set("21|19.5 .. 21")
    assert chip.picture()[:16] == numbers

    display.set("Kitchen")
    assert chip.picture()[:16] != numbers
    with pytest.raises(OutOfRange, match="4 lines of 21 letters; the text takes 5"):
        display.set("1|2|3|4|5")


def test_without_a_graph_a_number_is_a_text(chip: SimSSD1306, bus: SimBus) -> None:
    display = started(bus)
    display.set(21.5)
    as_number = chip.picture()
    display.set("21.5")

    assert chip.picture() == as_number
    with pytest.raises(OutOfRange, match="not nan"):
        display.set(float("nan"))


def test_a_text_that_does_not_fit_is_refused_and_the_old_one_stays(chip: SimSSD1306, bus: SimBus) -> None:
    display = started(bus, height=32)
    display.set("good")
    before = chip.picture()
    with pytest.raises(OutOfRange, match=r"SSD1306 at 0x3c has 4 lines of 21 letters; the text takes 5"):
        display.set("words " * 14)

    assert chip.picture() == before


def test_only_lines_that_changed_are_sent(chip: SimSSD1306, bus: SimBus) -> None:
    display = started(bus)
    display.set("one|two|three")
    bus.log.clear()

    display.set("one|2|three")

    assert sum(len(t.write) - 1 for t in bus.log if t.write[:1] == b"\x40") == 128
    assert max(len(t.write) for t in bus.log) <= 33, "adapters without plain I2C write 32 bytes after the first"


def test_a_display_that_lost_its_power_says_so_and_the_next_text_brings_it_back(
    chip: SimSSD1306, bus: SimBus, world: World
) -> None:
    display = started(bus, contrast=9)
    display.set("before")
    again = SimSSD1306(world, "it")
    bus.attach(0x3C, again)
    with pytest.raises(BadData, match="went dark by itself: check its power supply"):
        display.read()

    display.set("after")

    assert display.read().values == {"on": True}
    assert again.settings[0x81] == 9
    display.set("before")
    assert again.memory == chip.memory


def test_a_second_start_leaves_the_picture_alone_and_completes_it(chip: SimSSD1306, bus: SimBus) -> None:
    failing = Failing(bus, error=BusTimeout)
    display = started(failing)
    display.set("one|two")
    failing.left = 3
    with pytest.raises(BusTimeout):
        display.set("uno|due")
    bus.log.clear()

    display.start()

    whole = chip.picture()
    assert b"\x00\xae" not in [t.write for t in bus.log], "it did not go dark for it"
    display.set("off")
    display.set("uno|due")
    assert chip.picture() == whole


def test_others_at_its_address(world: World, bus: SimBus) -> None:
    class SH1106(SimSSD1306):
        def read(self, count: int) -> bytes:
            return bytes([0x08 | super().read(1)[0] & 0x40]) * count

    class Deaf(SimSSD1306):
        def read(self, count: int) -> bytes:
            return b"\x46" * count

    for part, why in ((SH1106, "is an SH1106"), (Deaf, "does not go to sleep and wake up as told")):
        bus.attach(0x3C, part(world, "it"))
        with pytest.raises(WrongChip, match=why):
            SSD1306(bus).start()
    bus.detach(0x3C)
    with pytest.raises(Nack):
        SSD1306(bus).start()
    with pytest.raises(NotStarted):
        SSD1306(bus).set("too early")


def test_every_letter_is_drawn_and_no_two_look_alike() -> None:
    letters = [chr(code) for code in range(0x20, 0x7F)] + list("°äöüÄÖÜßµ")
    pictures = {drawn(letter) for letter in letters}

    assert len(pictures) == len(letters)
    assert drawn(" ") == bytes(5)
    assert drawn("€") == drawn("\t") not in pictures, "a box"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_is_shown_or_refused(text: str) -> None:
    display = started(SimBus({0x3C: SimSSD1306(World(), "it")}))
    with suppress(OutOfRange):
        display.set(text)
    assert display.read().values


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a|b\nc", ["a", "b", "c"]),
        ("one two three", ["one two", "three"]),
        ("unbreakable", ["unbreaka", "ble"]),
        ("", [""]),
        ("a||b", ["a", "", "b"]),
    ],
)
def test_lines_are_broken_between_words(text: str, lines: list[str]) -> None:
    assert wrapped(text, 8) == lines


def test_equal_numbers_are_bars_of_half_the_height() -> None:
    canvas = Canvas(8, 16)
    canvas.bars([5.0, 5.0])

    assert [page.hex() for page in canvas.pages] == ["0000000000008080", "000000000000ffff"]
    canvas.bars([])
