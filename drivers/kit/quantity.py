"""What a part measures, as lines of its class body: a channel's name, unit, step and range in one place.

    class TMP102(Driver):
        conversion = Register(0x00, size=2, writable=False)
        temperature = Scaled(Bits(conversion, low=4, width=12, signed=True), "degC", step=0.0625, low=-55, high=128)

Each line is an entry in the class's `channels`, `ranges`, `resolution` and `slew`, where everybody looks, and nothing
else. A part whose channels are numbered, or chosen by an option, fills those tables itself.
"""

from typing import Self, overload

from drivers.base import Device
from drivers.registers import Bits, Register, Registered


class Quantity:
    """A channel of that name. `low` and `high`, `step` and `slew` as in `Device.ranges`, `resolution` and `slew`."""

    def __init__(
        self,
        unit: str,
        *,
        step: float | None = None,
        low: float | None = None,
        high: float | None = None,
        slew: float | None = None,
    ) -> None:
        if (low is None) != (high is None):
            raise ValueError("a range has two ends: give low and high, or neither")
        self.unit = unit
        self.step = step
        self.slew = slew
        self.range = None if low is None or high is None else (float(low), float(high))

    def __set_name__(self, owner: type[Device], name: str) -> None:
        # a new table each: those of a base class stay as they are
        owner.channels = {**getattr(owner, "channels", {}), name: self.unit}
        if self.range is not None:
            owner.ranges = {**owner.ranges, name: self.range}
        if self.step is not None:
            owner.resolution = {**owner.resolution, name: float(self.step)}
        if self.slew is not None:
            owner.slew = {**owner.slew, name: self.slew}


class Scaled(Quantity):
    """A channel that stands in one register: counts of `step`. Getting it from a chip is one transaction."""

    def __init__(
        self, counts: Register | Bits, unit: str, *, step: float, low: float, high: float, slew: float | None = None
    ) -> None:
        super().__init__(unit, step=step, low=low, high=high, slew=slew)
        self._counts = counts
        self._step = step

    @overload
    def __get__(self, chip: None, owner: type) -> Self: ...
    @overload
    def __get__(self, chip: Registered, owner: type) -> float: ...
    def __get__(self, chip: Registered | None, owner: type) -> Self | float:
        if chip is None:
            return self
        return self._counts.__get__(chip, owner) * self._step
