"""Multiplexers: a reading comes from the chip on its own channel, or not at all."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import BusTimeout, DriverError, Nack, SimBus, World
from drivers.errors import BusError, BusFault, WrongChip
from drivers.pca9685 import SimPCA9685
from drivers.simulation.recording import Recorder, Recording, read_recording
from drivers.tca9548a import TCA9548A, SimTCA9548A
from drivers.tmp102 import TMP102, SimTMP102
from drivers.wires.trunk import Trunk


class Rig:
    """i2c-1 with two multiplexers, and a TMP102 at one address behind channels 0 and 3 of each.

    What each of them measures says where it is: 10 * multiplexer + channel.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seconds = 0.0
        self.world = World(lambda: self.seconds)
        self.sim = SimBus(name="i2c-1", now=lambda: self.seconds, seed=seed)
        self.trunk = Trunk("i2c-1", self.sim)
        self.muxes: list[SimTCA9548A] = []
        self.sensors: dict[float, TMP102] = {}
        for number, address in enumerate((0x70, 0x71)):
            mux = SimTCA9548A(self.world, f"mux{number}")
            self.sim.attach(address, mux)
            self.muxes.append(mux)
            for channel in (0, 3):
                here = float(10 * number + channel)
                self.world[f"s{here:g}.temperature"] = here
                mux.wire(channel).attach(0x48, SimTMP102(self.world, f"s{here:g}"))
                self.sensors[here] = TMP102(self.trunk.branch(address, channel))

    def start(self) -> None:
        for sensor in self.sensors.values():
            sensor.start()

    def read(self, here: float) -> Any:
        return self.sensors[here].read().values["temperature"]


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.start()
    return rig


def test_four_chips_at_one_address_are_four_sensors(rig: Rig) -> None:
    assert [rig.read(here) for here in (0.0, 3.0, 10.0, 13.0)] == [0.0, 3.0, 10.0, 13.0]


def test_a_selection_is_made_once_and_shown_before_it_counts(rig: Rig) -> None:
    rig.read(0.0)
    rig.sim.log.clear()
    rig.read(3.0)
    rig.read(3.0)

    asked = [(one.address, one.write) for one in rig.sim.log]
    assert asked == [(0x70, b"\x08"), (0x70, b""), (0x48, b"\x00"), (0x48, b"\x00")]


def test_behind_the_wrong_channel_nobody_acknowledges(rig: Rig) -> None:
    rig.muxes[0].wire(3).detach(0x48)
    with pytest.raises(Nack, match="i2c-1 0x48"):
        rig.read(3.0)
    assert rig.read(0.0) == 0.0


def test_an_unplugged_multiplexer_takes_what_is_behind_it_along_and_brings_it_back(rig: Rig) -> None:
    chip = rig.sim.detach(0x70)
    for _ in range(2):
        with pytest.raises(Nack, match="multiplexer cannot be selected: i2c-1 0x70: no answer"):
            rig.read(0.0)
    assert chip is not None
    rig.sim.attach(0x70, chip.renewed())
    assert rig.read(0.0) == 0.0


def test_a_multiplexer_that_was_reset_between_two_transfers_costs_an_error_and_no_more(rig: Rig) -> None:
    assert rig.read(3.0) == 3.0
    rig.sim.restart(0x70)
    with pytest.raises(Nack):
        rig.read(3.0)
    assert rig.read(3.0) == 3.0


def test_a_chip_that_only_looks_like_a_multiplexer_is_not_believed(rig: Rig) -> None:
    rig.sim.attach(0x71, SimPCA9685(rig.world, "servos"))
    with pytest.raises(BusFault, match=r"keeps 0x[0-9a-f]+ where a multiplexer keeps 0x"):
        rig.read(10.0)
    with pytest.raises(WrongChip, match="another chip"):
        TCA9548A(rig.trunk, 0x71).start()


def test_what_another_program_selected_is_not_believed_after_a_write_to_the_multiplexer_itself(rig: Rig) -> None:
    assert rig.read(0.0) == 0.0
    with TCA9548A(rig.trunk, 0x70) as mux:
        assert mux.read().values == {"selected": 0.0}
        assert rig.read(0.0) == 0.0
        assert mux.read().values == {"selected": 1.0}


def test_a_part_with_four_channels_may_show_interrupts(rig: Rig) -> None:
    class Interrupting(SimTCA9548A):
        def read(self, count: int) -> bytes:
            return bytes([self.register & 0x0F | 0x90]) * count

    rig.sim.attach(0x72, mux := Interrupting(rig.world, "four"))
    mux.wire(2).attach(0x48, SimTMP102(rig.world, "s3"))
    assert TMP102(rig.trunk.branch(0x72, 2, channels=4)).read().values == {"temperature": 3.0}
    with TCA9548A(rig.trunk, 0x72, channels=4) as four:
        assert four.read().values == {"selected": 0.0}


