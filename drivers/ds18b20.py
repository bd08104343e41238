"""Maxim DS18B20 temperature sensor on the kernel's 1-Wire bus; also DS1822, DS1825 and DS28EA00, which answer alike.

What the file `w1_slave` says, the conversion time of 0.75 s at 12 bits and the two values of a conversion that did not
happen are those of Linux `drivers/w1/slaves/w1_therm.c` and its documentation; the datasheet was not seen.

    50 05 4b 46 7f ff 0c 10 1c : crc=1c YES
    50 05 4b 46 7f ff 0c 10 1c t=85000

What a naive reader gets wrong
- nothing at all in the file: no answer, or a wrong checksum (seen with Linux 6.12), in five attempts of the kernel;
- 85 degC with 0x0C in the seventh byte: the value after power-on, so the conversion was cut short, usually for want of
  power; 127.94 degC the same. A real 85 degC has another seventh byte;
- nine zeros: the data line is shorted to ground. Their checksum is right.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from drivers.base import Reading, Seconds
from drivers.errors import BadData, Nack
from drivers.kit.quantity import Quantity
from drivers.sim import World
from drivers.simulation.sysfs import SimFiles
from drivers.wires.sysfs import SysfsDevice

FAMILIES = ("28-", "22-", "3b-", "42-")
_ANSWER = re.compile(r"((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\n.* t=(-?\d+)")


class DS18B20(SysfsDevice):
    """Blocking for one conversion, 0.75 s at 12 bits; one file read a reading."""

    temperature = Quantity("degC", step=0.0625, low=-55, high=125)
    every = Seconds(10.0)
    tree_name = "w1"
    folder = "/sys/bus/w1/devices"
    prefix = FAMILIES
    advice = "switch 1-Wire on with dtoverlay=w1-gpio, and look for the 4.7 kOhm pull-up at the data line"

    def is_it(self, name: str) -> bool:
        return True

    def read(self) -> Reading:
        file = f"{self.path}/w1_slave"
        text = self.tree.read(file)
        if not text:
            raise Nack(
                f"{file} is empty: the sensor did not answer, or only with wrong checksums; unplugged, no pull-up, no"
                " power, or a noisy line"
            )
        answer = _ANSWER.fullmatch(text)
        if answer is None:
            raise BadData(f"{file} is not what w1_therm writes: {text[:60]!r}")
        if answer[2] == "NO":
            raise BadData(f"{file}: wrong checksum: a long or noisy line, or a weak pull-up")
        _refuse_no_conversion(file, bytes.fromhex(answer[1]))
        return self.reading(temperature=int(answer[3]) / 1000)


def _refuse_no_conversion(file: str, scratchpad: bytes) -> None:
    if not any(scratchpad):
        raise BadData(f"{file}: nothing but zeros: the data line is shorted to ground")
    if scratchpad[6] == 0x0C and scratchpad[:2] in (b"\x50\x05", b"\xff\x07"):
        raise BadData(
            f"{file}: the value after power-on, not a measurement: the sensor lost its power while converting;"
            " with parasite power connect VDD to 3.3 V"
        )


class SimDS18B20(SimFiles):
    """Eight bytes of memory, a checksum, and the kernel's two lines about them.

    fault   "power": the conversion is cut short, as without enough parasite power; "noise": a bit is read wrongly;
            "short": the data line is at ground
    """

    defaults: ClassVar[Mapping[str, float]] = {"temperature": 21.0}
    node = "28-00000a1b2c3d"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.fault: Literal["power", "noise", "short"] | None = None

    def paths(self) -> list[str]:
        return [f"{self.place}/{file}" for file in ("w1_slave", "temperature", "ext_power", "resolution")]

    def takes(self, path: str) -> float:
        return 0.75 if path.endswith(("w1_slave", "temperature")) else 0.0

    def absent(self, path: str) -> str:
        # w1_therm reports a failed conversion by writing nothing, and keeps the folder
        return ""

    def text(self, path: str) -> str:
        memory = self._memory()
        told = [*memory, _dallas_crc(memory)]
        if self.fault == "noise":
            told[2] ^= 0x08
        words = " ".join(f"{byte:02x}" for byte in told)
        verdict = "YES" if _dallas_crc(bytes(told[:8])) == told[8] else "NO"
        sixteenths = int.from_bytes(memory[:2], "little", signed=True)
        files = {
            "w1_slave": f"{words} : crc={_dallas_crc(bytes(told[:8])):02x} {verdict}\n{words} t={_milli(sixteenths)}",
            "temperature": str(_milli(sixteenths)),
            "ext_power": "0" if self.fault == "power" else "1",
            "resolution": "12",
        }
        return files[path.rpartition("/")[2]]

    def _memory(self) -> bytes:
        if self.fault == "short":
            return bytes(8)
        if self.fault == "power":
            return bytes([0x50, 0x05, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10])
        counts = min(max(round(self.signal("temperature") * 16), -880), 2000)
        return counts.to_bytes(2, "little", signed=True) + bytes([0x4B, 0x46, 0x7F, 0xFF, 0x10 - (counts & 0xF), 0x10])


def _milli(sixteenths: int) -> int:
    # C divides towards zero
    return int(sixteenths * 1000 / 16)


def _dallas_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        for bit in range(8):
            mixed = (crc ^ (byte >> bit)) & 1
            crc = (crc >> 1) ^ (0x8C if mixed else 0)
    return crc


DRIVER, SIM = DS18B20, SimDS18B20
