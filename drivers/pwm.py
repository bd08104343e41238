"""Pulses on a header pin: made by lgpio's own thread, or shown by a mock pin. `drivers.gpio` opens both.

Not through gpiozero's `PWMOutputDevice`: over lgpio it cuts the duty cycle to whole per cent (gpiozero #1209), which
leaves a servo six positions. Here lgpio gets the fraction; its steps are microseconds.

A software clock makes the pulses, so they jitter by tens of microseconds and cost two wake-ups a period: fans, LEDs,
buzzers and small servos are content with it. What it cannot do is 25 kHz.
"""

from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from drivers.errors import BadPin, OutOfRange, PinUnavailable

LOWEST: Final = 0.1
HIGHEST: Final = 10_000.0
"""What lgpio makes, Hz."""


def possible(number: int, hertz: float) -> float:
    """The frequency, or `BadPin` where a pin cannot pulse so."""
    if not LOWEST <= hertz <= HIGHEST:
        raise BadPin(
            f"GPIO{number} cannot pulse at {hertz:g} Hz: software makes {LOWEST:g} to {HIGHEST:g} Hz, and a PCA9685"
            " 24 to 1526 Hz"
        )
    return hertz


class Pulses(Protocol):
    """What makes the pulses of one pin."""

    def show(self, frequency: float, duty: float) -> None:
        """Pulse so (Hz, share), or hold the level where the share is 0 or 1."""

    def release(self) -> None:
        """Make the pin an input and give it back."""


class LgpioPulses:
    """Pulses by lgpio's thread on one line of a gpiochip."""

    def __init__(self, lgpio: Any, handle: int, line: int, *, level: bool) -> None:
        """Claims the line, driving `level`. Raises what lgpio raises."""
        self._lgpio = lgpio
        self._place = handle, line
        self._running = False
        lgpio.gpio_claim_output(*self._place, int(level))

    def show(self, frequency: float, duty: float) -> None:
        if 0 < duty < 1:
            # a running pulse is replaced at the end of its period
            self._lgpio.tx_pwm(*self._place, frequency, duty * 100)
            self._running = True
            return
        self._stop()
        self._lgpio.gpio_write(*self._place, int(duty))

    def release(self) -> None:
        self._stop()
        self._lgpio.gpio_claim_input(*self._place)
        self._lgpio.gpio_free(*self._place)

    def _stop(self) -> None:
        # lgpio refuses to stop what does not pulse
        if self._running:
            self._lgpio.tx_pwm(*self._place, 0, 0)
            self._running = False


class MockPulses:
    """Pulses that only a gpiozero mock pin (`MockPWMPin`) shows, as its frequency and state."""

    def __init__(self, pin: Any) -> None:
        self._pin = pin
        pin.function = "output"

    def show(self, frequency: float, duty: float) -> None:
        self._pin.frequency = frequency
        self._pin.state = duty

    def release(self) -> None:
        self._pin.close()


class Header(Protocol):
    """What a pulsing pin needs of the header it is on."""

    def translating(self, number: int) -> AbstractContextManager[None]: ...

    def driven(self, number: int, level: float) -> None: ...

    def released(self, pin: Any) -> None: ...


class Pulsing:
    """One open pin that pulses, with the contract of `drivers.base.PwmPin`."""

    def __init__(self, header: Header, number: int, frequency: float, duty: float) -> None:
        """Opens nothing. Raises `BadPin` for a frequency, `OutOfRange` for a share that cannot be made."""
        self.number = number
        self._header = header
        self._pulses: Pulses | None = None
        self._frequency = possible(self.number, frequency)
        self._duty = self._share(duty)

    def begin(self, pulses: Pulses) -> None:
        """Have the pulses made by `pulses`."""
        self._pulses = pulses
        self._show()

    def duty(self, share: float) -> None:
        self._duty = self._share(share)
        self._show()

    def frequency(self, hertz: float) -> None:
        self._frequency = possible(self.number, hertz)
        self._show()

    def close(self) -> None:
        pulses, self._pulses = self._pulses, None
        if pulses is not None:
            try:
                with self._header.translating(self.number):
                    pulses.release()
            finally:
                self._header.released(self)

    def _show(self) -> None:
        with self._header.translating(self.number):
            if self._pulses is None:
                raise PinUnavailable("it is closed")
            self._pulses.show(self._frequency, self._duty)
        self._header.driven(self.number, self._duty)

    def _share(self, share: float) -> float:
        if not 0 <= share <= 1:
            raise OutOfRange(f"GPIO{self.number} is high for 0 to 1 of each period, not {share!r}")
        return share

    def _conflicts_with(self, other: object) -> bool:
        """gpiozero asks this of whoever reserves a pin."""
        return True
