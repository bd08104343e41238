"""Apps in a runtime that runs: what came for them is vetted here, and what they became is started and stopped there.

Invariants
- Nothing is vetted, loaded or written by the thread that leads: it only puts a task that is ready, or drops one.
- What runs follows `Apps.running`: every change is looked at after it, and an errand that a later change has overtaken
  does nothing.
- A message is settled when its answer, yes or no, is durable. A disk that refuses leaves it unsettled.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from edge.apphost.desk import AppDesk
from edge.apphost.life import AppLife
from edge.apphost.mailbox import Mailbox
from edge.apphost.opening import open_apps
from edge.apps import Action, Apps, NoSuchApp, Reason, Refused, Running, State, unpack
from edge.clock import Clock
from edge.config import Config
from edge.errors import TaskLoadError
from edge.ingest.mqtt import Arrival
from edge.journal import Journal, JournalError
from edge.pipeline import Pipeline
from edge.roster import Roster
from edge.runs.engine import Engine
from edge.runs.load import Task, ready
from edge.runs.sandbox.engine import Sandbox
from edge.runs.stores import Stores
from edge.runs.surroundings import Surroundings
from edge.telemetry import Telemetry
from edge.traffic import Traffic

log = logging.getLogger(__name__)

_EVERY = 10.0  # seconds between two looks at lives and trials
_PATIENCE = 10.0  # seconds that a command waits for the lead to follow
_SOON = 1.0  # after a run of an app, and between two tries where the disk refuses
_STRANGERS = 64  # names of no app that the state topics tell a refusal of: anybody can make names up
_TOLD = (Action.REFUSE, Action.WAIT, Action.ROLLBACK, Action.END)


class Gateway(Protocol):
    """What the apps need of the runtime it runs in."""

    config: Config
    clock: Clock
    telemetry: Telemetry
    journal: Journal
    traffic: Traffic
    pipeline: Pipeline
    roster: Roster
    around: Surroundings
    stores: Stores
    engines: dict[str, Engine]

    def let_run(self, answered: threading.Event, timeout: float) -> None:
        """Wait until `answered`, or for `timeout` seconds."""
        ...


class AppHost:
    """One part of the runtime, with a thread of its own that vets and loads. `deliver` is the link's thread's,
    `load_installed` and `close` are its builder's, the rest any thread's."""

    name = "apps"

    def __init__(self, host: Gateway) -> None:
        self.start: Callable[[], None] = lambda: None
        self.broken: dict[str, str] = {}
        """App -> why it cannot be loaded here although it is installed."""
        self._host = host
        self._clock = host.clock
        self._mailbox = Mailbox(host.telemetry)
        self._stale: deque[tuple[str, Callable[[], None]]] = deque()
        self._dropped: deque[str] = deque()
        self._stirred = threading.Event()
        self._opening = threading.Lock()
        self._apps: Apps | None = None
        self._next = math.inf  # when lives and trials are looked at
        self._again = -math.inf  # when a disk that refused is tried once more
        self._told: set[str] = set()
        self.desk = AppDesk(host.config.edge.id, lambda: self.apps, follow=self._followed, broken=self.broken)

    @property
    def apps(self) -> Apps:
        """Opened when first needed: a gateway without apps pays nothing for them. Raises JournalError."""
        with self._opening:
            if self._apps is None:
                host = self._host
                self._apps = open_apps(
                    host.config,
                    host.journal,
                    self._sandbox,
                    clock=host.clock,
                    telemetry=host.telemetry,
                    forget=self._empty,
                    tools={name: tool.safe_by_default for name, tool in host.around.tools.items()},
                    readings=host.around.readings,
                    changed=self._changed,
                )
                self._next = self._clock.monotonic()
            return self._apps

    @property
    def _sandbox(self) -> Sandbox:
        sandbox = self._host.engines[Sandbox.name]
        assert isinstance(sandbox, Sandbox)
        return sandbox

    @property
    def there(self) -> bool:
        """Whether there are apps, or may be."""
        host = self._host
        return self._apps is not None or host.config.on_the_fly is not None or "apps" in host.journal.store.tables

    # -- the life of the runtime ----------------------------------------------------------------------------------

    def load_installed(self) -> None:
        """Before anybody leads: what is installed runs. One that cannot be loaded is said in the status."""
        if not self.there:
            return
        for app in self.apps.list():
            running = self.apps.running(app.name)
            task = None if running is None else self._load(running)
            if task is not None:
                self._host.roster.put(task)
            self._show(app.name)

    def deliver(self, name: str, arrival: Arrival) -> None:
        """What came over MQTT for an app. Never waits."""
        self._mailbox.put(name, arrival)
        self.wake()

    def wake(self) -> None:
        self._stirred.set()

    def turn(self, *, block: bool) -> float:
        self._stirred.clear()
        due = self._work()
        if block:
            self._stirred.wait(min(due, _SOON))
        return due

    def close(self) -> None:
        """Write counts down; before the journal closes."""
        if self._apps is not None:
            self._apps.close()

    # -- the part's own thread ------------------------------------------------------------------------------------

    def _work(self) -> float:
        now = self._clock.monotonic()
        if now < self._again:
            return self._again - now
        try:
            if (first := self._mailbox.first()) is not None:
                self._vet(*first)
                self._mailbox.done()
            if self._next <= now:
                self._next = now + _EVERY
                self.apps.tick()
            while self._dropped:
                self._forget(self._dropped[0])
                self._dropped.popleft()
        except JournalError as error:
            log.error("apps wait for the disk: %s", error, extra={"action": "apps_wait"})
            self._again = now + _SOON
            return _SOON
        while self._stale:
            self._follow(*self._stale.popleft())
        return 0.0 if self._mailbox.first() is not None else max(0.0, self._next - self._clock.monotonic())

    def _vet(self, name: str, arrival: Arrival) -> None:
        message = arrival.message
        if message.retain:
            self.apps.refuse(name, Reason.RETAINED, "retained messages are not read: send it again without retain")
        elif arrival.fault is not None:
            self.apps.refuse(name, Reason.TOO_LARGE, str(arrival.fault))
        elif not message.payload or (message.dup and self._done(name, message.payload)):
            return  # how a retained message is taken back; or it was installed, and the answer did not get through
        else:
            self._receive(name, message.payload)
        self._show(name)

    def _receive(self, name: str, payload: bytes) -> None:
        try:
            verdict = self.apps.receive(name, payload)
        except JournalError:
            raise
        except Exception as error:  # the message would come again, and end the gateway again
            log.exception("app %s could not be judged", name, extra={"action": "app_refused", "app": name})
            self.apps.refuse(name, Reason.SOURCE, f"it could not be judged ({type(error).__name__}); the log says more")
            return
        if verdict.accepted:
            state, text = verdict.state, verdict.message or f"version {verdict.version}"
            log.info("app %s %s: %s", name, state, text, extra={"action": "app_installed", "app": name})
            return
        count = self._host.telemetry.counter("edge_apps_rejected_total", reason=str(verdict.reason)).value
        if not count & (count - 1):  # the 1st, 2nd, 4th, 8th ...: a flood of messages is not a flood of lines
            text = "app %s refused (%s, %d so far): %s"
            extra = {"action": "app_refused", "app": name}
            log.warning(text, name, verdict.reason, count, verdict.message, extra=extra)

    def _done(self, name: str, payload: bytes) -> bool:
        ceiling = self._host.config.on_the_fly
        try:
            return ceiling is not None and unpack(payload, ceiling.source).manifest == self.apps.manifest(name)
        except (Refused, NoSuchApp):
            return False

    def _follow(self, name: str, done: Callable[[], None]) -> None:
        """Have the lead do what a change means."""
        running = self.apps.running(name)
        task = None if running is None else self._load(running)
        why = "" if task is not None else self._why(name)

        def errand() -> None:
            if self.apps.running(name) is running:  # else another change follows
                if task is not None:
                    self._host.roster.put(task)
                elif name in self._host.roster.tasks:
                    self._host.roster.drop(name, why)
                    self._dropped.append(name)
                    self.wake()
            done()

        self._host.pipeline.soon(errand)
        self._show(name)

    def _forget(self, name: str) -> None:
        """What an app remembered goes with it; one that is only held keeps it."""
        try:
            self.apps.get(name)
        except NoSuchApp:
            self._empty(name)

    def _empty(self, name: str) -> None:
        self._host.stores.memories.forget(name)

    def _load(self, running: Running) -> Task | None:
        engine = self._sandbox
        try:
            program = engine.load_source(running.name, running.source, running.settings, running.output)
            task = ready(running.name, running.settings, engine, program, AppLife(self.apps, running, self._ran))
        except TaskLoadError as error:
            self.broken[running.name] = str(error)
            log.error("app %s cannot run: %s", running.name, error, extra={"action": "app_broken"})
            return None
        except Exception as error:  # installed by another version, or our own fault: no reason to stop the others
            self.broken[running.name] = f"it cannot be loaded ({type(error).__name__}); the log says more"
            log.exception("app %s cannot run", running.name, extra={"action": "app_broken"})
            return None
        self.broken.pop(running.name, None)
        return task

    def _why(self, name: str) -> str:
        last = next(iter(self.apps.audit(1, name)), None)
        if name in self.broken or last is None:
            return f"the app {name} cannot run here any more"
        said = f": {last.message}" if last.message else ""
        return f"the app {name} does not run any more ({last.action.value} by {last.by}{said})"

    # -- told by others -------------------------------------------------------------------------------------------

    def _changed(self, name: str) -> None:
        self._stale.append((name, lambda: None))
        self.wake()

    def _ran(self) -> None:
        self._next = min(self._next, self._clock.monotonic() + _SOON)
        self.wake()

    def _followed(self, name: str) -> None:
        """Wait until what runs has followed the last change of an app."""
        done = threading.Event()
        self._stale.append((name, done.set))
        self.wake()
        self._host.let_run(done, _PATIENCE)

    def standing(self) -> Iterator[dict[str, Any]]:
        """Every app as a part of the gateway: name, kind, state, since, last_error."""
        for app in self.apps.list() if self.there else ():
            error = app.held or self.broken.get(app.name) or None
            state = "degraded" if error else "waiting" if app.state is State.WAITING else "ok"
            yield {"name": app.name, "kind": "app", "state": state, "since": app.installed, "last_error": error}

    # -- what is shown --------------------------------------------------------------------------------------------

    def _show(self, name: str) -> None:
        """The state topic: what runs, and why the last thing that happened was not what somebody wanted."""
        last = next(iter(self.apps.audit(1, name)), None)
        reason = "" if last is None or last.action not in _TOLD else last.message
        try:
            app = self.apps.get(name)
        except NoSuchApp:
            if name not in self._told and len(self._told) >= _STRANGERS:
                return
            state = "refused" if last is None or last.action is Action.REFUSE else "gone"
            standing: dict[str, Any] = {"version": None, "state": state, "reason": reason}
        else:
            held = app.held or self.broken.get(name, "")
            state = "held" if held else app.state.value
            standing = {"version": app.version, "state": state, "reason": held or reason}
        self._told.add(name)
        self._host.traffic.show_app(name, standing)
