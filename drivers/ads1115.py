"""TI ADS1115: four analogue inputs, 16 bits, one conversion an input on demand.

Registers, bit fields, ranges and rates are those of Linux `drivers/iio/adc/ti-ads1015.c`; that the OS bit tells an
ongoing conversion, and cannot start another one meanwhile, is what issue 827 of gobot quotes of the datasheet, which
itself was not seen. The chip has no id: `start()` writes two threshold registers that nothing uses and expects them
and its own configuration back.

What a naive driver gets wrong: it waits 1/rate by its own clock, while the chip's may be 10 % slow, and so reads the
channel before; here the conversion is known to be over, and the configuration read back with that names the channel.
A value at the end of the scale is no measurement but "at least".
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import Driver, Reading
from drivers.errors import BadData, OutOfRange, WrongChip
from drivers.options import names_in
from drivers.registers import Bits, Register
from drivers.simulation.silicon import WordChip, counts
from drivers.wires.wire import Bus

MUX = {"a0_a1": 0, "a0_a3": 1, "a1_a3": 2, "a2_a3": 3, "a0": 4, "a1": 5, "a2": 6, "a3": 7}
"""Channel -> code of the multiplexer; `a0_a1` is the voltage of A0 above A1."""

FULL_SCALE = {"2/3": 6.144, 1: 4.096, 2: 2.048, 4: 1.024, 8: 0.512, 16: 0.256}
"""Gain -> volts at 32768 counts; the order is that of the codes."""

ALL_SINGLE = "a0 a1 a2 a3"
RATES = (8, 16, 32, 64, 128, 250, 475, 860)
SIGNATURE = bytes([0x02, 0x5A, 0x3C])
IDLE = 0x8000
ONE_SHOT = 0x0103
"""Mode bit, and the comparator off."""

SINGLE, DIFFERENCE = (-0.3, 5.8), (-6.1, 6.1)
"""Volts: an input must stay within 0.3 V of the supply, which is 5.5 V at most."""


class ADS1115(Driver):
    """Blocking: about 1/rate an input (9 ms at 128/s, 1.2 ms at 860/s).

    inputs  what to measure, as a text of channel names: "a0 a1 a2 a3", "a0_a1, a2"
    gain    "2/3" (up to 6.144 V), 1 (4.096 V), 2 (2.048 V), 4, 8, 16 (0.256 V); an input above it is an error
    rate    conversions a second; slower is quieter
    """

    channels: ClassVar[Mapping[str, str]] = dict.fromkeys(("a0", "a1", "a2", "a3", *list(MUX)[:4]), "V")
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        name: DIFFERENCE if "_" in name else SINGLE for name in channels
    }
    resolution: ClassVar[Mapping[str, float]] = dict.fromkeys(channels, 6.144 / 32768)
    address = 0x48
    addresses = (0x48, 0x49, 0x4A, 0x4B)
    _volts: float = FULL_SCALE["2/3"] / 32768

    config = Register(0x01, size=2)
    conversion = Register(0x00, size=2, signed=True, writable=False)
    mux = Bits(config, low=12, width=3)

    def __init__(
        self,
        bus: Bus,
        address: int | None = None,
        *,
        inputs: str = ALL_SINGLE,
        gain: Literal["2/3", 1, 2, 4, 8, 16] = "2/3",
        rate: Literal[8, 16, 32, 64, 128, 250, 475, 860] = 128,
    ) -> None:
        super().__init__(bus, address)
        self._inputs = names_in(inputs, self.channels, "inputs")
        if not self._inputs:
            raise OutOfRange(f"inputs names no channel; there are {', '.join(self.channels)}")
        self._volts = FULL_SCALE[gain] / 32768
        self._settings = list(FULL_SCALE).index(gain) << 9 | RATES.index(rate) << 5 | ONE_SHOT
        self._longest = 1.1 / rate + 0.0001

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            names = names_in(options.get("inputs", ALL_SINGLE), cls.channels, "inputs")
        except (OutOfRange, AttributeError):
            return cls.channels
        return {name: cls.channels[name] for name in names}

    def limits(self) -> Mapping[str, tuple[float, float]]:
        full = self._volts * 32767
        return {name: (max(low, -full), min(high, full)) for name, (low, high) in self.ranges.items()}

    def start(self) -> None:
        self.transfer(SIGNATURE)
        self.config = self._settings
        kept, written = self.transfer(SIGNATURE[:1], 2), self.config
        if kept != SIGNATURE[1:] or written & 0x7FFF != self._settings:
            raise WrongChip(
                f"{self.address:#04x} keeps {written:#06x} and {kept.hex()} where an ADS1115 keeps"
                f" {self._settings | IDLE:#06x} and {SIGNATURE[1:].hex()}: another chip answers there"
            )

    def read(self) -> Reading:
        return self.reading(**{name: self._measure(name) for name in self._inputs})

    def _measure(self, channel: str) -> float:
        wanted = type(self).mux.put(self._settings, MUX[channel])
        self.config = wanted | IDLE
        self.bus.wait(self._longest)
        for _ in range(5):
            state = self.config
            if state & IDLE:
                break
            self.bus.wait(self._longest / 5)
        else:
            raise BadData(f"the ADS1115 at {self.address:#04x} takes too long to measure {channel}")
        if state & ~IDLE != wanted:
            raise BadData(
                f"the ADS1115 at {self.address:#04x} lost its settings while it measured {channel}: check its power"
                " supply"
            )
        steps = self.conversion
        if steps in (32767, -32768):
            raise OutOfRange(
                f"{channel} is at the end of the scale of {self._volts * 32768:g} V: choose a smaller gain or divide"
                " the voltage"
            )
        return steps * self._volts


class SimADS1115(WordChip):
    """The pins are the signals `<name>.a0` .. `<name>.a3`, in volts; the clock of this one is 5 % slow.

    A difference is that of its pins, unless the world has a signal of its name.
    """

    defaults: ClassVar[Mapping[str, float]] = dict.fromkeys(("a0", "a1", "a2", "a3"), 0.0)
    words: ClassVar[Mapping[int, int]] = {0: 0x0000, 1: 0x0583, 2: 0x8000, 3: 0x7FFF}
    writable: ClassVar[Mapping[int, int]] = {1: 0x7FFF, 2: 0xFFFF, 3: 0xFFFF}
    pointers = 0b11
    spans = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
    pairs = (("a0", "a1"), ("a0", "a3"), ("a1", "a3"), ("a2", "a3"))

    def store(self, register: int, value: int) -> None:
        super().store(register, value)
        # a conversion that is under way is not started anew
        if register == 1 and value & 0x8100 == 0x8100 and self._converting is None:
            self.convert(1.05 / (8, 16, 32, 64, 128, 250, 475, 860)[value >> 5 & 0b111])

    def load(self, register: int) -> int:
        single = self.held[1] & 0x0100
        if register == 0 and not single:
            self.converted()
        # the top bit written means "begin", the one read "nothing under way"
        idle = register == 1 and single and self._converting is None
        return super().load(register) | (0x8000 if idle else 0)

    def converted(self) -> None:
        volts, span = self._volts(self.held[1] >> 12 & 0b111), self.spans[self.held[1] >> 9 & 0b111]
        self.held[0] = counts(volts, span / 32768, -32768, 32767)

    def _volts(self, mux: int) -> float:
        if mux >= 4:
            return self.signal(f"a{mux - 4}")
        plus, minus = self.pairs[mux]
        whole = f"{self.name}.{plus}_{minus}"
        return float(self.world[whole]) if whole in self.world else self.signal(plus) - self.signal(minus)


DRIVER, SIM = ADS1115, SimADS1115
