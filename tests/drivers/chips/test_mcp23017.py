"""MCP23017: sixteen pins that are what the configuration says, also after a drop of the supply."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BadData, BusTimeout, Nack, NotStarted, OutOfRange, SimBus, World, WrongChip, find
from drivers.mcp23017 import MCP23017, PINS, SimMCP23017
from drivers.suite import problems


@pytest.fixture
def chip(world: World, bus: SimBus) -> SimMCP23017:
    chip = SimMCP23017(world, "it")
    bus.attach(0x20, chip)
    return chip


def started(bus: SimBus, **options: Any) -> MCP23017:
    device = MCP23017(bus, **options)
    device.start()
    return device


@given(word=st.integers(0, 0xFFFF))
@settings(max_examples=100, deadline=None)
def test_every_level_of_the_world_is_read_at_its_pin(word: int) -> None:
    """a0 is the lowest bit and b7 the highest, as adafruit-circuitpython-mcp230xx 2.6.2 numbers them."""
    world = World()
    for bit, pin in enumerate(PINS):
        world[f"it.{pin}"] = bool(word >> bit & 1)
    bus = SimBus({0x20: SimMCP23017(world, "it")})

    values = started(bus).read().values

    assert sum(bool(values[pin]) << bit for bit, pin in enumerate(PINS)) == word
    assert int.from_bytes(bus.log[-1].answer[0x12:0x14], "little") == word


def test_all_pins_come_from_one_moment(chip: SimMCP23017, bus: SimBus) -> None:
    device = started(bus)
    bus.log.clear()

    device.read()

    assert [(t.write, len(t.answer)) for t in bus.log] == [(b"\x00", 22)]


@pytest.mark.parametrize(("pull", "level"), [("up", True), ("none", False)])
def test_an_open_pin_is_what_the_pull_makes_of_it(pull: Any, level: bool, chip: SimMCP23017, bus: SimBus) -> None:
    assert started(bus, pull=pull, inputs="a3").read().values == {"a3": level}


@pytest.mark.parametrize(
    ("active_high", "safe", "rest"),
    [(True, "off", False), (False, "off", True), (True, "on", True), (False, True, False)],
)
def test_an_output_is_safe_before_it_drives_and_after_it_was_closed(
    active_high: bool, safe: Any, rest: bool, chip: SimMCP23017, world: World, bus: SimBus
) -> None:
    chip.ports[1]["olat"] = 0xFF if not rest else 0x00  # left there by somebody else
    seen: list[Any] = []
    world.follow("it.b2", lambda: seen.append(world["it.b2"]))

    device = started(bus, outputs="b2", active_high=active_high, safe=safe)
    device.set(rest != active_high)
    device.set(rest == active_high)
    device.set(rest != active_high)
    device.close()
    device.close()

    assert [a for a, b in zip(seen, [None, *seen], strict=False) if a != b] == [rest, not rest, rest, not rest, rest]


def test_an_output_reads_on_while_it_is_on(chip: SimMCP23017, world: World, bus: SimBus) -> None:
    device = started(bus, inputs="a0", outputs="b6 b7", active_high=False)

    assert device.read().values == {"a0": True, "b6": False, "b7": False}
    device.set("b6=on")
    assert device.read().values == {"a0": True, "b6": True, "b7": False}
    device.set("b7=on b6=off")
    assert device.read().values == {"a0": True, "b6": False, "b7": True}
    assert (world["it.b6"], world["it.b7"]) == (True, False)
    device.set("b6=on, b7=off")
    assert device.read().values == {"a0": True, "b6": True, "b7": False}
    device.set(True)
    assert device.read().values == {"a0": True, "b6": True, "b7": True}
    device.make_safe()
    assert device.read().values == {"a0": True, "b6": False, "b7": False}


def test_what_it_configures_as_another_implementation_sees_it(chip: SimMCP23017, bus: SimBus) -> None:
    """iodir, gppu and ipol as adafruit-circuitpython-mcp230xx 2.6.2 read them from this configuration."""
    started(bus, outputs="a0 b7", active_high=False).set("b7=on")

    assert bus.transfer(0x20, b"\x00", 2).hex() == "fe7f"
    assert bus.transfer(0x20, b"\x0c", 2).hex() == "fe7f"
    assert bus.transfer(0x20, b"\x02", 2).hex() == "0000"
    assert bus.transfer(0x20, b"\x14", 2).hex() == "0100"


@pytest.mark.parametrize("value", ["neither", "b0=maybe", "b1=on", "a0=on", "b0=on b0=off", 2, 0.5, "", "b0="])
def test_a_meaningless_value_changes_nothing(value: Any, chip: SimMCP23017, bus: SimBus) -> None:
    device = started(bus, outputs="b0")
    device.set("b0=on")
    with pytest.raises(OutOfRange):
        device.set(value)

    assert device.read().values["b0"] is True


def test_a_value_says_what_it_may_be(chip: SimMCP23017, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match=r'or a text such as "b0=on".* takes true, 1 or "on"'):
        started(bus, outputs="b0").set("open")
    with pytest.raises(OutOfRange, match="0x20: there is no 'b1', only b0"):
        started(bus, outputs="b0").set("b1=on")
    with pytest.raises(OutOfRange, match="has no outputs: name them"):
        started(bus).set(True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "a0 c1"}, "inputs: there is no 'c1'"),
        ({"outputs": "b8"}, "outputs: there is no 'b8'"),
        ({"inputs": "a0 a1", "outputs": "a1"}, "a1 is in inputs and in outputs"),
        ({"inputs": ""}, "inputs and outputs name no pin"),
        ({"outputs": "a0", "safe": "of"}, "safe takes true"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str, bus: SimBus) -> None:
    with pytest.raises(OutOfRange, match=message):
        MCP23017(bus, **options)


@pytest.mark.parametrize("options", [{"inputs": "a1 b1"}, {"outputs": "b0 b1"}, {"inputs": "a7", "outputs": "a0"}])
def test_it_conforms_whatever_its_pins_are(options: dict[str, str]) -> None:
    assert problems(find("mcp23017"), options) == []


@pytest.mark.parametrize("iocon", [0x80, 0x20, 0xA0, 0x00])
def test_registers_left_in_another_order_are_put_right(
    iocon: int, chip: SimMCP23017, world: World, bus: SimBus
) -> None:
    """BANK sorts them by port; SEQOP stops the pointer. A restarted program finds the chip as the last one left it."""
    bus.transfer(0x20, bytes([0x0A, iocon]))
    if iocon & 0x80:
        bus.transfer(0x20, b"\x13\x77")
        assert bus.transfer(0x20, b"\x13", 1) == b"\x77", "DEFVALB, where otherwise the pins are"
    world["it.a5"] = False

    assert started(bus, inputs="a5 b1").read().values == {"a5": False, "b1": True}


def test_a_chip_that_lost_power_is_not_believed_and_drives_safely_after_a_new_start(
    chip: SimMCP23017, bus: SimBus
) -> None:
    device = started(bus, outputs="b0")
    device.set("on")
    chip.power_up()
    with pytest.raises(BadData, match="lost its settings and with them its outputs: check its power supply"):
        device.read()
    with pytest.raises(BadData, match="lost its settings"):
        device.set("on")

    device.start()
    assert device.read().values["b0"] is False


def test_a_chip_that_does_not_keep_its_settings_is_another_one(world: World) -> None:
    with pytest.raises(WrongChip, match="where an MCP23017 keeps ffff00000000a53c00000000ffff"):
        MCP23017(SimBus({0x20: Deaf(world, "it")})).start()


class Deaf(SimMCP23017):
    """Has no comparison register."""

    def _store(self, value: int) -> None:
        super()._store(value)
        for port in self.ports:
            port["defval"] = 0


@pytest.mark.parametrize("error", [Nack, BusTimeout])
def test_a_fault_on_the_bus_is_an_error_and_the_next_call_is_good(
    error: type[Nack | BusTimeout], chip: SimMCP23017, world: World, bus: SimBus
) -> None:
    device = started(bus, outputs="b0")
    for call in (device.read, lambda: device.set("on"), device.start):
        bus.fail(0x20, error)
        with pytest.raises(error):
            call()
    device.start()
    device.set("on")

    assert world["it.b0"] is True
    assert device.read().values["b0"] is True


def test_a_new_start_leaves_a_chip_alone_that_kept_everything(chip: SimMCP23017, bus: SimBus) -> None:
    """Some missed samples are no reason to switch off what a task switched on."""
    device = started(bus, outputs="b0")
    device.set("on")
    bus.log.clear()

    device.start()

    assert [t.write for t in bus.log] == [b"\x00"]
    assert device.read().values["b0"] is True


def test_a_new_start_that_fails_half_way_leaves_it_not_started(world: World, bus: SimBus) -> None:
    """Half of the settings may be another chip's: nothing is read or driven on that."""

    class Dying(SimMCP23017):
        dead = False

        def write(self, data: bytes) -> None:
            if self.dead and len(data) > 1:
                raise Nack("no answer")
            super().write(data)

    chip = Dying(world, "it")
    bus.attach(0x20, chip)
    device = started(bus, outputs="b0")
    chip.power_up()
    chip.dead = True
    with pytest.raises(Nack):
        device.start()

    with pytest.raises(NotStarted):
        device.read()
    with pytest.raises(NotStarted):
        device.set("on")


def test_what_is_not_started_neither_reads_nor_acts(chip: SimMCP23017, bus: SimBus) -> None:
    device = MCP23017(bus, outputs="b0")
    with pytest.raises(NotStarted):
        device.read()
    with pytest.raises(NotStarted):
        device.set("on")
    device.close()

    assert not bus.log
