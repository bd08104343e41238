"""Whatever happens in whatever order, with power cuts between, the apps are what a model of thirty lines says."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from edge.apps import NoSuchApp, Reason, Refused, State
from edge.model import Status
from tests.unit.apps.conftest import Gateway, parcel, signed

NAMES = ("a", "b", "c", "d")
TRIAL = 10  # runs, as in the ceiling
names = st.sampled_from(NAMES)


@dataclass
class Model:
    """One name."""

    highest: int = 0
    current: int | None = None
    previous: int | None = None
    trial: int | None = None
    good: int = 0  # runs of the trial, none of which failed
    persistent: bool = False
    left: dict[int, int | None] = field(default_factory=dict)  # runs that a version may still have

    @property
    def serving(self) -> int | None:
        return self.trial or self.current

    def clear(self) -> None:
        self.__dict__.update(vars(Model(highest=self.highest)))

    def install(self, version: int, runs: int | None) -> None:
        self.highest, self.left[version] = version, runs
        if self.current is None:
            self.current = version
        else:
            self.trial, self.good = version, 0

    @property
    def over(self) -> bool:
        return self.serving is not None and not self.persistent and self.left[self.serving] == 0

    def settle(self) -> None:
        """What follows from runs."""
        if self.trial is not None and (self.good >= TRIAL or self.over):
            self.previous, self.current, self.trial = self.current, self.trial, None
        if self.over:
            self.clear()


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.gateway = Gateway()
        self.model = {name: Model() for name in NAMES}

    def there(self) -> int:
        return sum(one.serving is not None for one in self.model.values())

    @rule(name=names, version=st.integers(1, 9), runs=st.sampled_from([None, None, 1, 3, 15]), local=st.booleans())
    def install(self, name: str, version: int, runs: int | None, local: bool) -> None:
        known = self.model[name]
        made = parcel if local else signed
        verdict = self.gateway.apps.install(made(name=name, version=version, life={"runs": runs} if runs else {}))
        if version <= known.highest:
            assert verdict.reason in (Reason.VERSION, Reason.NOT_OWNER)
        elif verdict.accepted:
            known.install(version, runs)
        elif verdict.reason is Reason.APPS:
            assert known.serving is None
            assert self.there() == 3
        else:
            assert verdict.reason is Reason.NOT_OWNER
            assert not local

    @rule(name=names, count=st.integers(1, 12))
    def run(self, name: str, count: int) -> None:
        known = self.model[name]
        for _ in range(count):
            let = self.gateway.run(Status.SUCCESS, name=name)
            assert bool(let) == (known.serving is not None)
            if known.serving is not None:
                left = known.left[known.serving]
                if left is not None and not known.persistent:
                    known.left[known.serving] = left - 1
                known.good += known.trial is not None
                known.settle()

    @rule(name=names)
    def fail_on_trial(self, name: str) -> None:
        known = self.model[name]
        if known.trial is None or known.left[known.trial] is not None:
            return
        while self.gateway.apps.get(name).state is State.TRIAL:
            assert self.gateway.run(Status.FAILURE, name=name) == 1
        version = self.gateway.apps.get(name).version
        assert version in (known.current, known.trial)
        if version == known.trial:
            known.previous, known.current = known.current, known.trial
        known.trial = None
        known.settle()
        self.gateway.apps.tick()

    @rule(name=names)
    def remove(self, name: str) -> None:
        known = self.model[name]
        try:
            self.gateway.apps.remove(name)
            assert known.serving is not None
        except NoSuchApp:
            assert known.serving is None
        known.clear()

    @rule(name=names)
    def rollback(self, name: str) -> None:
        known = self.model[name]
        try:
            self.gateway.apps.rollback(name)
        except NoSuchApp:
            assert known.serving is None
        except Refused:
            assert known.trial is None
            assert known.previous is None
        else:
            if known.trial is not None:
                known.trial = None
            else:
                known.current, known.previous = known.previous, None
            self.gateway.apps.tick()
            known.settle()

    @rule(name=names)
    def promote(self, name: str) -> None:
        known = self.model[name]
        try:
            self.gateway.apps.promote(name, "anna")
            assert known.current is not None
            known.persistent = True
        except (NoSuchApp, Refused):
            assert known.current is None or known.trial is not None

    @rule(seed=st.integers(0, 9))
    def crash(self, seed: int) -> None:
        self.gateway.apps.tick()  # writes the counts that decide something soon
        self.gateway.crash(seed)

    @rule()
    def restart(self) -> None:
        self.gateway.restart()

    @precondition(lambda self: self.there() > 0)
    @rule()
    def expire_everything(self) -> None:
        self.gateway.clock.advance(86_400)
        self.gateway.apps.tick()
        for known in self.model.values():
            if known.trial is not None:
                known.previous, known.current, known.trial = known.current, known.trial, None
            if not known.persistent:
                known.clear()

    @invariant()
    def agrees(self) -> None:
        apps = {app.name: app for app in self.gateway.apps.list()}
        for name, known in self.model.items():
            assert (name in apps) == (known.serving is not None), name
            running = self.gateway.apps.running(name)
            assert (running.version if running is not None else None) == known.serving
            if known.serving is not None:
                app = apps[name]
                assert (app.state is State.TRIAL) == (known.trial is not None)
                assert app.previous == (known.previous if known.trial is None else known.current)
                assert app.persistent == known.persistent
        programs = {(row["name"], row["version"]) for row in self.gateway.journal.table("app_programs").all()}
        kept = {
            (name, version)
            for name, one in self.model.items()
            for version in (one.current, one.previous, one.trial)
            if version is not None
        }
        assert programs == kept


def test_the_apps_are_what_the_model_says() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
