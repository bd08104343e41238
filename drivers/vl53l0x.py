"""ST VL53L0X: the distance to the next surface by the time light takes, one measurement on demand.

The start of a measurement, the block of twelve bytes with status and distance, and 30 to 1200 mm as the usual reach are
those of Linux `drivers/iio/proximity/vl53l0x-i2c.c`; ids, the locked "stop variable" that belongs before every start,
the limits, the interrupt flags and the two reference calibrations those of Adafruit's `adafruit_vl53l0x` 3.6.19 (after
Pololu's); what the status codes mean is ST's API (`VL53L0X_get_pal_range_status`). The datasheet was not seen; the
registers are explained nowhere, ST publishes code.

ST's API also loads a table of about eighty unexplained settings and picks the reference diodes. They are not in here,
as they are not in Linux: the chip measures with what it has from the factory. Its address can be changed until the
supply drops; that is not used here, so it is one such chip a bus, or a branch of a multiplexer.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Identity, Reading
from drivers.errors import BadData, NotStarted, OutOfRange
from drivers.kit.quantity import Quantity
from drivers.registers import Register
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip, counts
from drivers.wires.wire import Bus

START, SEQUENCE, INTERRUPTS, CLEAR, FLAGS, RESULT = 0x00, 0x01, 0x0A, 0x0B, 0x13, 0x14
CHECKS, PAGE, POWER, STOP = 0x60, 0xFF, 0x80, 0x91
ALL_STEPS, CALIBRATIONS = 0xE8, ((0x01, 0x41), (0x02, 0x01))
"""The steps of a measurement; of each calibration the one step, and how it is started."""
SIGNAL_LIMIT = round(0.25 * 128)
SIGNATURE = 0x5AC3
"""Stands where a threshold would, which nothing uses: a chip that forgot its settings has forgotten this too."""
NOTHING = 8190
VALID, BROKEN, FAR, NEAR = 11, (1, 2, 3), (4, 6, 9), (8, 10)


class VL53L0X(Driver):
    """Blocking: about 40 ms a reading. Nothing within reach, or too dark a surface, is `OutOfRange` and no distance."""

    distance = Quantity("mm", step=1, low=0, high=2000)
    address = 0x29
    addresses = (0x29,)
    # model and revision
    identity = (Identity(0xC0, (0xEEAA,), size=2), Identity(0xC2, (0x10,)))

    checks = Register(CHECKS)
    signal_limit = Register(0x44, size=2)
    threshold = Register(0x0C, size=2)
    flags = Register(FLAGS, writable=False)

    def __init__(self, bus: Bus, address: int | None = None) -> None:
        super().__init__(bus, address)
        self._stop: int | None = None
        self._unlocked = False
        self._who = f"the VL53L0X at {self.address:#04x}"

    def start(self) -> None:
        self._stop = None
        if self._unlocked:
            # an error in between left it where the ids cannot be read
            self._set((PAGE, 1), (START, 1))
            self._lock()
        self.identify()
        self._unlock()
        stop = self.transfer(bytes([STOP]), 1)[0]
        self._set((START, 1))
        self._lock()
        # the two checks of the signal before the final step
        self.checks |= 0x12
        self.signal_limit = SIGNAL_LIMIT
        self._set((INTERRUPTS, 0x04), (CLEAR, 1))
        for step, begin in CALIBRATIONS:
            self._set((SEQUENCE, step), (START, begin))
            self._await("calibrate")
            self._set((CLEAR, 1), (START, 0))
        self._set((SEQUENCE, ALL_STEPS))
        self.keep(VL53L0X.threshold, SIGNATURE)
        self._stop = stop

    def read(self) -> Reading:
        if self._stop is None:
            raise NotStarted(f"{self._who} is not started")
        self._unlock()
        self._set((STOP, self._stop), (START, 1))
        self._lock()
        self._set((START, 1))
        self.bus.wait(0.030)
        self._await("measure")
        block = self.transfer(bytes([RESULT]), 12)
        self._set((CLEAR, 1))
        if self.threshold != SIGNATURE:
            raise BadData(f"{self._who} lost its settings: check its power supply")
        return self._judge(block[0] >> 3 & 0xF, int.from_bytes(block[10:], "big"))

    def _judge(self, code: int, distance: int) -> Reading:
        if code in NEAR:
            raise OutOfRange(f"something is too near to {self._who}, or its cover glass reflects")
        if code in FAR or (code == VALID and distance >= NOTHING):
            raise OutOfRange(f"nothing is within the reach of {self._who} (1.2 m, in the dark 2 m), or it is too dark")
        if code != VALID:
            what = "says that its laser or its supply fails" if code in BROKEN else "has no measurement"
            raise BadData(f"{self._who} {what} (code {code})")
        return self.reading(distance=float(distance))

    def _await(self, task: str) -> None:
        for _ in range(40):
            if self.flags & 0b111:
                return
            self.bus.wait(0.005)
        raise BadData(f"{self._who} takes too long to {task}")

    def _unlock(self) -> None:
        """Behind these three writes stands what ST does not explain."""
        self._unlocked = True
        self._set((POWER, 1), (PAGE, 1), (START, 0))

    def _lock(self) -> None:
        self._set((PAGE, 0), (POWER, 0))
        self._unlocked = False

    def _set(self, *pairs: tuple[int, int]) -> None:
        for pair in pairs:
            self.transfer(bytes(pair))


class SimVL53L0X(RegisterChip):
    """Pages of registers; `<name>.distance` in mm; beyond 2 m it says so, with 8190. The calibrations take a while.

    `code`: what it says instead of "valid", as a damaged or blinded one.
    """

    defaults: ClassVar[Mapping[str, float]] = {"distance": 500.0}
    code: int | None = None

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.pages = {0: self.registers, 1: bytearray(256), 6: bytearray(256), 7: bytearray(256)}
        self.page = 0
        self.registers[0xC0:0xC3] = b"\xee\xaa\x10"
        self.registers[0x01], self.registers[0x8A] = 0xFF, 0x29
        self.pages[1][0x91], self.pages[7][0x92] = 0x3C, 0x85

    def store(self, register: int, value: int) -> None:
        if register == 0xFF:
            self.page = value
            self.registers = self.pages.setdefault(value, bytearray(256))
            return
        super().store(register, value)
        if self.page == 7 and register == 0x83 and value == 0:
            # the diodes' numbers are read out at once
            self.registers[0x83] = 0x10
        if self.page != 0:
            return
        if register == 0x0B and value & 1:
            self.registers[0x13] &= ~0b111
        if register == 0x00 and value & 1:
            self.registers[0x00] &= ~1
            self.registers[0x14] &= ~1
            self.convert(0.033 if self._ranging else 0.004)

    @property
    def _ranging(self) -> bool:
        return bool(self.pages[0][0x01] & 0x80)

    def converted(self) -> None:
        chip = self.pages[0]
        chip[0x13] |= chip[0x0A] & 0b111
        if not self._ranging:
            return
        seen = counts(self.signal("distance"), 1.0, 0, 8190)
        code, shown = (11, seen) if seen <= 2000 else (4, 8190)
        chip[0x14] = (code if self.code is None else self.code) << 3 | 1
        chip[0x1E:0x20] = shown.to_bytes(2, "big")


DRIVER, SIM = VL53L0X, SimVL53L0X
