"""Finding drivers, built in and installed, and what they can be told."""

import doctest
import sys
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import (
    CatalogueError,
    Driver,
    DriverClash,
    DriverError,
    Reading,
    Seconds,
    UnknownDriver,
    find,
    kinds,
    options_of,
)
from drivers.bme280 import BME280
from drivers.contact import Contact
from drivers.registers import Bits, Register
from drivers.relay import Relay
from drivers.suite import problems as driver_problems


def install(folder: Path, distribution: str, kind: str, module: str, body: str) -> None:
    """A distribution as pip leaves it: a module and its entry point."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[edge.drivers]\n{kind} = {module}\n")
    (folder / f"{module}.py").write_text(body)


GOOD = "from drivers.tmp102 import DRIVER, SIM\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_driver_is_found_by_the_name_of_its_module() -> None:
    entry = find("bme280")

    assert (entry.driver, entry.kind, entry.origin) == (BME280, "bme280", "built in")
    assert {"bme280", "contact", "relay", "tmp102"} <= set(kinds())


@pytest.mark.parametrize("name", ["base", "bus", "gpio", "sim", "suite", "errors", "os", "../x", "a.b", ""])
def test_what_is_no_driver_is_not_found(name: str) -> None:
    with pytest.raises(UnknownDriver, match=f"no driver called {name!r}; there are .*bme280.*contact"):
        find(name)


def test_the_packages_own_example_runs() -> None:
    assert doctest.testmod(drivers).attempted == 4
    assert doctest.testmod(drivers).failed == 0


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UnknownDriver, match=r"no driver called 'bme208'; did you mean 'bme280'"):
        find("bme208")


def test_every_module_of_the_package_is_a_driver_or_known_not_to_be() -> None:
    modules = {path.stem for path in Path(drivers.__file__).parent.glob("*.py")} - {"__init__"}

    assert modules - set(kinds()) == set(drivers._NOT_CHIPS)


def test_an_installed_driver_is_found_and_names_where_it_comes_from(site: Path) -> None:
    install(site, "edge-driver-x", "x9000", "edge_driver_x", GOOD)

    assert find("x9000").origin == "edge-driver-x 1.0"
    assert "x9000" in kinds()


def test_a_plugin_cannot_take_over_a_built_in_name(site: Path) -> None:
    install(site, "thief", "bme280", "thief", GOOD)

    assert find("bme280").driver is BME280
    assert "thief" not in sys.modules


def test_two_plugins_with_one_name_are_an_error_naming_both(site: Path) -> None:
    install(site, "one", "x9001", "mod_one", GOOD)
    install(site, "two", "x9001", "mod_two", GOOD)

    with pytest.raises(DriverClash, match=r"'x9001' is claimed by one 1.0 and two 1.0: uninstall one"):
        find("x9001")


def test_a_bug_inside_a_driver_is_not_no_such_driver(site: Path) -> None:
    install(site, "buggy", "x9002", "mod_buggy", "import a_module_that_is_not_there\n")

    with pytest.raises(CatalogueError, match=r"ModuleNotFoundError.*a_module_that_is_not_there") as bug:
        find("x9002")
    assert not isinstance(bug.value, UnknownDriver)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("x9010", "raise RuntimeError('sick')"),
        ("x9011", "raise SystemExit(0)"),
        ("x9012", "def"),
        ("x9013", "DRIVER, SIM = 5, None"),
    ],
)
def test_a_sick_plugin_is_named_and_takes_nothing_down(site: Path, kind: str, body: str) -> None:
    install(site, "sick", kind, f"mod_{kind}", body + "\n")

    with pytest.raises(CatalogueError, match=rf"the driver '{kind}' \(sick 1\.0\)"):
        find(kind)


def test_a_plugin_without_its_two_names_says_which_is_missing(site: Path) -> None:
    install(site, "half", "x9003", "mod_half", "from drivers.tmp102 import DRIVER\n")

    with pytest.raises(DriverError, match=r"x9003.*half 1.0.*must define DRIVER and SIM.*SIM"):
        find("x9003")


def test_options_are_the_keyword_only_parameters() -> None:
    assert list(options_of(Contact)) == ["pull", "active"]
    assert list(options_of(Relay)) == ["active_high", "safe"]
    assert options_of(BME280)["oversampling"].choices == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("driver", "option", "value", "problem"),
    [
        (Contact, "pull", "down", None),
        (Contact, "pull", "upp", "must be one of 'up', 'down', 'none', not 'upp'; did you mean 'up'?"),
        (Contact, "active", None, None),
        (Contact, "active", "hihg", "must be one of 'high', 'low', not 'hihg'; did you mean 'high'?"),
        (Relay, "safe", True, None),
        (Relay, "safe", "off", None),
        (Relay, "safe", 1, "must be one of 'on', 'off' or true or false, not 1"),
        (Relay, "active_high", "true", "must be true or false, not 'true'"),
        (BME280, "oversampling", 16, None),
        (BME280, "oversampling", 3, "must be one of 1, 2, 4, 8, 16, not 3"),
        (BME280, "oversampling", True, "must be one of 1, 2, 4, 8, 16, not True"),
    ],
)
def test_an_option_says_what_is_wrong_with_a_value(
    driver: type[Driver], option: str, value: object, problem: str | None
) -> None:
    assert options_of(driver)[option].problem(value) == problem


class Everything(Driver):
    """One option of each kind."""

    def __init__(
        self,
        bus: drivers.Bus,
        address: int | None = None,
        *,
        gain: float,
        window: Seconds = Seconds(1.0),  # noqa: B008
        count: int = 3,
        label: str | None = None,
        mode: Literal["slow", "fast"] | int = "slow",
    ) -> None:
        super().__init__(bus, address)

    def read(self) -> Reading:
        return Reading({})


@pytest.mark.parametrize(
    ("option", "good", "bad", "words"),
    [
        ("gain", [1, -2.5], [True, "1", None], "a number"),
        ("window", [0, 1.5], [-1, "1s"], "a duration"),
        ("count", [0, -3], [1.5, False], "a whole number"),
        ("label", ["x", None], [1], "a text"),
        ("mode", ["slow", 7], ["slo", 1.5], "one of 'slow', 'fast' or a whole number"),
    ],
)
def test_each_type_of_option(option: str, good: list[object], bad: list[object], words: str) -> None:
    found = options_of(Everything)[option]

    assert found.describe() == words
    assert found.required is (option == "gain")
    assert [found.problem(value) for value in good] == [None] * len(good)
    assert all((found.problem(value) or "").startswith(f"must be {words}, not ") for value in bad)


class Untyped(Everything):
    """What an author forgets: types that configuration does not know, and none at all."""

    def __init__(self, bus, address=None, *, speed=3, steps: list[int] | None = None) -> None:  # type: ignore[no-untyped-def]
        super().__init__(bus, address, gain=1.0)


@pytest.mark.parametrize(("option", "told"), [("speed", "has no type"), ("steps", "has the type list[int]")])
def test_an_option_of_no_type_that_can_be_checked_is_refused_and_told_to_its_author(option: str, told: str) -> None:
    found = options_of(Untyped)[option]

    assert "of a type that can be checked, which its driver does not give it" in found.describe()
    assert (found.problem([3]) or "").startswith("must be of a type that can be checked")
    entry = drivers.Entry("untyped", Untyped, drivers.SimChip, "a test")
    said = [problem for problem in driver_problems(entry) if f"option '{option}' {told}" in problem]
    assert len(said) == 1
    assert "channels is empty" in "; ".join(driver_problems(entry))  # neither has it any
    assert "Seconds, Literal" in said[0]


@given(word=st.integers(0, 0xFFFF), low=st.integers(0, 15), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_bit_field_gives_back_what_was_put_and_touches_nothing_else(word: int, low: int, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 16 - low))
    signed = data.draw(st.booleans())
    lowest = -(1 << (width - 1)) if signed else 0
    value = data.draw(st.integers(lowest, lowest + (1 << width) - 1))
    bits = Bits(Register(0, size=2), low, width, signed=signed)

    changed = bits.put(word, value)

    assert bits.take(changed) == value
    mask = ((1 << width) - 1) << low
    assert changed & ~mask == word & ~mask
    for outside in (lowest - 1, lowest + (1 << width)):
        with pytest.raises(OverflowError):
            bits.put(word, outside)


class Recorder:
    """A chip that remembers what it was told and answers from a table."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self.answers = answers
        self.writes: list[bytes] = []

    def transfer(self, write: bytes, read: int = 0) -> bytes:
        self.writes.append(write)
        return self.answers.get(write[0], b"")[:read]


class Table(Recorder):
    """A register table as a class body."""

    big = Register(0x10, size=2, signed=True)
    little = Register(0x11, size=2, endian="little")
    fixed = Register(0x12, writable=False)
    flag = Bits(Register(0x13), low=7)
    field = Bits(Register(0x13), low=2, width=3)


def test_registers_are_signed_and_ordered_as_declared() -> None:
    chip = Table({0x10: b"\xff\xfe", 0x11: b"\x01\x02"})

    assert (chip.big, chip.little) == (-2, 0x0201)
    chip.big, chip.little = -3, 0x0304
    assert chip.writes[2:] == [b"\x10\xff\xfd", b"\x11\x04\x03"]


def test_a_read_only_register_cannot_be_set() -> None:
    with pytest.raises(AttributeError, match="0x12 is read-only"):
        Table({}).fixed = 1


def test_setting_a_field_keeps_its_neighbours() -> None:
    chip = Table({0x13: b"\x8f"})
    assert (chip.flag, chip.field) == (1, 0b011)

    chip.field = 0b100

    assert chip.writes[-1] == bytes([0x13, 0b1001_0011])
