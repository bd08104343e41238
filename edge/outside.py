"""The seams below the runtime, real ones here: everything else is the same code on a Pi, a laptop and in CI."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers import World
from drivers.bus import SMBusBus
from drivers.gpio import pin_factory
from drivers.wires.sysfs import SysfsTree
from drivers.wires.uart import SerialPort
from edge.clock import Clock, SystemClock
from edge.config.models import Broker
from edge.devices import Wires
from edge.journal import DiskFiles, Files
from edge.links.backoff import Backoff
from edge.links.calendar import Calendar, Report, Schedule
from edge.links.caller import Caller, Reach
from edge.links.link import Link, Will
from edge.links.mqtt import MqttLink
from edge.links.resolver import Spawn
from edge.runs.tables import Table
from edge.runs.tools.build import Bodies, OpenBody


class OpenLink(Protocol):
    """Make the link to a broker; it connects when it is driven."""

    def __call__(
        self,
        settings: Broker,
        *,
        client_id: str,
        will: Will | None = None,
        keep_session: bool = True,
        receive_maximum: int = 1000,
    ) -> Link: ...


@dataclass(frozen=True, slots=True)
class Dialler:
    """`OpenLink` to real brokers. `backoff` makes the pauses of one link."""

    clock: Clock
    backoff: Callable[[], Backoff]

    def __call__(
        self,
        settings: Broker,
        *,
        client_id: str,
        will: Will | None = None,
        keep_session: bool = True,
        receive_maximum: int = 1000,
    ) -> MqttLink:
        return MqttLink(
            settings,
            client_id=client_id,
            clock=self.clock,
            backoff=self.backoff(),
            will=will,
            keep_session=keep_session,
            receive_maximum=receive_maximum,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a runtime is given of the world."""

    clock: Clock
    random: random.Random
    files: Files
    wires: Wires
    open_link: OpenLink
    open_calendar: Callable[[Report], Schedule]
    tools: Callable[[Callable[[str], Table], Spawn], OpenBody]
    """What stands behind tools: given the journal's tables and what starts a thread, a body for each."""

    @classmethod
    def real(cls, world: World | None = None) -> Outside:
        """This machine. `world` is what simulated devices show, where the configuration has any."""
        clock = SystemClock()
        # For ids and back-offs, never for secrets; seeded by the system, so that no two gateways draw the same.
        dice = random.Random(random.SystemRandom().getrandbits(256))

        never = threading.Event()

        def wait(seconds: float) -> None:
            never.wait(seconds)

        dial, reach = Dialler(clock, lambda: Backoff(dice)), Reach()

        return cls(
            clock=clock,
            random=dice,
            files=DiskFiles(),
            wires=Wires(
                open_bus=lambda name: SMBusBus(name, wait=wait),
                open_pins=lambda: pin_factory("real", now=clock.monotonic, wait=wait),
                open_sim_pins=lambda: pin_factory("sim", now=clock.monotonic, wait=wait),
                open_tree=lambda: SysfsTree(wait=wait),
                open_serial=lambda port, baud: SerialPort(port, baud, wait=wait),
                world=World(clock.monotonic) if world is None else world,
                wait=wait,
                open_post=lambda settings, name: Caller(
                    dial(settings, client_id=name, keep_session=False), clock, reach
                ),
            ),
            open_link=dial,
            open_calendar=lambda report: Calendar(clock=clock, report=report),
            tools=lambda table, spawn: Bodies(clock=clock, table=table, spawn=spawn),
        )
