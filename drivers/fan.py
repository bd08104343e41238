"""A fan whose speed is set by pulses, and the tachometer wire that tells how fast it really turns.

The pulses are made by software (`drivers.pwm`), at 100 Hz unless `frequency` says otherwise: right for a two- or
three-wire fan behind a MOSFET. A four-wire fan expects 25 kHz on its control wire, which software cannot make; many
follow 100 Hz all the same, some hum or run at full speed - try 1000 Hz, or a PCA9685 at 1526 Hz.

A fan needs more to start than to go on, and below some duty it only hums: `minimum` is the least it is given, and
`kick_start` how long it is given everything when it starts. The tachometer pulls its wire low twice a revolution (that
is `pulses`); a reading counts them for half a second, so the device has a thread of its own.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from drivers.base import InputPin, Output, PartOnPins, Pins, PwmPin, Reading, Seconds, Value
from drivers.errors import NotStarted, OutOfRange
from drivers.pwm import possible
from drivers.sim import SimPart, SimPins
from drivers.values import percent

GATE = 0.5  # seconds


class Fan(PartOnPins, Output):
    """Blocking: `kick_start` when it starts from standstill, half a second a reading with a tachometer.

    minimum     per cent; what is above nothing and below this becomes this
    active_high False where a transistor turns the control wire round
    pulses      of the tachometer, a revolution; where it has a pin `tach` there is a channel `rpm`
    """

    own_wire = True
    channels: ClassVar[Mapping[str, str]] = {"duty": "%", "rpm": "rpm"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"rpm": (0.0, 30_000.0)}
    roles = ("pwm",)
    optional_roles = ("tach",)

    def __init__(
        self,
        pins: Pins,
        numbers: Mapping[str, int],
        *,
        frequency: float = 100.0,
        minimum: float = 0.0,
        kick_start: Seconds = Seconds(0.0),  # noqa: B008 - a NewType's value is a float
        active_high: bool = True,
        pulses: int = 2,
        safe: float | bool | Literal["on", "off"] = "off",
    ) -> None:
        super().__init__(pins, numbers)
        if not 1 <= pulses <= 12:
            raise OutOfRange(f"a tachometer gives 1 to 12 pulses a revolution, not {pulses}")
        self.frequency = possible(self.numbers["pwm"], frequency)
        self.minimum = percent(minimum, "minimum")
        self.kick_start = kick_start
        self.active_high = active_high
        self.pulses = pulses
        self.safe = safe
        self._rest = self._raised(percent(safe, "safe"))
        self._duty = self._rest
        self._pin: PwmPin | None = None
        self._tach: InputPin | None = None
        self._seen: list[float] = []

    @classmethod
    def channels_of(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return cls.channels if "tach" in (options.get("pins") or {}) else {"duty": "%"}

    def start(self) -> None:
        """Open its pins, the fan in its safe state. Raises `PinError`."""
        if self._pin is None:
            self._duty = self._rest
            self._pin = self.pins.pwm(
                self.numbers["pwm"], frequency=self.frequency, duty=_share(self._rest, self.active_high)
            )
        if self._tach is None and "tach" in self.numbers:
            self._tach = self.pins.input(self.numbers["tach"], pull="up")
            self._tach.watch(self._count)

    def read(self) -> Reading:
        """The duty it is given, and the revolutions counted meanwhile."""
        self._started()
        if self._tach is None:
            return self.reading(duty=self._duty)
        self._seen.clear()
        self.pins.wait(GATE)
        times = list(self._seen)
        passed = max(times, default=0.0) - min(times, default=0.0)
        per_second = (len(times) - 1) / passed if passed else 0.0
        return self.reading(duty=self._duty, rpm=60 * per_second / self.pulses)

    def set(self, value: Value) -> None:
        """Per cent of full speed, "on" or "off"."""
        pin, wanted = self._started(), self._raised(percent(value, "a fan"))
        if wanted and not self._duty and self.kick_start:
            pin.duty(_share(100.0, self.active_high))
            self.pins.wait(self.kick_start)
        pin.duty(_share(wanted, self.active_high))
        self._duty = wanted

    def close(self) -> None:
        pin, self._pin = self._pin, None
        tach, self._tach = self._tach, None
        if tach is not None:
            tach.close()
        if pin is not None:
            try:
                pin.duty(_share(self._rest, self.active_high))
            finally:
                pin.close()

    def _raised(self, wanted: float) -> float:
        return max(wanted, self.minimum) if wanted else 0.0

    def _count(self, level: bool, at: float) -> None:
        if not level:
            self._seen.append(at)

    def _started(self) -> PwmPin:
        if self._pin is None:
            raise NotStarted(f"the fan on GPIO{self.numbers['pwm']} is not started")
        return self._pin


def _share(duty: float, active_high: bool) -> float:
    return duty / 100 if active_high else 1 - duty / 100


class SimFan(SimPart):
    """`<name>.duty` shows what it is given, per cent, and `<name>.rpm` how fast it turns.

    It turns at `full` rpm with everything, from `begins` per cent on, and not while `<name>.blocked` is true.
    """

    signals = ("blocked",)
    full = 3000.0
    begins = 15.0

    def wire(self, pins: SimPins, device: Fan) -> None:
        control, tach = device.numbers["pwm"], device.numbers.get("tach")
        names = tuple(f"{self.name}.{channel}" for channel in ("duty", "rpm"))

        def duty() -> float:
            if pins.frequency(control) is None:
                return 0.0  # given back: the wiring holds it at rest
            share = pins.duty(control)
            return 100 * (share if device.active_high else 1 - share)

        def rpm() -> float:
            given, blocked = duty(), self.world.sample(f"{self.name}.blocked", default=False)
            return 0.0 if blocked or given < self.begins else self.full * given / 100

        def tell() -> None:
            for name in names:
                self.world.touch(name)

        self.world[names[0]] = lambda _now: duty()
        self.world[names[1]] = lambda _now: rpm()
        pins.follow(control, tell)
        if tach is None:
            return
        told = range(0)
        pins.drive(tach, True)

        def turn(begin: float, end: float) -> None:
            """The wire is low for the second half of each of the rotor's poles; an edge is told once."""
            nonlocal told
            halves = rpm() / 60 * device.pulses * 2  # a second
            now = range(int(begin * halves) + 1, int(end * halves) + 1)
            for number in now:
                if number not in told:
                    pins.drive(tach, number % 2 == 0, number / halves)
            told = now

        pins.passing(turn)


DRIVER, SIM = Fan, SimFan
