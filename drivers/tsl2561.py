"""TAOS TSL2561 (packages T, FN, CL) light sensor: two photodiodes, with and without infrared, and lx out of both.

Registers, part number, clipping limits and the formula in powers are those of Adafruit's `adafruit_tsl2561` 3.3.25. The
package `tsl2561` 3.4.0 has the other published form, straight lines between ratios, which the tests compare; its way of
switching the chip on for one integration and off again is ours too: both channels belong to the same light. The
datasheet was not seen.
"""

from collections.abc import Mapping
from typing import ClassVar

from drivers.base import Driver, Identity, Reading
from drivers.errors import BadData, OutOfRange
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.silicon import RegisterChip, counts
from drivers.wires.wire import Bus

COMMAND, WORD = 0x80, 0x20
CONTROL, TIMING, ID, BROADBAND, INFRARED = 0x00, 0x01, 0x0A, 0x0C, 0x0E
ON, OFF = 0x03, 0x00


def lux(broadband: float, infrared: float) -> float:
    """lx out of both counts, as they would be at gain 16 and 402 ms."""
    ratio = infrared / broadband if broadband else 0.0
    if ratio <= 0.50:
        return 0.0304 * broadband - 0.062 * broadband * float(ratio**1.4)
    for limit, plus, minus in ((0.61, 0.0224, 0.031), (0.80, 0.0128, 0.0153), (1.30, 0.00146, 0.00112)):
        if ratio <= limit:
            return plus * broadband - minus * infrared
    return 0.0


class TSL2561(Driver):
    """Blocking: 0.45 s a reading. `sunlight` integrates 13.7 ms instead of 402: to 40,000 lx, in steps of about 15."""

    illuminance = Quantity("lx", step=0.8, low=0, high=20_000)
    address = 0x39
    addresses = (0x29, 0x39, 0x49)
    identity = (Identity(COMMAND | ID, (0x50,), mask=0xF0),)
    sunlight: bool = False

    def __init__(self, bus: Bus, address: int | None = None, *, sunlight: bool = False) -> None:
        super().__init__(bus, address)
        self.sunlight = sunlight
        # gain 1 in both; (code, seconds, share of 402 ms, count at which it clips)
        self._timing = (0b00, 0.02, 0.034, 4900) if sunlight else (0b10, 0.45, 1.0, 65000)

    def limits(self) -> Mapping[str, tuple[float, float]]:
        return {"illuminance": (0.0, 40_000.0)} if self.sunlight else self.ranges

    def start(self) -> None:
        self._set(CONTROL, ON)
        self.prove("the control register", self.transfer(bytes([COMMAND | CONTROL]), 1)[0] & 0b11, ON)
        self.prove("part number", self.transfer(bytes([COMMAND | ID]), 1)[0] >> 4, 5)
        self._set(CONTROL, OFF)
        self.prove("the control register", self.transfer(bytes([COMMAND | CONTROL]), 1)[0] & 0b11, OFF)

    def read(self) -> Reading:
        code, seconds, share, clipped = self._timing
        self._set(CONTROL, ON)
        self._set(TIMING, code)
        self.bus.wait(seconds)
        broadband, infrared = (
            int.from_bytes(self.transfer(bytes([COMMAND | WORD | register]), 2), "little")
            for register in (BROADBAND, INFRARED)
        )
        timing = self.transfer(bytes([COMMAND | TIMING]), 1)[0]
        self._set(CONTROL, OFF)
        if timing != code:
            raise BadData(f"the TSL2561 at {self.address:#04x} lost its settings: check its power supply")
        if max(broadband, infrared) > clipped:
            hint = "shade it" if self.sunlight else "shade it, or set sunlight: true"
            raise OutOfRange(f"the TSL2561 at {self.address:#04x} is dazzled: {hint}")
        return self.reading(illuminance=max(lux(broadband * 16 / share, infrared * 16 / share), 0.0))

    def _set(self, register: int, value: int) -> None:
        self.transfer(bytes([COMMAND | register, value]))


class SimTSL2561(RegisterChip):
    """Light with a quarter as much infrared, to which the part's sensitivity is `per_count` lx at gain 16 and 402 ms.

    Powered off it forgets the counts; the first integration takes its time.
    """

    defaults: ClassVar[Mapping[str, float]] = {"illuminance": 300.0}
    writable: ClassVar[Mapping[int, int]] = {CONTROL: 0b11, TIMING: 0x1B, 0x02: 0xFF, 0x03: 0xFF, 0x06: 0x3F}
    infrared = 0.25
    per_count = 0.0304 - 0.062 * 0.25**1.4
    times: ClassVar[Mapping[int, tuple[float, float, int]]] = {
        0: (0.0137, 0.034, 5047),
        1: (0.101, 0.252, 37177),
        2: (0.402, 1.0, 65535),
    }

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.registers[TIMING], self.registers[ID] = 0b10, 0x50

    def write(self, data: bytes) -> None:
        super().write(bytes([data[0] & 0x0F]) + data[1:])

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        if register in (CONTROL, TIMING):
            self.registers[BROADBAND : BROADBAND + 4] = bytes(4)
            if self.registers[CONTROL] == ON:
                self.convert(self.times[self.registers[TIMING] & 0b11][0])

    def converted(self) -> None:
        _, share, full = self.times[self.registers[TIMING] & 0b11]
        gain = 16 if self.registers[TIMING] & 0x10 else 1
        step = self.per_count * 16 / gain / share
        broadband = counts(self.signal("illuminance"), step, 0, full)
        infrared = counts(self.signal("illuminance") * self.infrared, step, 0, full)
        self.registers[BROADBAND : BROADBAND + 4] = broadband.to_bytes(2, "little") + infrared.to_bytes(2, "little")


DRIVER, SIM = TSL2561, SimTSL2561
