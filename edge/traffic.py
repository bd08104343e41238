"""Everything that goes over brokers: the `mqtt:` link with ingest, live state and publishes, and the upstreams.

A link's thread drives what lives on it, so nothing here needs a lock: other threads only `wake`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from edge.apps import heaviest
from edge.config.models import Config, Mqtt, MqttUpstream
from edge.errors import EdgeError, PayloadError
from edge.ids import Minter
from edge.ingest.inbox import Inbox
from edge.ingest.mail import Mail
from edge.ingest.mqtt import APPS, Arrival, Door, MqttSource
from edge.ingest.state import LiveState
from edge.journal import PUBLISHES, Journal
from edge.links.backoff import Backoff
from edge.links.calendar import Schedule
from edge.links.link import Will
from edge.outside import Outside
from edge.parts import LinkPart
from edge.runs.load import Task
from edge.sync.couriers import OutcomeCourier, PublishCourier
from edge.sync.sync import Sync
from edge.telemetry import Telemetry

_SAFETY_NET = 60.0  # seconds: however a wake-up was lost, a backlog is looked at this often


class UnknownUpstream(EdgeError, KeyError):
    """No upstream of that name is configured."""

    def __str__(self) -> str:
        return str(self.args[0])


class Output(Protocol):
    """What a remote command may set."""

    def set(self, value: Any) -> None: ...


class Traffic:
    """Links and what lives on them. `parts` are driven by threads or tests; everything else by any thread."""

    def __init__(
        self,
        config: Config,
        outside: Outside,
        *,
        journal: Journal,
        inbox: Inbox,
        minter: Minter,
        tasks: Mapping[str, Task],
        outputs: Mapping[str, Output],
        mail: Mail,
        telemetry: Telemetry,
        install: Callable[[str, Arrival], None],
    ) -> None:
        """`install` takes what comes for apps, where edge.yaml lets it come: see `edge.ingest.mqtt.Door`."""
        self._config = config
        self._outside = outside
        self._journal = journal
        self._telemetry = telemetry
        self._outputs = outputs
        self._mail = mail
        self._install = install
        self._state: LiveState | None = None
        self.source: MqttSource | None = None
        self.syncs: dict[str, Sync] = {}
        self.parts: list[LinkPart] = []
        if config.mqtt is not None:
            self.parts.append(self._local(config.mqtt, inbox, minter, tasks))
        for name, settings in config.upstream.items():
            self.parts.append(self._upstream(name, settings))

    def _local(self, settings: Mqtt, inbox: Inbox, minter: Minter, tasks: Mapping[str, Task]) -> LinkPart:
        edge_id, clock, journal = self._config.edge.id, self._outside.clock, self._journal
        link = self._outside.open_link(
            settings,
            client_id=f"edge-{edge_id}",
            will=Will(f"edge/{edge_id}/status"),
            receive_maximum=settings.receive_maximum,
        )
        self.source = source = MqttSource(
            link,
            settings,
            edge_id=edge_id,
            offer=inbox.offer,
            push=inbox.push,
            crowded=lambda: inbox.crowded,
            clock=clock,
            minter=minter,
            deliveries=journal.deliveries(link.client_id),
            forget=lambda: journal.forget_deliveries(link.client_id),
            raw={
                task.settings.when.source for task in tasks.values() if task.program.raw and task.settings.when.source
            },
            commands=self._remote(),
            command=self._command,
            devices=self._mail.topics,
            door=self._door(),
        )
        link.listen(self._mail.connected, self._mail.disconnected)  # after ingest, which subscribes first
        self._mail.commands.attach(link)
        self._state = state = LiveState(link, edge_id)
        publishes = self._sync(PUBLISHES, PublishCourier(link))
        return LinkPart("mqtt", link, [self._mail.commands.step, source.step, state.step, publishes.step])

    def _upstream(self, name: str, settings: MqttUpstream) -> LinkPart:
        # Nothing for the broker to remember: what it did not acknowledge is in the journal.
        client_id = f"edge-{self._config.edge.id}-up-{name}"
        link = self._outside.open_link(settings, client_id=client_id, keep_session=False)
        courier = OutcomeCourier(link, settings.topic, window=settings.window, batch=settings.batch)
        return LinkPart(f"up-{name}", link, [self._sync(name, courier, settings.every).step])

    def _sync(self, name: str, courier: OutcomeCourier | PublishCourier, every: float | None = None) -> Sync:
        sync = self.syncs[name] = Sync(
            name,
            self._journal,
            courier,
            clock=self._outside.clock,
            backoff=Backoff(self._outside.random),
            telemetry=self._telemetry,
            every=every,
        )
        return sync

    def _door(self) -> Door | None:
        ceiling = self._config.on_the_fly
        return Door(self._install, heaviest(ceiling.source)) if ceiling is not None and ceiling.remote else None

    def _remote(self) -> set[str]:
        return {name for name, settings in self._config.devices.items() if settings.remote_set}

    def _command(self, device: str, channel: str, value: object) -> None:
        try:
            self._outputs[device].set(value)
        except Exception as error:  # whatever the device says, it is the command that was wrong
            raise PayloadError("command_refused", f"{device}/{channel}/set: {error}") from error

    def plan(self, calendar: Schedule) -> None:
        """The scheduler's safety net: look at every backlog now and then, however quiet it is."""
        for name, sync in self.syncs.items():
            calendar.every(f"sync {name}", _SAFETY_NET, sync.wake)

    def wake(self) -> None:
        """Something became durable."""
        for part in self.parts:
            part.wake()

    def show(self, device: str, values: Mapping[str, float | bool]) -> None:
        """A device's live values, for the state topics."""
        if self._state is not None:
            for channel, value in values.items():
                self._state.set(device, channel, value)

    def show_app(self, name: str, standing: Mapping[str, Any]) -> None:
        """How an app stands, for its state topic."""
        if self._state is not None and self._door() is not None:
            self._state.set(APPS, name, standing)

    def sync(self, action: str, upstream: str | None = None) -> list[dict[str, Any]]:
        """`status`, `now`, `pause` or `resume` of one upstream or all; afterwards the state of each."""
        chosen = [sync for name, sync in self.syncs.items() if name != PUBLISHES]
        if upstream is not None:
            chosen = [self._find(upstream)]
        act: dict[str, Callable[[Sync], None]] = {
            "status": lambda sync: None,
            "now": Sync.now,
            "pause": Sync.pause,
            "resume": Sync.resume,
        }
        for sync in chosen:
            act[action](sync)
        return [asdict(sync.report()) for sync in chosen]

    def _find(self, name: str) -> Sync:
        if name in self._config.upstream:
            return self.syncs[name]
        near = difflib.get_close_matches(name, self._config.upstream, n=1)
        known = ", ".join(self._config.upstream) or "none"
        raise UnknownUpstream(
            f"no upstream {name!r}; {f'did you mean {near[0]!r}?' if near else f'configured: {known}'}"
        )

    def drain(self) -> None:
        """Take no more messages in; acknowledgements and deliveries go on."""
        self._mail.drain()
        if self.source is not None:
            self.source.drain()

    def degraded(self) -> dict[str, str]:
        """Sources that the broker does not deliver and topics that it does not take, with the reason."""
        sources = {} if self.source is None else self.source.degraded
        return {**sources, **({} if self._state is None else self._state.refused)}

    def close(self) -> None:
        """Acknowledge what is durable, and say goodbye on every link; idempotent. After their threads have ended."""
        if self.source is not None:
            self.source.step()  # what was settled since the link's last turn would only come again
        for part in self.parts:
            part.link.close()