def test_a_channel_that_stays_joined_against_the_order_is_noticed(rig: Rig) -> None:
    """A register that does not follow is an error, on whichever channel it stays."""

    class Deaf(SimTCA9548A):
        def write(self, data: bytes) -> None:
            self.register = 0x10

    rig.sim.attach(0x72, Deaf(rig.world, "deaf"))
    rig.trunk.branch(0x72, 0)
    assert rig.read(0.0) == 0.0, "as far as is known nobody there has this address"
    rig.trunk.occupy(0x72, 0x48)
    with pytest.raises(BusFault, match="0x72: keeps 0x10 where a multiplexer keeps 0x00"):
        rig.read(0.0)


def test_two_multiplexers_never_join_two_chips_with_one_address(rig: Rig) -> None:
    """The first one does not hear that it should let go: the second one's chip must not be asked meanwhile."""
    assert rig.read(3.0) == 3.0
    rig.sim.fail(0x70, Nack, times=4)
    for _ in range(4):
        with pytest.raises(Nack, match="0x70"):
            rig.read(10.0)
    assert rig.read(10.0) == 10.0


def test_a_multiplexer_that_is_gone_does_not_stop_the_other_ones_own_addresses(rig: Rig) -> None:
    rig.muxes[1].wire(5).attach(0x49, SimTMP102(rig.world, "s13"))
    rig.read(0.0)
    rig.sim.detach(0x70)
    assert TMP102(rig.trunk.branch(0x71, 5), 0x49).read().values == {"temperature": 13.0}


def test_two_chips_that_answer_at_once_are_heard_as_one_wire_makes_it(rig: Rig) -> None:
    """What the rules above prevent, so that the simulated wire would show it: zeros win."""
    rig.muxes[0].register = 0b1001
    rig.world["s0.temperature"], rig.world["s3.temperature"] = 16.0625, 33.0
    assert rig.sim.transfer(0x48, b"\x00", 2) == bytes([0x10 & 0x21, 0x10 & 0x00])


def test_a_wire_that_hangs_takes_the_bus_along_while_it_is_joined(rig: Rig) -> None:
    rig.read(0.0)
    rig.muxes[0].wire(0).stuck = True
    with pytest.raises(BusTimeout):
        rig.read(0.0)
    with pytest.raises(BusTimeout, match="cannot be selected"):
        rig.read(10.0)
    rig.sim.clock_out()
    assert rig.read(10.0) == 10.0
    assert rig.read(0.0) == 0.0


WHAT = ("nack", "unplug", "wrong_chip", "reset", "stretch", "flip", "freeze", "slow")


@given(seed=st.integers(0, 10**6), steps=st.lists(st.tuples(st.sampled_from([0.0, 3.0, 10.0, 13.0]),
       st.sampled_from([*WHAT, "restart", None, None, None]), st.sampled_from([0x70, 0x71])), max_size=60))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_happens_to_the_multiplexers_no_reading_comes_from_another_channel(
    seed: int, steps: list[tuple[float, Any, int]]
) -> None:
    rig = Rig(seed)
    rig.start()
    for here, trouble, address in steps:
        rig.seconds += 1.0
        if trouble == "restart":
            rig.sim.restart(address)
        elif trouble is not None:
            rig.sim.faults.plan(trouble, address, seconds=2.5, by=float(seed % 256))
        try:
            got = rig.read(here)
        except DriverError:
            continue
        assert got == here
    rig.sim.faults.clear()
    for here in rig.sensors:
        for _ in range(2):  # the first one may find out that the multiplexer was reset
            try:
                rig.sensors[here].start()
            except BusError:
                continue
        assert rig.read(here) == here


def test_many_threads_on_many_channels_get_each_their_own(rig: Rig) -> None:
    wrong: list[Any] = []

    def work(here: float) -> None:
        wrong.extend(got for _ in range(300) if (got := rig.read(here)) != here)

    threads = [threading.Thread(target=work, args=(here,)) for here in rig.sensors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_each_wire_is_recorded_by_itself_and_plays_back_in_any_order(rig: Rig, tmp_path: Any) -> None:
    file = tmp_path / "two.rec"
    with file.open("wb") as sink:
        recorder = Recorder(sink.write, now=lambda: 0.0)
        for channel in (0, 3):
            TMP102(recorder.bus(f"mux/{channel}", rig.trunk.branch(0x70, channel))).read()
        recorder.close()
    recording: Recording = read_recording(file)
    assert list(recording.buses) == ["mux/0", "mux/3"]
    for channel in (3, 0):
        bus = recording.bus(f"mux/{channel}", wait=lambda seconds: None)
        assert TMP102(bus).read().values == {"temperature": float(channel)}
