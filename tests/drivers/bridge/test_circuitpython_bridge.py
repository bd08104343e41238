"""The bridge itself: imports without a trace, the bus's time, errors, options. The drivers here are made up."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import BusUnavailable, CatalogueError, Device, Nack, SimBus, World, find, options_of
from drivers.errors import BadData, BadPin, BusFault, BusTimeout, DriverError, OutOfRange, UnknownDriver, WrongChip
from drivers.simulation.faults import Faults, FaultyBus
from drivers.simulation.recording import Recorder
from drivers.suite import problems
from tests.drivers.conftest import Now
from tests.drivers.needed import NEEDED
from tests.drivers.test_every_driver import Blank

ENTRY = find("circuitpython")
AT = 0x44

Write = Callable[..., dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a module `adafruit_made_up` where Python finds it; gives the options of a device that uses it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str, **options: Any) -> dict[str, Any]:
        (tmp_path / "adafruit_made_up.py").write_text(textwrap.dedent(code))
        return {"module": "adafruit_made_up", "class": "Part", "channels": "value=1", **options}

    return write


PART = """
    import time
    from adafruit_bus_device.i2c_device import I2CDevice

    class Part:
        def __init__(self, i2c, address=0x44, gain=1):
            self.gain = gain
            self._device = I2CDevice(i2c, address)
            self._byte()

        def _byte(self):
            data = bytearray(1)
            with self._device as device:
                device.write_then_readinto(b"\\0", data)
            return data[0]

        @property
        def value(self):
            {value}
"""


def part(value: str) -> str:
    return textwrap.dedent(PART).replace("{value}", textwrap.indent(textwrap.dedent(value), " " * 8).strip())


def build(bus: Any, options: dict[str, Any], address: int = AT) -> Device:
    return ENTRY.build(bus, address, **options)


@pytest.fixture
def bus() -> SimBus:
    return SimBus({AT: Blank(7)})


# -- imports ----------------------------------------------------------------------------------------------------------

TRAP = "raise RuntimeError('this is the real one')\n"


def test_nothing_of_it_is_seen_in_the_process_and_an_installed_blinka_is_not_touched(tmp_path: Path) -> None:
    for name in ("board", "busio", "digitalio", "micropython", "microcontroller", "adafruit_blinka"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    code = f"""
import sys, time
before = vars(time).copy()
from drivers import SimBus, World, find
entry, options = find("circuitpython"), {NEEDED["circuitpython"]!r}
chip = entry.simulated(options)
loaded = set(sys.modules)
with entry.build(SimBus({{0x76: chip(World(), "it")}}), 0x76, **options) as device:
    print(device.read().values["temperature"])
print(sorted(name for name in set(sys.modules) - loaded if not name.startswith("encodings")))
print(vars(time) == before)
try:
    import board
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "PATH": ""},
    )
    celsius, modules, same, board = done.stdout.splitlines()

    assert float(celsius) == pytest.approx(21.0, abs=0.01)
    assert not any(name.startswith(("adafruit", "board", "busio", "digitalio", "micro")) for name in eval(modules))
    assert len(eval(modules)) < 12, "no module of theirs, and little of Python's own"
    assert (same, board) == ("True", "this is the real one")


def test_two_devices_share_no_buffer_of_their_driver(write: Write, bus: SimBus) -> None:
    """Its classes keep buffers for all instances, and two buses have two threads."""
    options = write(
        """
        class Part:
            readings = []

            def __init__(self, i2c):
                pass

            @property
            def value(self):
                self.readings.append(1)
                return len(self.readings)
        """
    )
    first, second = build(bus, options), build(bus, options)
    first.start()
    assert first.read().values == {"value": 2.0}
    second.start()
    assert second.read().values == {"value": 2.0}


