"""A hung bus is freed by clocks, or it is said why not; the pins are the controller's again in every case."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from drivers import AdapterGone, BusFault, BusTimeout, BusUnavailable, Nack, SimBus, World
from drivers.tmp102 import SimTMP102
from drivers.wires.rescue import CLOCKS, commands, nine_clocks
from drivers.wires.trunk import HANGS, Trunk


class Pi:
    """`pinctrl` over two open-drain wires, and a chip that holds SDA until it has seen so many clocks."""

    def __init__(
        self, holds: int = 0, *, clock_held: bool = False, signals: tuple[str, str] = ("SDA1", "SCL1")
    ) -> None:
        self.holds = holds
        self.clock_held = clock_held
        self.signals = dict(zip((2, 3), signals, strict=True))
        self.functions = {2: "a0", 3: "a0"}
        self.driven = {2: "dh", 3: "dh"}
        self.stops = 0
        self.fails_at: int | None = None
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(" ".join(command))
        if self.fails_at is not None and len(self.commands) == self.fails_at:
            raise PermissionError("Must be root")
        assert command[0] == "pinctrl"
        number = int(command[2])
        if command[1] == "get":
            function = self.functions[number]
            level = "hi" if self.level(number) else "lo"
            signal = f"GPIO{number} = {self.signals[number] if function == 'a0' else function}"
            return f"{number:2}: {function:>2}    pu | {level} // {signal}\n"
        before = self.level(2), self.level(3)
        for word in command[3:]:
            if word in ("dl", "dh"):
                assert self.functions[number] == "op"
                self.driven[number] = word
            else:
                self.functions[number] = word
        self.look(before)
        return ""

    def level(self, number: int) -> bool:
        held = self.holds > 0 if number == 2 else self.clock_held
        return not held and not (self.functions[number] == "op" and self.driven[number] == "dl")

    def look(self, before: tuple[bool, bool]) -> None:
        sda, scl = self.level(2), self.level(3)
        if scl and not before[1] and self.holds:
            self.holds -= 1
        if before == (False, True) and (sda, scl) == (True, True) and not self.holds:
            self.stops += 1


@pytest.mark.parametrize("holds", range(1, CLOCKS + 1))
def test_a_chip_that_waits_for_clocks_gets_them_and_a_stop(holds: int) -> None:
    pi = Pi(holds)
    assert nine_clocks(pi, "i2c-1", 2, 3) == holds
    assert pi.functions == {2: "a0", 3: "a0"}
    assert (pi.level(2), pi.level(3), pi.stops) == (True, True, 1)


def test_a_bus_that_does_not_hang_is_looked_at_and_left_alone() -> None:
    pi = Pi()
    assert nine_clocks(pi, "i2c-1", 2, 3) == 0
    assert all(" get " in command for command in pi.commands)


def test_a_held_clock_cannot_be_helped() -> None:
    pi = Pi(3, clock_held=True)
    with pytest.raises(BusTimeout, match=r"SCL \(GPIO3\) is held low: .*power-cycle"):
        nine_clocks(pi, "i2c-1", 2, 3)
    assert all(" get " in command for command in pi.commands)


def test_a_wire_that_stays_low_is_a_case_for_the_power_switch() -> None:
    pi = Pi(100)
    with pytest.raises(BusFault, match=r"SDA \(GPIO2\) stays low after 9 clocks: power-cycle"):
        nine_clocks(pi, "i2c-1", 2, 3)
    assert pi.functions == {2: "a0", 3: "a0"}


def test_pins_that_are_not_the_buses_are_not_touched() -> None:
    pi = Pi(3, signals=("TXD0", "RXD0"))
    with pytest.raises(BusUnavailable, match=r"GPIO2 is not its SDA now but TXD0: .*--pins"):
        nine_clocks(pi, "i2c-1", 2, 3)
    assert all(" get " in command for command in pi.commands)


@pytest.mark.parametrize("at", range(1, 12))
def test_wherever_it_fails_the_pins_are_given_back(at: int) -> None:
    pi = Pi(5)
    pi.fails_at = at
    with pytest.raises(BusUnavailable, match="does not work here: Must be root"):
        nine_clocks(pi, "i2c-1", 2, 3)
    assert pi.functions == {2: "a0", 3: "a0"}


@pytest.mark.parametrize("last", [1, 2])
def test_a_pin_that_cannot_be_given_back_does_not_keep_the_other(last: int) -> None:
    whole = Pi(5)
    nine_clocks(whole, "i2c-1", 2, 3)
    pi = Pi(5)
    pi.fails_at = len(whole.commands) + 1 - last
    with pytest.raises(BusUnavailable, match="does not work here: Must be root"):
        nine_clocks(pi, "i2c-1", 2, 3)
    assert sorted(pi.functions.values()) == ["a0", "ip"]


def test_by_hand_it_is_the_same_procedure() -> None:
    said = "\n".join(commands(2, 3))
    assert "pinctrl get 2,3" in said
    assert said.count("pinctrl set 3 op dl; sudo pinctrl set 3 ip") == 1
    assert said.endswith("sudo pinctrl set 2,3 a0   # the functions from above")


# -- how the bus itself does ------------------------------------------------------------------------------------------


def test_time_outs_in_a_row_are_trouble_of_the_bus_and_any_answer_ends_it(world: World) -> None:
    sim = SimBus({0x48: SimTMP102(world, "it")})
    trunk = Trunk("i2c-1", sim, now=lambda: 42.0)
    sim.fail(0x48, BusTimeout)
    with pytest.raises(BusTimeout):
        trunk.transfer(0x48, b"\x00", 2)
    trunk.transfer(0x48, b"\x00", 2)
    assert trunk.trouble is None

    sim.stuck = True
    for address in range(0x40, 0x40 + HANGS):
        with pytest.raises(BusTimeout):
            trunk.transfer(address, b"\x00", 2)
    assert trunk.trouble is not None
    assert trunk.trouble.endswith("nobody has answered since: `edge devices recover i2c-1` may free it")
    assert trunk.since == 42.0

    sim.clock_out()
    with pytest.raises(Nack):
        trunk.transfer(0x40, b"\x00", 2)
    assert trunk.trouble is None


def test_clocks_free_a_simulated_bus_from_a_planned_fault_too(world: World) -> None:
    sim = SimBus({0x48: SimTMP102(world, "it")})
    sim.faults.plan("stuck", seconds=3600)
    with pytest.raises(BusTimeout):
        sim.transfer(0x48, b"\x00", 2)
    sim.clock_out()
    sim.transfer(0x48, b"\x00", 2)


def test_an_adapter_that_is_gone_is_trouble_of_the_bus_until_it_is_back(world: World) -> None:
    sim = SimBus({0x48: SimTMP102(world, "it")})
    trunk = Trunk("i2c-11", sim)
    sim.fail(0x48, AdapterGone, times=2)
    for _ in range(2):
        with pytest.raises(AdapterGone):
            trunk.transfer(0x48, b"\x00", 2)
    assert trunk.trouble is not None
    trunk.transfer(0x48, b"\x00", 2)
    assert trunk.trouble is None
