"""Looking who is on a bus changes nothing, and names the chips as far as that can be known."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import BusFault, BusTimeout, Nack, SimBus, World, find, kinds
from drivers.bus import SMBusBus
from drivers.pcf8574 import SimPCF8574
from drivers.sim import SimChip
from drivers.tca9548a import SimTCA9548A
from drivers.wires.adapters import adapter, adapters
from drivers.wires.scan import FIRST, LAST, Catalogue, Found, scan
from tests.drivers.kernel import PLAIN, STUB, Kernel

CHIPS = [kind for kind in kinds() if getattr(find(kind).driver, "addresses", ())]
CATALOGUE = Catalogue.load()
PROVABLE = {kind for kind, driver in CATALOGUE.chips.items() if driver.identity}


KNOWN = {"bmp280", "bme280", "bmp388", "mcp9808", "tmp117", "ina3221", "adxl345", "mpu6050", "tsl2561"}


def chip(kind: str, world: World | None = None) -> SimChip:
    made: Any = find(kind).sim(world or World(), "it")
    assert isinstance(made, SimChip)
    return made


def on(bus: Any, **configured: int) -> dict[int, Found]:
    meant = {address: kind for kind, address in configured.items()}
    return {found.address: found for found in scan(bus, CATALOGUE, configured=meant)}


@pytest.mark.parametrize("kind", CHIPS)
def test_every_chip_is_found_at_each_of_its_addresses_among_the_likely_ones(kind: str) -> None:
    driver = CATALOGUE.chips[kind]
    for address in driver.addresses:
        [found] = on(SimBus({address: chip(kind)})).values()
        assert (found.address, kind in found.likely) == (address, True)


@pytest.mark.parametrize("kind", CHIPS)
def test_no_byte_is_written_that_a_chip_at_the_address_obeys(kind: str) -> None:
    """Whichever chip is there: what a scan writes is the number of an id register, and none of this chip's commands."""
    driver = CATALOGUE.chips[kind]
    for address in driver.addresses:
        bus = SimBus({address: chip(kind)})
        on(bus)
        written = [one.write for one in bus.log if one.write]
        assert all(len(data) == 1 for data in written)
        assert not any(data[0] in driver.obeys for data in written), f"{address:#x}"


@pytest.mark.parametrize("kind", CHIPS)
def test_a_chip_that_is_at_work_goes_on_as_if_nobody_had_looked(kind: str) -> None:
    driver: Any = CATALOGUE.chips[kind]
    world = World()
    bus = SimBus({driver.address: chip(kind, world)})
    with driver(bus) as device:
        before = device.read().values
        on(bus)
        assert device.read().values == before


def test_the_outputs_of_an_expander_are_not_touched() -> None:
    expander = SimPCF8574(World(), "valves")
    bus = SimBus({0x39: expander})
    bus.transfer(0x39, b"\x5a")
    assert "tsl2561" in on(bus)[0x39].likely
    assert [one.write for one in bus.log] == [b"\x5a", *[b""] * (len(bus.log) - 1)]


def test_a_multiplexer_is_not_switched_to_find_out_whether_it_is_a_sensor() -> None:
    mux = SimTCA9548A(World(), "mux")
    bus = SimBus({0x76: mux, 0x70: SimTCA9548A(World(), "other")})
    mux.register = 0x04
    found = on(bus)
    assert mux.register == 0x04
    assert not any(one.write for one in bus.log)
    assert "tca9548a" in found[0x76].likely
    assert found[0x76].proven is None
    assert found[0x70].likely == ("tca9548a",)


def test_id_registers_prove_a_chip_and_rule_the_others_out() -> None:
    assert KNOWN <= PROVABLE
    for kind in PROVABLE:
        driver = CATALOGUE.chips[kind]
        proven = {address for address in driver.addresses if on(SimBus({address: chip(kind)}))[address].proven == kind}
        # where a command of another chip has the register's number nobody asks
        blocked = {address for address in driver.addresses for other in CATALOGUE.at(address).values()
                   if not other.one_byte and any(one.register in other.obeys for one in driver.identity)}  # fmt: skip
        assert proven == set(driver.addresses) - blocked, kind
        assert (blocked != set()) == (kind in ("ina3221", "tsl2561")) or kind not in KNOWN
    likely = on(SimBus({0x48: chip("tmp102")}))[0x48].likely
    assert likely[:3] == ("ads1115", "tmp102", "lm75"), "those that usually are there come first"
    assert "tmp117" not in likely


def test_everybody_is_unproven_who_has_no_id() -> None:
    for kind in set(CHIPS) - PROVABLE:
        address = CATALOGUE.chips[kind].addresses[0]
        assert on(SimBus({address: chip(kind)}))[address].proven is None


def test_a_configured_chip_is_confirmed_or_is_another_one() -> None:
    bus = SimBus({0x76: chip("bmp280"), 0x77: chip("bmp280"), 0x48: chip("tmp102")})
    found = on(bus, bme280=0x76, bmp280=0x77, tmp102=0x48)
    assert (found[0x76].proven, found[0x76].wrong) == (None, True)
    assert (found[0x77].proven, found[0x77].wrong) == ("bmp280", False)
    assert (found[0x48].proven, found[0x48].wrong) == (None, False)