def test_what_only_types_need_is_there_by_name_and_what_needs_a_pin_says_that_there_is_none(
    write: Write, bus: SimBus
) -> None:
    options = write(
        """
        from typing import Optional, Union
        import board
        import digitalio
        from busio import SPI
        from circuitpython_typing import ReadableBuffer
        from circuitpython_typing.device_drivers import I2CDeviceDriver
        from micropython import const

        ANSWER = const(42)

        class Part(I2CDeviceDriver):
            def __init__(
                self, i2c, i2c_addr: int, irq: Optional[digitalio.DigitalInOut] = None, pull=digitalio.Pull.UP
            ) -> None:
                self.irq, self.i2c_addr = irq, i2c_addr

            def write(self, data: Union[ReadableBuffer, None], spi: "SPI | None" = None) -> SPI | None: ...

            @property
            def value(self):
                return ANSWER + self.i2c_addr

            @property
            def pin(self):
                return digitalio.DigitalInOut(board.D4)
        """
    )
    with build(bus, options) as device:
        assert device.read().values == {"value": 42.0 + AT}
    with pytest.raises(BadPin, match=r"wants digitalio\.DigitalInOut, and only an I2C bus is bridged"):
        build(bus, {**options, "channels": "pin=1"}).start()


def test_a_package_of_several_modules_is_imported_as_python_does(tmp_path: Path, write: Write, bus: SimBus) -> None:
    options = write("")
    package = tmp_path / "adafruit_parts"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import VALUE\nimport adafruit_parts.other as other\n")
    (package / "inner.py").write_text("from . import other\nfrom math import *\nVALUE = other.ONE + floor(1.5)\n")
    (package / "other.py").write_text("ONE = 1\n")
    (package / "chip.py").write_text(
        "import adafruit_parts.other\n"
        "class Part:\n"
        "    def __init__(self, i2c): from adafruit_parts import inner; self.inner = inner\n"
        "    @property\n"
        "    def value(self): return self.inner.VALUE + adafruit_parts.other.ONE\n"
    )
    with build(bus, {**options, "module": "adafruit_parts.chip"}) as device:
        assert device.read().values == {"value": 3.0}
    assert not any(name.startswith("adafruit") for name in sys.modules)


# -- time -------------------------------------------------------------------------------------------------------------

POLLING = """
    start = time.monotonic()
    while self._byte() != 1:
        if time.monotonic() - start > 2.0:
            raise RuntimeError("not ready after 2 s")
        {pause}
    return 1
"""


@pytest.mark.parametrize("pause", ["time.sleep(0.01)", "pass"])
@pytest.mark.parametrize("clock", ["runs", "stands still"])
def test_a_loop_with_a_time_out_ends_in_the_time_of_the_bus(write: Write, now: Now, clock: str, pause: str) -> None:
    """Whether the world's clock moves when somebody waits, and whether the loop sleeps or only asks."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if clock == "runs":
            now.seconds += seconds

    bus = SimBus({AT: Blank(7)}, wait=wait, now=now)
    with pytest.raises(BadData, match="not ready after 2 s"):
        build(bus, write(part(POLLING.replace("{pause}", pause)))).start()
    assert sum(waits) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("code", ["while True: self._byte()", "while True: time.sleep(0.5)"])
def test_a_loop_without_an_end_is_ended_when_the_patience_is(write: Write, bus: SimBus, code: str) -> None:
    options = write(part(code), patience=3.0)
    with pytest.raises(BadData, match=r"came to no end within its `patience` of 3 s"):
        build(bus, options).start()


def test_a_loop_that_passes_over_every_error_is_ended_too_and_the_error_is_the_bus_s(write: Write, bus: SimBus) -> None:
    code = """
        while True:
            try:
                return self._byte()
            except Exception:
                pass
    """
    device = build(bus, write(part(code)))
    device.start()
    bus.detach(AT)
    with pytest.raises(Nack, match=r"check wiring.*`patience` of 5 s"):
        device.read()


def test_what_is_read_again_only_after_a_while_is_read_again_after_a_while(write: Write, now: Now) -> None:
    """Some drivers keep a value until their clock says that it is old: here the world's."""
    code = """
        if time.monotonic() - getattr(self, "_at", -1.0) >= 1.0:
            self._at, self._kept = time.monotonic(), self._byte()
        return self._kept
    """
    bus = SimBus({AT: Blank(7)}, now=now)
    device = build(bus, write(part(code)))
    device.start()
    bus.attach(AT, Blank(8))
    assert device.read().values == {"value": 7.0}
    now.seconds = 10.0
    assert device.read().values == {"value": 8.0}


