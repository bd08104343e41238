"""Nine clocks for a hung I2C bus, made with the pins of a Raspberry Pi.

A chip that was interrupted in the middle of a byte (its master was reset, its clock lost a pulse) holds SDA low until
it has sent the rest. Whoever gives it up to nine clocks lets it finish; a stop then puts every chip at rest (UM10204
3.1.16 as quoted by ahtn/keyplus #39). Nobody can do that through `/dev/i2c-*`: the two pins are taken from the
controller for a moment and given back, with `pinctrl` of Raspberry Pi OS (raspberrypi/utils), which needs root.

Never done without being asked: a chip that only stretches the clock would be sent clocks in the middle of its answer.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from drivers.errors import BusFault, BusTimeout, BusUnavailable

PINS: Final = {"i2c-1": (2, 3), "i2c-0": (0, 1)}
"""SDA and SCL of the buses whose pins are the same on every board."""
CLOCKS: Final = 9

Run = Callable[[Sequence[str]], str]
"""Runs a command and gives what it prints. Raises OSError where that cannot be done."""


@dataclass(frozen=True, slots=True)
class _Pin:
    number: int
    function: str
    high: bool
    signal: str


def commands(sda: int, scl: int) -> list[str]:
    """The same by hand, for a person at a shell."""
    clock = f"for n in 1 2 3 4 5 6 7 8 9; do sudo pinctrl set {scl} op dl; sudo pinctrl set {scl} ip; done"
    stop = "; ".join(f"sudo pinctrl set {step}" for step in (f"{scl} op dl", f"{sda} op dl", f"{scl} ip", f"{sda} ip"))
    return [f"pinctrl get {sda},{scl}   # note the two functions, such as a0", clock, stop,
            f"sudo pinctrl set {sda},{scl} a0   # the functions from above"]  # fmt: skip


def nine_clocks(run: Run, bus: str, sda: int, scl: int) -> int:
    """Free SDA; returns after how many clocks it was free, 0 where nobody held it and nothing was touched.

    Raises `BusUnavailable` where the pins are not this bus's or cannot be used, `BusTimeout` where SCL is held low and
    clocks cannot be made, `BusFault` where SDA stays low. The pins are the controller's again in every case.
    """
    before = {number: _look(run, bus, number) for number in (sda, scl)}
    for number, signal in ((sda, "SDA"), (scl, "SCL")):
        if not before[number].signal.startswith(signal):
            raise BusUnavailable(
                f"{bus}: GPIO{number} is not its {signal} now but {before[number].signal or 'nothing'}: name the pins"
                " with --pins SDA,SCL"
            )
    if not before[scl].high:
        raise BusTimeout(f"{bus}: SCL (GPIO{scl}) is held low: no clock can be made; power-cycle the chips on it")
    if before[sda].high:
        return 0
    try:
        freed = _clock(run, bus, sda, scl)
    finally:
        with ExitStack() as given_back:  # each, also where another cannot be
            for pin in reversed(before.values()):
                given_back.callback(_set, run, bus, pin.number, pin.function)
    if not freed:
        raise BusFault(f"{bus}: SDA (GPIO{sda}) stays low after {CLOCKS} clocks: power-cycle the chips on it, or look"
                       " for a short to ground")  # fmt: skip
    return freed


def _clock(run: Run, bus: str, sda: int, scl: int) -> int:
    """After how many clocks SDA was let go; 0 where it was not."""
    # open drain: low is driven, high is what the pull-ups make of an input
    _set(run, bus, sda, "ip")
    for number in range(1, CLOCKS + 1):
        _set(run, bus, scl, "op", "dl")
        _set(run, bus, scl, "ip")
        if _look(run, bus, sda).high:
            for pin, how in ((scl, ("op", "dl")), (sda, ("op", "dl")), (scl, ("ip",)), (sda, ("ip",))):
                _set(run, bus, pin, *how)
            return number
    return 0


def _look(run: Run, bus: str, number: int) -> _Pin:
    said = _asked(run, bus, "get", str(number))
    # pinctrl prints, for example: 2: a0 pu, a bar, hi, two slashes, GPIO2 = SDA1
    parts = re.search(rf"^\s*{number}:\s+(\S+).*\|\s*(hi|lo)\b(?:.*=\s*(\S+))?", said, re.MULTILINE)
    if parts is None:
        raise BusUnavailable(f"{bus}: pinctrl says nothing of GPIO{number} that can be understood: {said.strip()!r}")
    return _Pin(number, parts[1], parts[2] == "hi", parts[3] or "")


def _set(run: Run, bus: str, number: int, *how: str) -> None:
    _asked(run, bus, "set", str(number), *how)


def _asked(run: Run, bus: str, *words: str) -> str:
    try:
        return run(["pinctrl", *words])
    except OSError as error:
        raise BusUnavailable(f"{bus}: `pinctrl {' '.join(words)}` does not work here: {error}") from error
