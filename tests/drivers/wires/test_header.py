"""The real header: gpiozero's own lgpio pins over a stand-in for the lgpio extension."""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import BusFault, BusUnavailable, Device, PartOnPins, PinInUse, PinUnavailable, Push, Seconds, World
from drivers.button import Button
from drivers.contact import Contact
from drivers.counter import Counter
from drivers.gpio import HeaderPins, pin_factory
from drivers.kit.decoders import Debounce
from drivers.max31855 import MAX31855, SimMAX31855
from drivers.mcp3008 import MCP3008, SimMCP3008
from drivers.pir import PIR
from drivers.relay import Relay
from drivers.rotary import Rotary
from drivers.wires.spi import HeaderSpi
from tests.drivers.lgpio_double import Lgpio

PI_4, PI_5 = 0xC03111, 0xD04170


class Importing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import lgpio` find the stand-in and do to the process what the real import does."""

    def __init__(self, lgpio: Lgpio) -> None:
        self.lgpio = lgpio

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        return importlib.machinery.ModuleSpec("lgpio", self) if name == "lgpio" else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Lgpio:
        return self.lgpio

    def exec_module(self, module: object) -> None:
        self.lgpio.imported()


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lgpio]:
    """A Pi 4 in a folder of its own; change `chips` and the revision for another."""
    lgpio = Lgpio({0: "pinctrl-bcm2711"})
    for name in ("lgpio", "gpiozero.pins.lgpio"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Importing(lgpio), *sys.meta_path])
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: PI_4)
    (tmp_path / "dev").mkdir()
    monkeypatch.setattr("drivers.gpio._DEV", tmp_path / "dev")
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    yield lgpio
    for name in ("lgpio", "gpiozero.pins.lgpio"):
        sys.modules.pop(name, None)


NOW = 5000.0


def open_header(board: Lgpio, chip: int | str | None = None) -> HeaderPins:
    for number in board.chips:
        (Path("dev") / f"gpiochip{number}").touch()
    return pin_factory("real", now=lambda: NOW, wait=lambda seconds: None, chip=chip)


def test_a_contact_and_a_relay_work_through_gpiozeros_lgpio_pins(board: Lgpio) -> None:
    header = open_header(board)
    seen: list[tuple[str, bool, float]] = []
    with Contact(header, 17) as door, Relay(header, 27, active_high=False) as fan:
        assert board.modes[17] == board.SET_PULL_UP
        door.watch(lambda *edge: seen.append(edge))
        board.edge(17, 0)
        board.edge(17, 1)
        assert board.levels[27] == 1
        fan.on()
        assert board.levels[27] == 0
    header.close()

    assert seen == [("pin", False, NOW), ("pin", True, NOW)]


@pytest.mark.parametrize(
    ("stamp", "at", "why"),
    [
        (NOW - 0.0006, NOW - 0.0006, "lgpio hands edges on half a millisecond late"),
        (NOW - 9.9, NOW - 9.9, "a machine that had no time for its pins"),
        (NOW, NOW, "just now"),
        (1_795_000_000.0, NOW, "a kernel before 5.7 stamps with wall time"),
        (NOW + 0.5, NOW, "nothing happens in the future"),
        (12.0, NOW, "a clock that began later"),
        (0.0, NOW, "no stamp at all"),
    ],
)
def test_an_edge_has_the_time_of_the_kernel_where_that_can_be_one(
    board: Lgpio, stamp: float, at: float, why: str
) -> None:
    header = open_header(board)
    seen: list[float] = []
    pin = header.input(17, pull="up")
    pin.watch(lambda level, at: seen.append(at))
    board.edge(17, 0, stamp)
    header.close()

    assert seen == [pytest.approx(at, abs=1e-6)], why


def test_a_pin_keeps_its_pull_while_it_is_watched_and_is_silent_after_its_end(board: Lgpio) -> None:
    header = open_header(board)
    pin = header.input(17, pull="up")
    assert 17 not in board.callbacks, "nobody listens yet"
    pin.watch(lambda level, at: None)
    assert board.alerts[17] & board.SET_PULL_UP
    pin.close()
    pin.close()

    assert 17 not in board.callbacks
    header.input(17, pull="down")
    header.close()


def test_a_pin_that_cannot_be_watched_is_given_back(board: Lgpio, monkeypatch: pytest.MonkeyPatch) -> None:
    header = open_header(board)
    meter = Counter(header, 17)

    def refused(*args: object) -> int:
        raise board.error("too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(board, "gpio_claim_alert", refused)
        with pytest.raises(PinUnavailable, match="too many open files"):
            meter.start()
    meter.start()
    board.edge(17, 0, NOW)
    assert meter.read().values["count"] == 1
    header.close()


DEVICES: dict[str, Callable[[HeaderPins], Device]] = {
    "contact": lambda header: Contact(header, 17),
    "button": lambda header: Button(header, 17, double=Seconds(0.4), long=Seconds(1.0)),
    "pir": lambda header: PIR(header, 17),
    "counter": lambda header: Counter(header, 17, min_width=Seconds(0.001)),
    "rotary": lambda header: Rotary(header, {"a": 17, "b": 27, "button": 22}),
}


@pytest.mark.parametrize("kind", DEVICES)
def test_every_input_works_through_gpiozeros_lgpio_pins(board: Lgpio, kind: str) -> None:
    header = open_header(board)
    seen: list[tuple[str, bool, float]] = []
    with DEVICES[kind](header) as device:
        assert isinstance(device, PartOnPins)
        before = device.read().values
        if isinstance(device, Push):
            device.watch(lambda *edge: seen.append(edge))
        for number, pin in enumerate(device.numbers.values()):
            level = board.levels[pin]
            board.edge(pin, 1 - level, NOW - 1 + number / 10)
            board.edge(pin, level, NOW - 1 + number / 10 + 0.05)
        assert set(device.read().values) == set(before)
        if isinstance(device, Counter):
            assert device.read().values["count"] == 1
        else:
            assert [role for role, _, _ in seen] == [role for role in device.numbers for _ in range(2)]
            assert [at for _, _, at in seen] == sorted(at for _, _, at in seen)
    assert board.callbacks == {}
    header.close()


@pytest.mark.parametrize("kind", DEVICES)
def test_nothing_that_goes_wrong_with_an_edge_reaches_the_librarys_thread(
    board: Lgpio, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    header = open_header(board)
    with DEVICES[kind](header) as device:
        assert isinstance(device, PartOnPins)
        if isinstance(device, Push):
            device.watch(lambda role, level, at: 1 / 0)
        else:
            monkeypatch.setattr(Debounce, "edge", lambda self, level, at: 1 / 0)
        for pin in device.numbers.values():
            board.edge(pin, 0, NOW)
            board.edge(pin, 1, NOW)

        assert header.lost == 2 * len(device.numbers)
    header.close()


def test_an_output_drives_its_safe_level_from_the_moment_it_is_claimed(board: Lgpio) -> None:
    levels: list[int] = []
    write = board.gpio_write
    board.gpio_write = lambda h, line, level: levels.append(int(level)) or write(h, line, level)  # type: ignore[method-assign,func-returns-value]
    header = open_header(board)
    with Relay(header, 27, active_high=False, safe="off"):
        assert board.levels[27] == 1
        assert 0 not in levels
    header.close()


def test_importing_lgpio_does_not_move_the_working_directory(board: Lgpio, tmp_path: Path) -> None:
    """The import changes it to LG_WD; relative paths of the configuration would silently move along."""
    open_header(board).close()

    assert Path.cwd() == tmp_path
    assert not list(tmp_path.glob(".lgd*"))
    assert list(Path(os.environ["LG_WD"]).glob(".lgd*"))


def test_the_services_runtime_folder_is_where_lgpio_works(
    board: Lgpio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    open_header(board).close()

    assert os.environ["LG_WD"] == str(tmp_path / "run")


@pytest.mark.parametrize(
    ("chips", "chosen"),
    [
        ({0: "pinctrl-bcm2835", 1: "raspberrypi-exp-gpio"}, 0),
        ({0: "gpio-brcmstb", 4: "pinctrl-rp1"}, 4),
        ({0: "pinctrl-rp1", 4: "ftdi-cbus"}, 0),
        ({10: "gpio-brcmstb", 11: "pinctrl-rp1"}, 11),
    ],
)
def test_the_header_is_found_by_its_label_whatever_its_number(
    board: Lgpio, monkeypatch: pytest.MonkeyPatch, chips: dict[int, str], chosen: int
) -> None:
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: PI_5)
    board.chips = chips
    header = open_header(board)

    assert board.opened[-1] == chosen
    header.close()


def test_a_chip_may_be_named_by_number_or_label(board: Lgpio) -> None:
    board.chips = {0: "pinctrl-bcm2711", 2: "my-expander"}
    for chip, chosen in ((2, 2), ("my-expander", 2), ("pinctrl-bcm2711", 0)):
        open_header(board, chip).close()
        assert board.opened[-1] == chosen


def test_no_header_lists_what_was_found(board: Lgpio) -> None:
    board.chips = {0: "gpio-mockup"}
    with pytest.raises(
        PinUnavailable, match=r"no GPIO chip labelled pinctrl-rp1 or .*; found gpio-mockup \(gpiochip0\)"
    ):
        open_header(board)


def test_a_machine_without_gpio_says_so(board: Lgpio) -> None:
    board.chips = {}
    with pytest.raises(PinUnavailable, match="no gpiochip at all"):
        open_header(board)


def test_a_chip_that_may_not_be_opened_names_the_group(board: Lgpio) -> None:
    board.refused = {0}
    with pytest.raises(PinUnavailable, match="no permission for gpiochip0: `sudo usermod -aG gpio"):
        open_header(board)


