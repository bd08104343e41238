"""I2C through smbus2: the real library's ioctls, answered by simulated chips."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from smbus2.smbus2 import I2C_RDWR, I2C_SLAVE, I2C_SMBUS

from drivers import (
    AdapterGone,
    ArbitrationLost,
    BusError,
    BusFault,
    BusTimeout,
    BusUnavailable,
    Nack,
    World,
)
from drivers.bme280 import BME280, SimBME280
from drivers.bus import ATTEMPTS, SMBusBus
from drivers.tmp102 import TMP102, SimTMP102
from tests.drivers.kernel import PLAIN, STUB, Kernel
from tests.racing import race

MakeKernel = Callable[[int], Kernel]


@pytest.fixture
def kernel_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeKernel:
    return lambda funcs: Kernel(tmp_path, monkeypatch, funcs=funcs)


@pytest.fixture
def kernel(kernel_with: MakeKernel, world: World) -> Kernel:
    made = kernel_with(PLAIN)
    made.sim.attach(0x48, SimTMP102(world, "it"))
    return made


@pytest.mark.parametrize("funcs", [PLAIN, STUB], ids=["plain I2C", "SMBus only"])
def test_the_drivers_read_through_the_kernels_interface(kernel_with: MakeKernel, world: World, funcs: int) -> None:
    kernel = kernel_with(funcs)
    kernel.sim.attach(0x48, SimTMP102(world, "room"))
    kernel.sim.attach(0x76, SimBME280(world, "room"))
    world["room.temperature"], world["room.humidity"], world["room.pressure"] = 23.5, 47.3, 1003.25
    bus = kernel.open()

    with TMP102(bus) as coarse, BME280(bus) as fine:
        assert coarse.read().values == {"temperature": 23.5}
        assert fine.read().values == pytest.approx(
            {"temperature": 23.5, "humidity": 47.3, "pressure": 1003.25}, abs=0.03
        )
    bus.close()


def test_a_transfer_is_one_ioctl(kernel: Kernel) -> None:
    """The address travels with the bytes: there is no moment in which another thread can redirect it."""
    bus = kernel.open()
    bus.transfer(0x48, b"\x01", 2)
    bus.transfer(0x48, b"\x01\x60\xa0")

    assert kernel.calls == [I2C_RDWR, I2C_RDWR]
    assert [(t.write, t.answer) for t in kernel.sim.log] == [(b"\x01", b"\x60\xa0"), (b"\x01\x60\xa0", b"")]


def test_every_shape_of_transfer_works_without_plain_i2c(kernel_with: MakeKernel, world: World) -> None:
    kernel = kernel_with(STUB)
    kernel.sim.attach(0x76, SimBME280(world, "it"))
    bus = kernel.open()
    assert bus.transfer(0x76, b"\xd0", 1) == b"\x60"
    bus.transfer(0x76, b"\xd0")
    assert bus.transfer(0x76, b"", 1) == b"\x60"
    bus.transfer(0x76, b"\xf5\x10")
    assert bus.transfer(0x76, b"\xf4", 2) == b"\x00\x10"
    assert bus.transfer(0x76, b"\x88", 3) == SimBME280.calibration.pack()[0][:3]
    assert I2C_RDWR not in kernel.calls
    assert kernel.calls.count(I2C_SLAVE) == 1
    assert I2C_SMBUS in kernel.calls


@pytest.mark.parametrize(("write", "read"), [(b"\x01\x02", 3), (b"", 2), (b"\x01", 33), (bytes(34), 0)])
def test_what_smbus_cannot_say_is_a_configuration_error(kernel_with: MakeKernel, write: bytes, read: int) -> None:
    with pytest.raises(BusUnavailable, match="no plain I2C"):
        kernel_with(STUB).open().transfer(0x48, write, read)


@pytest.mark.parametrize(
    ("number", "expected", "text"),
    [
        (errno.EREMOTEIO, Nack, "check wiring, power and address (EREMOTEIO)"),
        (errno.ENXIO, Nack, "check wiring, power and address (ENXIO)"),
        (errno.ENODEV, Nack, "check wiring, power and address (ENODEV)"),
        (errno.ETIMEDOUT, BusTimeout, "a chip holds SCL or SDA low"),
        (errno.EAGAIN, ArbitrationLost, "another master"),
        (errno.EIO, BusFault, "the adapter failed (EIO)"),
        (errno.EBUSY, BusUnavailable, "a kernel driver owns this address"),
        (errno.EACCES, BusUnavailable, "usermod -aG i2c"),
        (errno.EOPNOTSUPP, BusUnavailable, "use another bus"),
    ],
)
def test_each_errno_is_one_error_with_bus_address_and_remedy(
    kernel: Kernel, number: int, expected: type[BusError], text: str
) -> None:
    bus = kernel.open()
    kernel.errors.extend([number] * (ATTEMPTS if number == errno.EAGAIN else 1))

    with pytest.raises(expected) as raised:
        bus.transfer(0x48, b"\x00", 2)

    assert type(raised.value) is expected
    assert f"{kernel.node} 0x48: " in str(raised.value)
    assert text in str(raised.value)
    assert bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0", "one failed transfer does not spoil the next"


def test_only_what_may_pass_by_itself_is_retried() -> None:
    assert [e.retry for e in (Nack, BusTimeout, ArbitrationLost, BusFault, BusUnavailable)] == [True] * 4 + [False]


def test_an_absent_chip_is_a_nack(kernel: Kernel) -> None:
    with pytest.raises(Nack, match="0x4a"):
        TMP102(kernel.open(), 0x4A).start()


def test_a_missing_bus_says_how_to_switch_it_on(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match=r"i2c-9: no such bus: .*raspi-config nonint do_i2c 0"):
        SMBusBus(str(tmp_path / "i2c-9"), wait=lambda seconds: None)


def test_a_bus_without_permission_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("smbus2.smbus2.os.open", refuse)
    with pytest.raises(BusUnavailable, match="usermod -aG i2c"):
        SMBusBus(1, wait=lambda seconds: None)


def test_a_file_that_is_no_bus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i2c-7").write_text("not a bus")
    with pytest.raises(BusUnavailable, match="ENOTTY"):
        SMBusBus(str(tmp_path / "i2c-7"), wait=lambda seconds: None)


@pytest.mark.parametrize(("given", "path"), [(3, "/dev/i2c-3"), ("i2c-3", "/dev/i2c-3"), ("/dev/i2c-3", "/dev/i2c-3")])
def test_a_bus_may_be_a_number_a_name_or_a_node(given: int | str, path: str) -> None:
    with pytest.raises(BusUnavailable, match=f"{path}:"):
        SMBusBus(given, wait=lambda seconds: None)


def test_a_chip_that_a_kernel_driver_owns_is_left_alone(kernel: Kernel, tmp_path: Path) -> None:
    """The combined ioctl would go through and disturb the driver's own transfers."""
    (tmp_path / "drivers" / "tmp102").mkdir(parents=True)
    (kernel.sysfs / "7-0048").mkdir()
    (kernel.sysfs / "7-0048" / "driver").symlink_to(tmp_path / "drivers" / "tmp102")

    with pytest.raises(BusUnavailable, match="0x48: kernel driver 'tmp102' owns this address"):
        kernel.open().transfer(0x48, b"\x00", 2)
    assert not kernel.sim.log


