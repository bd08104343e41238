"""Plays a scenario into the simulated world: signals at their times, faults on the wires of the devices they name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from drivers import Driver, SimBus, SimLine, World
from drivers.simulation.series import replay
from drivers.simulation.signals import Signal, constant, diurnal, drift, noise, quantised, ramp, total, walk
from edge.buses import address_of
from edge.config.report import Report
from edge.config.scenario import PlannedFault, Scenario, Shape, read_scenario
from edge.devices import Wiring
from edge.errors import ConfigError
from edge.handles import Handle


class Stage:
    """A scenario on its way. `step` is what the world needs regularly; one owner."""

    def __init__(self, file: str, wiring: Wiring, world: World) -> None:
        """Raises `ConfigError` for a file that changed since the configuration was checked."""
        report = Report(file)
        scenario = read_scenario(file, report)
        if scenario is None:
            raise ConfigError(report.problems)
        self._world = world
        self._wiring = wiring
        self._random = Random(scenario.seed)
        self._begin(scenario)

    def step(self) -> float | None:
        """Let the world be what it is by now; when it changes next (monotonic), None when it does not."""
        self._world.refresh()
        return self._world.deadline

    def _begin(self, scenario: Scenario) -> None:
        world = self._world
        for name, shown in scenario.signals.items():
            world[name] = self._signal(shown)
        for moment, changes in scenario.at.items():
            for name, shown in changes.items():
                world.later(world.began + moment, self._change(name, self._signal(shown)))
        for fault in scenario.faults:
            self._plan(fault)
        for name, rates in scenario.weather.items():
            self._rain(self._wiring.handles[name], rates)
        world.refresh()

    def _rain(self, handle: Handle, rates: Mapping[Any, float]) -> None:
        dice = Random(self._random.random())
        if handle.settings.numbers:
            for pin in handle.settings.numbers.values():
                self._wiring.pin_faults.weather(pin, rates, random=dice)
        elif issubclass(handle.kind, Driver):
            bus, address = self._place(handle)
            bus.faults.weather(address, rates, random=dice)
        else:
            self._line(handle).faults.weather(rates, random=dice)

    def _change(self, name: str, signal: Signal) -> Any:
        return lambda: self._world.__setitem__(name, signal)

    def _plan(self, fault: PlannedFault) -> None:
        handle = self._wiring.handles[fault.device]
        after = self._world.began + fault.at - self._world.now()
        options: Any = {"seconds": fault.for_, "after": after, "by": fault.by}
        if handle.settings.numbers:
            for role, pin in handle.settings.numbers.items():
                if fault.role in (None, role):
                    self._wiring.pin_faults.plan(fault.kind, pin, **options)  # type: ignore[arg-type]
        elif not issubclass(handle.kind, Driver):
            self._line(handle).faults.plan(fault.kind, **options)  # type: ignore[arg-type]
        else:
            bus, address = self._place(handle)
            bus.faults.plan(fault.kind, address, **options)  # type: ignore[arg-type]

    def _line(self, handle: Handle) -> SimLine[Any]:
        line = self._wiring.line(handle)
        assert isinstance(line, SimLine)
        return line

    def _place(self, handle: Handle) -> tuple[SimBus, int]:
        assert issubclass(handle.kind, Driver)
        assert handle.settings.bus is not None
        bus = self._wiring.bus(handle.settings.bus, "sim")
        assert isinstance(bus, SimBus)
        return bus, address_of(handle.settings)

    def _signal(self, shown: Shape) -> Signal:
        if isinstance(shown.value, bool):
            return constant(shown.value)
        began = self._world.began
        parts = [constant(shown.value)]
        if shown.diurnal is not None:
            day = shown.diurnal
            parts.append(diurnal(day.low, day.high, warmest=began + day.warmest, day=day.day))
        if shown.ramp is not None:
            rise = shown.ramp
            parts.append(ramp(rise.first, rise.last, rise.within, begin=began + rise.begin))
        if shown.walk is not None:
            parts.append(self._walk(shown.walk))
        if shown.response is not None:
            to = shown.response
            parts.append(self._world.response(to.to, gain=to.gain, seconds=to.within))
        if shown.replay is not None:
            old = shown.replay
            parts.append(replay(old.series(), begin=began, speed=old.speed, hole=old.hole, holes=old.holes))
        if shown.drift:
            parts.append(drift(shown.drift, begin=began))
        signal = total(*parts)
        if shown.noise:
            signal = noise(signal, shown.noise, Random(self._random.random()))
        return signal if shown.quantum is None else quantised(signal, shown.quantum)

    def _walk(self, settings: Any) -> Signal:
        low = -math.inf if settings.low is None else settings.low
        high = math.inf if settings.high is None else settings.high
        began, dice = self._world.began, Random(self._random.random())
        path = walk(settings.start, settings.stride, dice, every=settings.every, low=low, high=high)
        return lambda now: path(now - began)
