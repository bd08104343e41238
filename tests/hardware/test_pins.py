"""Contact and relay on lines of a gpiochip: gpiozero, lgpio and the kernel are real, what is outside is a file."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drivers import PinInUse, PinUnavailable, Reading
from drivers.contact import Contact
from drivers.counter import Counter
from drivers.gpio import HeaderPins, pin_factory
from drivers.relay import Relay
from drivers.rotary import Rotary
from tests.hardware.gpio_sim import TICK, GpioSim
from tests.hardware.interfaces import absent
from tests.hardware.waiting import until

pytestmark = pytest.mark.hardware


@pytest.fixture
def open_header() -> Iterator[Callable[..., HeaderPins]]:
    if importlib.util.find_spec("lgpio") is None:
        absent("lgpio is not installed", "pip install 'edge-runtime[pi]'")
    with contextlib.ExitStack() as opened:

        def header(chip: int | str | None) -> HeaderPins:
            try:
                pins = pin_factory("real", now=time.monotonic, chip=chip)
            except PinUnavailable as error:
                if "revision" in str(error):
                    absent("gpiozero opens pins on a Raspberry Pi only", "scripts/kernel-tests gives out to be one")
                raise
            opened.callback(pins.close)
            return pins

        yield header


@pytest.fixture
def pins(gpio_sim: GpioSim, open_header: Callable[..., HeaderPins]) -> HeaderPins:
    return open_header(gpio_sim.label)


class Seen:
    """The edges of a watched part, with the times at which they were and at which they were told."""

    def __init__(self) -> None:
        self.edges: list[tuple[str, bool, float]] = []
        self.told: list[float] = []

    def __call__(self, role: str, level: bool, at: float) -> None:
        self.edges.append((role, level, at))
        self.told.append(time.monotonic())

    @property
    def levels(self) -> list[bool]:
        return [level for _, level, _ in self.edges]


def test_the_header_is_found_by_the_label_of_a_raspberry_pis_chip(open_header: Callable[..., HeaderPins]) -> None:
    other = GpioSim.make(label="another-chip", lines=4)
    try:
        header = GpioSim.make(label="pinctrl-bcm2711", lines=54)
        try:
            with Relay(open_header(None), 27) as fan:
                fan.on()
                assert header.level(27)
        finally:
            header.remove()
    finally:
        other.remove()


def test_a_label_that_no_chip_has_names_those_there_are(
    gpio_sim: GpioSim, open_header: Callable[..., HeaderPins]
) -> None:
    with pytest.raises(PinUnavailable, match=rf"no GPIO chip labelled nothing-like-it.*{gpio_sim.label}"):
        open_header("nothing-like-it")


@pytest.mark.parametrize(("pull", "level"), [("up", True), ("down", False)])
def test_the_pull_is_the_kernels_and_decides_an_open_line(
    pins: HeaderPins, gpio_sim: GpioSim, pull: Any, level: bool
) -> None:
    gpio_sim.drive(17, not level)
    with Contact(pins, 17, pull=pull) as door:
        assert gpio_sim.level(17) is level
        assert door.read() == Reading({"open": True})


def test_every_edge_of_the_kernel_is_told_with_its_time(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    seen = Seen()
    with Contact(pins, 17) as door:
        door.watch(seen)
        times = []
        for count, level in enumerate((False, True, False, True), 1):
            times.append(time.monotonic())
            gpio_sim.drive(17, level)
            until(lambda count=count: len(seen.edges) >= count)  # type: ignore[misc]
        times.append(time.monotonic())

        assert seen.levels == [False, True, False, True]
        assert all(times[n] <= at <= times[n + 1] for n, (_, _, at) in enumerate(seen.edges))
        assert door.read() == Reading({"open": True})


def test_the_time_of_an_edge_is_the_kernels_though_the_library_is_late(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    """All pins share one thread of the library: while one receiver takes 0.4 s, the edge of another waits."""
    seen = Seen()
    with Contact(pins, 17) as door, Contact(pins, 22) as window:
        door.watch(lambda role, level, at: time.sleep(0.4))
        window.watch(seen)
        gpio_sim.drive(17, False)
        before = time.monotonic()
        gpio_sim.drive(22, False)
        after = time.monotonic()
        until(lambda: seen.edges)

        assert before <= seen.edges[0][2] <= after
        assert seen.told[0] - after > 0.1


def test_a_contact_that_is_closed_and_opened_again_is_heard(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    for _ in range(3):
        seen = Seen()
        with Contact(pins, 17) as door:
            door.watch(seen)
            gpio_sim.drive(17, False)
            gpio_sim.drive(17, True)
            until(lambda seen=seen: len(seen.edges) >= 2)  # type: ignore[misc]
        gpio_sim.drive(17, False)
        gpio_sim.drive(17, True)
        assert len(seen.edges) == 2, "nothing comes after close()"


def test_a_header_that_is_closed_with_edges_on_their_way_leaves_the_next_one_its_edges(
    gpio_sim: GpioSim, open_header: Callable[..., HeaderPins]
) -> None:
    for _ in range(5):
        pins = open_header(gpio_sim.label)
        door = Contact(pins, 17)
        door.start()
        seen = Seen()
        door.watch(seen)
        gpio_sim.drive(17, False)
        until(lambda seen=seen: seen.edges)  # type: ignore[misc]
        gpio_sim.drive(17, True, hold=0)
        pins.close()


def test_chatter_settles_to_one_change_at_its_first_lasting_edge(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    seen = Seen()
    with Contact(pins, 17) as door:
        door.watch(seen)
        decoder = door.decoder(0.5)
        decoder.begin(door.levels(), time.monotonic())
        for level in (False, True, False, True, False):
            gpio_sim.drive(17, level)
        until(lambda: len(seen.edges) >= 5)
        for edge in seen.edges:
            decoder.edge(*edge)
        last = seen.edges[-1][2]

        assert decoder.due(last + 0.4) is None
        assert decoder.due(last + 0.6) == (Reading({"open": False}), last)
        assert decoder.due(last + 9.0) is None


def test_a_pulse_counter_counts_every_pulse_and_tells_their_rate(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    with Counter(pins, 17) as meter:
        for _ in range(50):
            gpio_sim.drive(17, False)
            gpio_sim.drive(17, True)
        until(lambda: meter.read().values["count"] == 50)
        assert meter.read().values["rate"] == pytest.approx(60 / (4 * TICK), rel=0.5)


def test_a_rotary_encoder_on_two_lines_counts_its_detents(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    seen = Seen()
    with Rotary(pins, {"a": 5, "b": 6}) as knob:
        knob.watch(seen)
        decoder = knob.decoder(0.0)
        decoder.begin(knob.levels(), time.monotonic())
        for count in range(1, 4):  # three detents clockwise: a closes, b closes, a opens, b opens
            for line, level in ((5, False), (6, False), (5, True), (6, True)):
                gpio_sim.drive(line, level)
            until(lambda count=count: len(seen.edges) >= 4 * count)  # type: ignore[misc]
        for edge in seen.edges:
            decoder.edge(*edge)
        told = []
        while (change := decoder.due(time.monotonic() + 1.0)) is not None:
            told.append(change[0].values.get("position"))

        assert [role for role, _, _ in seen.edges] == ["a", "b"] * 6, "in the order in which they were"
        assert told[-1] == 3
        assert decoder.missed == 0


def test_after_a_flood_of_edges_the_level_is_right_and_the_next_edge_comes(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    """The kernel keeps a few edges a line and drops the rest: what is read is the level, not a sum of edges."""
    seen = Seen()
    with Contact(pins, 17) as door:
        door.watch(seen)
        for _ in range(500):
            gpio_sim.drive(17, False, hold=0)
            gpio_sim.drive(17, True, hold=0)
        gpio_sim.drive(17, False)
        assert until(lambda: not door.read().values["open"])
        time.sleep(0.2)
        assert 1 <= len(seen.edges) <= 1001
        before = len(seen.edges)
        gpio_sim.drive(17, True)
        until(lambda: len(seen.edges) > before)
        assert seen.levels[-1] is True


def test_a_receiver_that_raises_stops_neither_its_pin_nor_another(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    seen = Seen()

    def broken(role: str, level: bool, at: float) -> None:
        raise RuntimeError("the receiver is broken")

    with Contact(pins, 17) as door, Contact(pins, 22) as window:
        door.watch(broken)
        window.watch(seen)
        gpio_sim.drive(17, False)
        until(lambda: pins.lost == 1)
        gpio_sim.drive(22, False)
        until(lambda: seen.levels == [False])
        gpio_sim.drive(17, True)
        until(lambda: pins.lost == 2)


@pytest.mark.parametrize(("active_high", "safe"), [(True, "off"), (False, "off"), (True, "on"), (False, "on")])
def test_a_relay_drives_its_line_from_its_safe_state_to_its_safe_state(
    pins: HeaderPins, gpio_sim: GpioSim, active_high: bool, safe: Any
) -> None:
    rest = (safe == "on") == active_high
    with Relay(pins, 27, active_high=active_high, safe=safe) as fan:
        assert gpio_sim.level(27) is rest
        for on in (True, False, True):
            fan.set(on)
            assert gpio_sim.level(27) is (on == active_high)
            assert fan.read() == Reading({"on": on})
        fan.make_safe()
        assert gpio_sim.level(27) is rest
    # given back: now whatever is outside decides
    for level in (True, False):
        gpio_sim.drive(27, level)
        assert gpio_sim.level(27) is level


HOLD = """
import sys, lgpio
chip = lgpio.gpiochip_open(int(sys.argv[1]))
lgpio.gpio_claim_output(chip, 17, 1)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("part", [Contact, Relay])
def test_a_line_that_another_process_holds_is_named_and_free_when_it_ends(
    pins: HeaderPins, gpio_sim: GpioSim, part: Any
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(gpio_sim.chip)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PinInUse, match="GPIO17 is held by another process"):
            part(pins, 17).start()
        with Relay(pins, 27):
            pass
    finally:
        holder.communicate()
    with part(pins, 17):
        pass


def test_two_processes_of_ours_do_not_share_a_line(pins: HeaderPins, gpio_sim: GpioSim) -> None:
    with Relay(pins, 27):
        other = subprocess.run(
            [sys.executable, "-c", SECOND, gpio_sim.label], capture_output=True, text=True, timeout=60, check=False
        )
    assert other.stdout == "GPIO27 is held by another process\n", other.stderr


SECOND = """
import sys, time
from drivers.errors import PinInUse
from drivers.gpio import pin_factory
from drivers.relay import Relay
from drivers.rotary import Rotary
pins = pin_factory("real", now=time.monotonic, chip=sys.argv[1])
try:
    Relay(pins, 27).start()
except PinInUse as error:
    print(str(error).partition(":")[0])
"""