def test_a_bus_in_front_of_another_passes_its_time_on(now: Now) -> None:
    bus: Any = SimBus(now=now)
    recorded: Any = Recorder(lambda data: None, now=now).bus("i2c-1", bus)
    faulty = FaultyBus(recorded, Faults("i2c-1", now=now, wait=bus.wait))
    now.seconds = 12.5
    assert recorded.now() == faulty.now() == 12.5


def test_the_ordinary_time_is_that_of_a_real_bus(write: Write) -> None:
    """A real bus has none of its own; sleeping is its waiting all the same."""

    class Real:
        waited: list[float] = []  # noqa: RUF012 - one instance

        def transfer(self, address: int, write: bytes, read: int = 0) -> bytes:
            return bytes(read)

        def wait(self, seconds: float) -> None:
            self.waited.append(seconds)

        def close(self) -> None: ...

    code = "before = time.monotonic(); time.sleep(0.25); return time.monotonic() - before"
    before = time.monotonic()
    with build(Real(), write(part(code))) as device:
        assert 0 <= device.read().values["value"] <= time.monotonic() - before
    assert 0.25 in Real.waited


def test_a_value_that_is_not_there_yet_is_asked_for_again(write: Write, bus: SimBus) -> None:
    options = write(part("return 5 if time.monotonic() > 3.0 else None"))
    with build(bus, options) as device:
        assert device.read().values == {"value": 5.0}
    with pytest.raises(BadData, match="patience"):
        build(bus, {**options, "patience": 1.0}).start()


# -- errors -----------------------------------------------------------------------------------------------------------

RAISED: list[tuple[str, type[DriverError], str]] = [
    ("raise RuntimeError('CRC mismatch')", BadData, "RuntimeError: CRC mismatch"),
    ("import struct; struct.unpack('>H', b'1')", BadData, "error: unpack requires"),
    ("return None + 1", BadData, "TypeError"),
    ("return self.nothing", BadData, "AttributeError"),
    ("raise SystemExit(1)", BadData, "SystemExit: 1"),
    ("return 1 / 0", BadData, "ZeroDivisionError"),
    ("return 'warm'", BadData, "'warm', which is no number"),
    ("return float('nan')", OutOfRange, "value nan 1"),
    ("raise OSError('the chip is odd')", BusFault, "the chip is odd"),
    ("raise TimeoutError('too late')", BusTimeout, "too late"),
]


@pytest.mark.parametrize(("code", "kind", "text"), RAISED, ids=[code for code, _, _ in RAISED])
def test_whatever_a_reading_raises_is_an_error_of_ours_with_its_text(
    write: Write, bus: SimBus, code: str, kind: type[DriverError], text: str
) -> None:
    with pytest.raises(DriverError) as caught:
        build(bus, write(part(code))).start()
    assert type(caught.value) is kind
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("self._byte(); raise RuntimeError('Failed to find it')", WrongChip),
        ("self._byte(); raise AttributeError('Cannot find it')", WrongChip),
        ("self._byte(); raise ValueError('No such chip')", WrongChip),
        ("self._byte(); raise RuntimeError('checksum of the serial number')", BadData),
        ("raise ValueError('gain must be one of 1, 2, 4')", OutOfRange),
    ],
)
def test_what_constructing_raises_is_about_the_chip_once_it_answered_and_about_the_options_before(
    write: Write, bus: SimBus, code: str, kind: type[DriverError]
) -> None:
    text = part("return 1").replace("self._byte()\n", f"{code}\n", 1)
    with pytest.raises(DriverError) as caught:
        build(bus, write(text)).start()
    assert type(caught.value) is kind
    assert code.rpartition("('")[2].rstrip("')") in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    self._byte()\nexcept OSError as e:\n    raise RuntimeError('no luck') from e",
        "try:\n    self._byte()\nexcept OSError:\n    raise RuntimeError('no luck')",
        "for _ in range(1):\n    try:\n        self._byte()\n        break\n    except OSError:\n        pass\nelse:\n"
        "    raise RuntimeError('no luck')",
        "self._byte()",
    ],
)
@pytest.mark.parametrize("error", [Nack, BusTimeout, BusUnavailable])
def test_a_bus_error_stays_what_it_was_whatever_they_make_of_it(
    write: Write, bus: SimBus, code: str, error: type[Any]
) -> None:
    device = build(bus, write(part(f"{code.strip()}\nreturn 1")))
    bus.fail(AT, error)
    with pytest.raises(DriverError, match="scripted fault") as caught:
        device.start()
    assert type(caught.value) is error
    device.start()
    bus.fail(AT, error)
    with pytest.raises(DriverError, match="scripted fault") as caught:
        device.read()
    assert type(caught.value) is error