def test_a_closed_bus_says_so_and_closing_twice_is_fine(kernel: Kernel) -> None:
    bus = kernel.open()
    bus.close()
    bus.close()

    with pytest.raises(BusUnavailable, match="is closed"):
        bus.transfer(0x48, b"\x00", 2)


def test_an_empty_transfer_is_a_mistake_of_the_driver(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        kernel.open().transfer(0x48, b"")


@pytest.mark.parametrize("funcs", [PLAIN, STUB], ids=["plain I2C", "SMBus only"])
def test_two_threads_on_one_bus_each_reach_the_chip_they_meant(
    kernel_with: MakeKernel, world: World, funcs: int
) -> None:
    kernel = kernel_with(funcs)
    world["a.temperature"], world["b.temperature"] = 10.0, 20.0
    kernel.sim.attach(0x48, SimTMP102(world, "a"))
    kernel.sim.attach(0x49, SimTMP102(world, "b"))
    bus = kernel.open()
    seen: dict[int, list[float]] = {}

    def read_many(address: int) -> None:
        sensor = TMP102(bus, address)
        seen[address] = [sensor.read().values["temperature"] for _ in range(5000)]

    race(*(partial(read_many, address) for address in (0x48, 0x49)))

    assert seen == {0x48: [10.0] * 5000, 0x49: [20.0] * 5000}


def test_waiting_is_what_the_caller_says_it_is(kernel: Kernel) -> None:
    waits: list[float] = []
    SMBusBus(str(kernel.node), wait=waits.append).wait(0.035)

    assert waits == [0.035]


def test_a_lost_arbitration_is_repeated_at_once_and_not_for_ever(kernel: Kernel) -> None:
    bus = kernel.open()
    kernel.errors.extend([errno.EAGAIN] * (ATTEMPTS - 1))
    assert bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0"
    assert kernel.calls == [I2C_RDWR] * ATTEMPTS

    kernel.errors.extend([errno.EAGAIN] * ATTEMPTS)
    with pytest.raises(ArbitrationLost):
        bus.transfer(0x48, b"\x01", 2)
    assert not kernel.errors


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ETIMEDOUT, errno.EIO])
def test_nothing_else_is_repeated_below_the_driver(kernel: Kernel, number: int) -> None:
    bus = kernel.open()
    kernel.errors.append(number)
    with pytest.raises(BusError):
        bus.transfer(0x48, b"\x01", 2)
    assert kernel.calls == [I2C_RDWR]


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.ETIMEDOUT, errno.ESHUTDOWN])
def test_an_adapter_that_was_pulled_is_told_and_opened_anew_when_it_is_back(kernel: Kernel, number: int) -> None:
    bus = kernel.open()
    old = kernel.node.open("rb")
    kernel.node.unlink()
    kernel.errors.append(number)
    for _ in range(2):
        with pytest.raises(AdapterGone, match="i2c-7: the adapter is gone: plug it in again"):
            bus.transfer(0x48, b"\x01", 2)
    kernel.node.touch()

    assert bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0"
    assert not AdapterGone.retry
    old.close()


def test_an_adapter_that_was_swapped_between_two_transfers_costs_one_error(kernel: Kernel) -> None:
    bus = kernel.open()
    old = kernel.node.open("rb")
    kernel.node.unlink()
    kernel.node.touch()
    kernel.errors.append(errno.ENODEV)
    with pytest.raises(AdapterGone):
        bus.transfer(0x48, b"\x01", 2)
    assert bus.transfer(0x48, b"\x01", 2) == b"\x60\xa0"
    old.close()


def test_a_closed_bus_stays_closed(kernel: Kernel) -> None:
    bus = kernel.open()
    bus.close()
    bus.close()
    with pytest.raises(BusUnavailable, match="closed"):
        bus.transfer(0x48, b"\x01", 2)
