"""How a device is doing, for the log, the metrics and `edge status`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from drivers.errors import DriverError
from edge.clock import Clock
from edge.telemetry import Telemetry

log = logging.getLogger(__name__)

State = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """`since` is wall time; `last_error` stays after recovery, so that a short failure can still be read about."""

    state: State
    since: float
    last_error: str | None


class Health:
    """Written by the thread that talks to the device, read by any. Says a change of state, not every error."""

    def __init__(self, device: str, *, clock: Clock, telemetry: Telemetry) -> None:
        self._device = device
        self._clock = clock
        self._telemetry = telemetry
        self._now = DeviceState(state="degraded", since=clock.wall(), last_error=None)

    @property
    def state(self) -> DeviceState:
        """`degraded` also until the device was heard for the first time."""
        return self._now

    def good(self) -> None:
        """The device answered."""
        if self._now.state != "ok":
            if self._now.last_error is not None:
                log.info("%s is back", self._device, extra={"action": "device_ok", "device": self._device})
            self._become("ok", self._now.last_error)

    def bad(self, error: Exception | SystemExit, state: State) -> None:
        """The device did not; the text of a `DriverError` says what to do about it."""
        expected = isinstance(error, DriverError)
        self.count(error.kind if isinstance(error, DriverError) else "bug")
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        if state != self._now.state or self._now.last_error is None:
            extra = {"action": f"device_{state}", "device": self._device}
            log.warning("%s is %s: %s", self._device, state, text, extra=extra, exc_info=None if expected else error)
        self._become(state, text)

    def count(self, kind: str) -> None:
        """One error of this kind, for the metrics."""
        self._telemetry.counter("edge_driver_read_errors_total", device=self._device, kind=kind).add()

    def _become(self, state: State, error: str | None) -> None:
        since = self._now.since if state == self._now.state else self._clock.wall()
        self._now = DeviceState(state=state, since=since, last_error=error)