def test_the_errno_is_the_kernel_s(write: Write, bus: SimBus) -> None:
    code = """
        try:
            return self._byte()
        except OSError as error:
            return error.errno
    """
    device = build(bus, write(part(code)))
    device.start()
    for error, number in ((Nack, 121), (BusTimeout, 110), (BusFault, 5)):
        bus.fail(AT, error)
        assert device.read().values == {"value": float(number)}


def test_a_part_that_is_elsewhere_says_where(write: Write, bus: SimBus) -> None:
    text = part("return 1").replace("I2CDevice(i2c, address)", "I2CDevice(i2c, 0x68)")
    with pytest.raises(OutOfRange, match="talks to 0x68, and its device is at 0x44: write `address: 0x68`"):
        build(bus, write(text)).start()


# -- options ----------------------------------------------------------------------------------------------------------

OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"module": "adafruit_nothing"}, "`pip install --no-deps adafruit-circuitpython-nothing`"),
    ({"module": "nothing_at_all"}, "module: nothing_at_all is not installed"),
    *(({"module": name}, "is no module's name") for name in ("", "os.", ".os", "../os", "a b", "a\0b")),
    *(({"module": name}, "a part of Python") for name in ("os", "os.path", "sys", "builtins", "threading")),
    *(({"module": name}, "a part of this program") for name in ("drivers.bme280", "edge")),
    *(({"settings": f"gain={value}"}, "is no number") for value in ("{[]:1}", "-" * 50_000 + "1", "(" * 5000)),
    ({"class": "Prat"}, "has no class 'Prat'; did you mean 'Part'?"),
    ({"channels": "valeu=1"}, "Part has no attribute 'valeu'; did you mean 'value'?"),
    ({"channels": "value"}, "'value' is not attribute=unit"),
    ({"channels": ""}, "nothing is to be read"),
    ({"channels": "value=1 value=2"}, "stands there twice"),
    ({"channels": "value:Big=1"}, "is not attribute=unit"),
    ({"arguments": "gian=2"}, "Part takes no 'gian'; did you mean 'gain'?"),
    ({"arguments": "gain=Loud"}, "Loud is no number, no text in quotes, and no name in adafruit_made_up"),
    ({"arguments": "gain"}, "'gain' is not name=value"),
    ({"settings": "gian=2"}, "settings: Part has no attribute 'gian'; did you mean 'gain'?"),
    ({"begin": "strat"}, "begin: Part has no attribute 'strat'"),
    ({"sim": "sht32"}, "there is no kind 'sht32'; did you mean 'sht31'?"),
    ({"sim": "ds18b20"}, "ds18b20 is no chip on an I2C bus"),
    ({"sim": "circuitpython"}, "circuitpython is no chip on an I2C bus"),
]


@pytest.mark.parametrize(("options", "text"), OPTIONS, ids=[str(options)[:40] for options, _ in OPTIONS])
def test_a_wrong_option_is_told_before_any_bus_is_there(write: Write, options: dict[str, Any], text: str) -> None:
    with pytest.raises((OutOfRange, CatalogueError)) as caught:
        build(None, {**write(part("return 1")), **options})
    assert text in str(caught.value)