def test_memories_are_asked_by_reading_and_never_by_a_write_where_one_could_be_locked_by_it() -> None:
    class Memory(SimChip):
        """Counts what an EEPROM would take for the beginning of a write."""

        quick = 0

        def write(self, data: bytes) -> None:
            assert len(data) == 1, "where to read next, and no byte to store"

        def read(self, count: int) -> bytes:
            return bytes(count)

        def acknowledge(self) -> None:
            self.quick += 1

    memories = {address: Memory(World(), "rom") for address in (*range(0x30, 0x38), *range(0x50, 0x60))}
    bus = SimBus(memories)
    assert set(memories) <= set(on(bus))
    assert sum(one.quick for one in memories.values()) == 0

    class Protected(Memory):
        """Its registers of protection do not answer a read, and a quick write would protect it for ever."""

        def read(self, count: int) -> bytes:
            raise Nack("protected")

    protected = Protected(World(), "rom")
    assert on(SimBus({0x33: protected}), tmp102=0x33) == {}
    assert protected.quick == 0


def test_a_hung_bus_is_told_after_two_addresses_and_one_silent_chip_is_not_a_hung_bus() -> None:
    bus = SimBus({0x48: chip("tmp102")})
    bus.stuck = True
    with pytest.raises(BusTimeout):
        on(bus)
    assert len(bus.log) == 2
    bus.stuck = False
    bus.fail(0x20, BusTimeout)
    assert list(on(bus)) == [0x48]


def test_an_adapter_that_fails_all_the_time_is_no_empty_bus() -> None:
    bus = SimBus()
    for address in range(FIRST, LAST + 1):
        bus.fail(address, BusFault)
    with pytest.raises(BusFault):
        on(bus)
    bus.fail(0x20, BusFault)
    assert on(bus) == {}


# -- through the kernel's interface -----------------------------------------------------------------------------------


@pytest.fixture
def kernel_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Kernel]:
    def make(funcs: int) -> Kernel:
        kernel = Kernel(tmp_path, monkeypatch, funcs=funcs)
        for address, kind in ((0x48, "tmp117"), (0x44, "sht31"), (0x59, "sgp40"), (0x76, "bme280")):
            kernel.sim.attach(address, chip(kind))
        return kernel

    return make


def test_the_kernels_bus_is_scanned_as_the_simulated_one_is(kernel_with: Callable[[int], Kernel]) -> None:
    kernel = kernel_with(PLAIN)
    assert on(kernel.open()) == on(kernel.sim)


def test_an_adapter_that_cannot_read_long_proves_less_and_finds_all(kernel_with: Callable[[int], Kernel]) -> None:
    found = on(kernel_with(STUB).open())
    assert found[0x48].proven == "tmp117"
    assert found[0x76].proven is None
    assert "bme280" in found[0x76].likely
    assert set(found) == {0x44, 0x48, 0x59, 0x76}


def test_an_adapter_without_quick_writes_says_so(kernel_with: Callable[[int], Kernel]) -> None:
    import smbus2

    bus = kernel_with(PLAIN & ~int(smbus2.I2cFunc.SMBUS_QUICK)).open()
    assert not bus.quick
    assert set(on(bus)) == {0x48, 0x76}


def test_what_a_kernel_driver_has_is_shown_and_not_asked(kernel_with: Callable[[int], Kernel]) -> None:
    kernel = kernel_with(PLAIN)
    (kernel.sysfs / "7-0076").mkdir()
    (kernel.sysfs / "drivers" / "bmp280").mkdir(parents=True)
    (kernel.sysfs / "7-0076" / "driver").symlink_to(kernel.sysfs / "drivers" / "bmp280")
    found = on(kernel.open())
    assert found[0x76] == Found(0x76, owner="bmp280")
    assert 0x76 not in {one.address for one in kernel.sim.log}


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ENXIO, errno.ENODEV])
def test_whatever_the_adapter_says_of_an_empty_address_it_is_empty(
    kernel_with: Callable[[int], Kernel], number: int
) -> None:
    kernel = kernel_with(PLAIN)
    bus: SMBusBus = kernel.open()
    kernel.errors.append(number)
    assert not bus.probe(0x48, reading=False)
    kernel.errors.append(errno.ETIMEDOUT)
    with pytest.raises(BusTimeout):
        bus.probe(0x48, reading=False)
    assert bus.probe(0x48, reading=False)


# -- adapters ---------------------------------------------------------------------------------------------------------


def test_adapters_tell_their_clock_and_whose_they_are(tmp_path: Path) -> None:
    titles = {1: "bcm2835 (i2c@7e804000)", 10: "smbus2 style", 20: "fef04500.i2c", 0: "SMBus I801 adapter at efa0"}
    (tmp_path / "dev").mkdir()
    for number, title in titles.items():
        (tmp_path / "dev" / f"i2c-{number}").touch()
        node = tmp_path / "sys/bus/i2c/devices" / f"i2c-{number}" / "of_node"
        node.mkdir(parents=True)
        (node.parent / "name").write_text(f"{title}\n")
    nodes = tmp_path / "sys/bus/i2c/devices"
    (nodes / "i2c-1/of_node/clock-frequency").write_bytes((100_000).to_bytes(4, "big"))
    (nodes / "i2c-20/of_node/compatible").write_bytes(b"brcm,bcm2711-hdmi-i2c\0")

    found = {one.name: one for one in adapters(tmp_path)}

    assert list(found) == ["i2c-0", "i2c-1", "i2c-10", "i2c-20"]
    assert (found["i2c-1"].clock, found["i2c-1"].stretches, found["i2c-1"].belongs) == (100_000, False, None)
    assert found["i2c-20"].belongs == "display"
    assert found["i2c-0"].belongs == "mainboard"
    assert adapter("i2c-9", tmp_path).clock is None


def test_a_nack_in_the_middle_of_an_id_is_no_proof() -> None:
    bus = SimBus({0x48: chip("tmp117")})
    real = bus.transfer

    def transfer(address: int, write: bytes, read: int = 0) -> bytes:
        raise Nack("gone") if write else BusFault("x")

    bus.transfer = transfer  # type: ignore[method-assign]
    assert on(bus)[0x48].proven is None
    bus.transfer = real  # type: ignore[method-assign]