def test_a_board_that_is_no_raspberry_pi_is_refused_by_name_of_the_reason(
    board: Lgpio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpiozero import PinUnknownPi

    def unknown() -> int:
        raise PinUnknownPi("unable to locate Pi revision")

    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", unknown)
    with pytest.raises(PinUnavailable, match="unable to locate Pi revision"):
        open_header(board)


def test_a_line_of_another_process_is_in_use(board: Lgpio) -> None:
    board.busy = {17}
    header = open_header(board)

    with pytest.raises(PinInUse, match="GPIO17 is held by another process"):
        Contact(header, 17).start()
    header.close()


def test_without_lgpio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LG_WD", str(tmp_path))
    monkeypatch.setitem(sys.modules, "lgpio", None)

    with pytest.raises(PinUnavailable, match=r"pip install 'edge-runtime\[pi\]'"):
        pin_factory("real", now=lambda: 0.0, wait=lambda seconds: None)


# -- PWM --------------------------------------------------------------------------------------------------------------


def test_pulses_are_lgpios_with_every_fraction_of_a_per_cent(board: Lgpio) -> None:
    """gpiozero's own cuts to whole per cent, which leaves a servo six positions."""
    header = open_header(board)
    servo = header.pwm(18, frequency=50, duty=0.075)
    assert board.pulses == {18: (50, 7.5)}
    servo.duty(0.0512)
    assert board.pulses == {18: (50, pytest.approx(5.12))}
    servo.frequency(60)
    assert board.pulses == {18: (60, pytest.approx(5.12))}
    servo.close()

    assert board.pulses == {}
    assert board.modes[18] != 2
    header.close()
    assert board.handles == {}


def test_none_and_all_of_a_period_are_steady_levels_at_once(board: Lgpio) -> None:
    """A pulse that is told to end goes on to the end of its period; a level holds now."""
    header = open_header(board)
    fan = header.pwm(18, frequency=0.2, duty=1)
    assert (board.levels[18], board.pulses) == (1, {})
    fan.duty(0)
    assert (board.levels[18], board.pulses) == (0, {})
    fan.duty(0.5)
    fan.duty(0)
    assert (board.levels[18], board.pulses) == (0, {})
    header.close()


def test_an_output_that_begins_high_is_never_low_before(board: Lgpio) -> None:
    first: list[int] = []
    claim = board.gpio_claim_output
    board.gpio_claim_output = lambda h, line, level=0: first.append(level) or claim(h, line, level)  # type: ignore[method-assign,func-returns-value]
    header = open_header(board)
    header.pwm(18, frequency=100, duty=1)

    assert first == [1]
    header.close()


def test_a_line_that_pulses_belongs_to_one_device_and_is_free_afterwards(board: Lgpio) -> None:
    board.spi = {(0, 0): lambda data: data}
    header = open_header(board)
    pin = header.pwm(9, frequency=100, duty=0)
    with pytest.raises(PinInUse, match="GPIO9 already belongs"):
        header.pwm(9, frequency=100, duty=0)
    with pytest.raises(BusUnavailable, match="already in use"):
        open_spi(header, 0)
    pin.close()
    Contact(header, 9).start()
    header.close()


def test_pins_of_the_bus_cannot_pulse(board: Lgpio) -> None:
    board.spi = {(0, 0): lambda data: data}
    header = open_header(board)
    wire = open_spi(header, 0)
    with pytest.raises(PinInUse):
        header.pwm(11, frequency=100, duty=0)
    wire.close()
    header.close()


def test_a_line_of_another_process_cannot_pulse_and_is_not_kept(board: Lgpio) -> None:
    board.busy = {18}
    header = open_header(board)
    with pytest.raises(PinInUse, match="GPIO18 is held by another process"):
        header.pwm(18, frequency=100, duty=0)
    board.busy = set()
    header.pwm(18, frequency=100, duty=0.5).duty(0)
    header.close()


def test_a_pin_that_cannot_be_given_back_is_told_and_kept_from_nobody(board: Lgpio) -> None:
    header = open_header(board)
    pin = header.pwm(18, frequency=100, duty=0.5)
    claim = board.gpio_claim_input
    board.gpio_claim_input = lambda *place: claim(0, 99) and None  # type: ignore[method-assign,assignment]
    board.busy = {99}
    with pytest.raises(PinInUse):
        pin.close()
    board.gpio_claim_input = claim  # type: ignore[method-assign]
    pin.close()
    header.pwm(18, frequency=100, duty=0)
    header.close()


def test_the_header_waits_as_its_owner_says(board: Lgpio) -> None:
    waited: list[float] = []
    (Path("dev") / "gpiochip0").touch()
    header = pin_factory("real", now=lambda: 0.0, wait=waited.append)
    header.wait(0.25)

    assert waited == [0.25]
    header.close()


# -- SPI --------------------------------------------------------------------------------------------------------------


def open_spi(header: HeaderPins, select: int) -> HeaderSpi:
    (Path("dev") / f"spidev0.{select}").touch()
    return header.spi(0, select, mode=0, rate=250_000, wait=lambda seconds: None)


def test_two_chips_share_the_headers_spi(board: Lgpio) -> None:
    world = World()
    world["adc.ch2"], world["oven.temperature"] = 1.65, 230.0
    board.spi = {(0, 0): SimMCP3008(world, "adc").exchange, (0, 1): SimMAX31855(world, "oven").exchange}
    header = open_header(board)
    first, second = open_spi(header, 0), open_spi(header, 1)
    with MCP3008(first) as adc, MAX31855(second) as oven:
        assert adc.read().values["ch2"] == 1.65
        assert oven.read().values["temperature"] == 230.0
    assert board.spi_settings == {(0, 0): (250_000, 0), (0, 1): (250_000, 0)}
    first.close()
    second.close()
    assert board.spi_settings == {}
    with pytest.raises(BusUnavailable, match=r"spi-0.0 is closed"):
        adc.read()
    header.close()


def test_a_pin_of_the_bus_belongs_to_the_bus(board: Lgpio) -> None:
    board.spi = {(0, 0): lambda data: data}
    header = open_header(board)
    wire = open_spi(header, 0)
    with pytest.raises(PinInUse):
        Contact(header, 9).start()
    wire.close()
    header.close()


def test_spi_that_is_switched_off_is_said_before_any_pin_is_taken(board: Lgpio) -> None:
    header = open_header(board)
    with pytest.raises(BusUnavailable, match="do_spi 0"):
        header.spi(0, 0, mode=0, rate=500_000, wait=lambda seconds: None)
    Contact(header, 9).start()
    header.close()


def test_spi_without_permission_names_the_group(board: Lgpio, monkeypatch: pytest.MonkeyPatch) -> None:
    header = open_header(board)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(BusUnavailable, match="usermod -aG spi"):
        open_spi(header, 0)
    header.close()


@pytest.mark.filterwarnings("ignore:failed to initialize hardware SPI")
def test_the_library_never_sends_the_bits_by_hand_instead(board: Lgpio) -> None:
    """gpiozero only warns when the kernel's bus cannot be opened, and goes on with something else."""
    header = open_header(board)
    with pytest.raises(BusUnavailable, match=r"spidev0.0 cannot be used: .*by hand"):
        open_spi(header, 0)
    header.close()


def test_a_transfer_that_the_kernel_refuses_is_a_fault_of_the_bus(board: Lgpio) -> None:
    board.spi = {(0, 0): lambda data: b""}
    header = open_header(board)
    wire = open_spi(header, 0)
    with pytest.raises(BusFault, match=r"spi-0.0: the transfer failed"):
        wire.transfer(b"\x01")
    wire.close()
    header.close()


@pytest.mark.parametrize("sick", [22, 17, 27])
def test_a_pin_that_fails_keeps_no_other_from_being_given_back(
    board: Lgpio, monkeypatch: pytest.MonkeyPatch, sick: int
) -> None:
    header = open_header(board)
    pins: dict[int, Any] = {
        17: header.input(17, pull="up"),
        27: header.output(27, level=True),
        22: header.pwm(22, frequency=50, duty=0.5),
    }
    shut = pins[sick].close

    def fail() -> None:
        shut()
        raise PinUnavailable("unplugged")

    monkeypatch.setattr(pins[sick], "close", fail)
    with pytest.raises(PinUnavailable, match="unplugged"):
        header.close()
    assert board.handles == {}
    assert not board.pulses