def test_a_module_that_needs_another_or_is_broken_says_so(write: Write) -> None:
    with pytest.raises(UnknownDriver, match=r"adafruit_lost, which adafruit_made_up imports, is not.*-lost`"):
        build(None, write("import adafruit_lost"))
    with pytest.raises(CatalogueError, match="cannot be imported: ZeroDivisionError"):
        build(None, write("1 / 0"))
    with pytest.raises(CatalogueError, match="cannot be imported: SystemExit: 0"):
        build(None, write("raise SystemExit(0)"))


def test_arguments_settings_and_methods_are_as_the_configuration_says(write: Write, bus: SimBus) -> None:
    text = part("return self.gain, self.mode, self.begun, self.label == 'low'") + textwrap.indent(
        textwrap.dedent(
            """
            mode, begun, label = 0, False, None

            def begin(self):
                self.begun = self.mode

            class Mode:
                FAST = 9
            """
        ),
        "    ",
    )
    options = write(
        text,
        channels="value_0:gain=1 value_1:mode=1 value_2:begun=bool value_3:label=bool",
        arguments="gain=0x10",
        settings="mode=Part.Mode.FAST label='low'",
        begin="begin",
    )
    with build(bus, options) as device:
        assert device.read().values == {"gain": 16.0, "mode": 9.0, "begun": 9.0, "label": True}
    assert ENTRY.driver.channels_of(options) == {"gain": "1", "mode": "1", "begun": "bool", "label": "bool"}


def test_the_values_of_one_attribute_are_of_one_reading(write: Write, bus: SimBus) -> None:
    code = "self.gain += 1; return self.gain, self.gain, self.gain"
    options = write(part(code), channels="value_z=1 value_x=1 value_y:second=1")
    with build(bus, options) as device:
        assert set(device.read().values.values()) == {3}
        assert list(device.read().values) == ["value_z", "value_x", "second"]


def test_the_ranges_of_the_kind_hold_where_name_and_unit_are_the_same() -> None:
    options = {**NEEDED["circuitpython"], "channels": "temperature=degC relative_humidity=% pressure=Pa"}
    device = build(None, options, 0x76)
    assert set(device.limits()) == {"temperature"}
    device = build(None, NEEDED["circuitpython"], 0x76)
    assert dict(device.limits()) == dict(find("bme280").driver.ranges)
    with pytest.raises(OutOfRange, match=r"humidity 101 %, outside 0 .. 100 %"):
        device.reading(humidity=101.0)


def test_without_a_kind_nothing_stands_there_in_simulation_and_the_error_says_what_to_write() -> None:
    options = {key: value for key, value in NEEDED["circuitpython"].items() if key != "sim"}
    simulated: Any = ENTRY.simulated(options)
    with pytest.raises(Nack, match=r"air: nothing stands here in simulation.*`sim: sht31`"):
        build(SimBus({0x76: simulated(World(), "air")}), options, 0x76).start()


def test_the_options_are_called_as_the_documents_say_and_it_conforms() -> None:
    assert list(options_of(ENTRY.driver)) == [
        "module", "class", "channels", "arguments", "settings", "begin", "settle", "patience", "sim",
    ]  # fmt: skip
    assert problems(ENTRY, NEEDED["circuitpython"]) == []


def test_asking_who_is_there_disturbs_nobody_else(write: Write) -> None:
    """`scan()` and the probe of their I2CDevice."""
    options = write(
        """
        class Part:
            def __init__(self, i2c):
                while not i2c.try_lock():
                    pass
                i2c.writeto(0x44, b"")
                [self.value] = i2c.scan()
                i2c.unlock()
        """
    )
    bus = SimBus({AT: Blank(7), 0x45: Blank(7)})
    with build(bus, options) as device:
        assert device.read().values == {"value": 0x44}
    assert [(one.address, one.write, one.answer) for one in bus.log] == [(AT, b"", b"\7")]
