"""Whatever happens in whatever order, the promises hold: Hypothesis plays broker, network, disk, power and scheduler.

Between two of its moves every part of the runtime takes single turns, in an order that no thread would choose.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.model import Outcome
from edge.testing.files import PowerCut
from edge.testing.harness import Harness
from tests.laws import balanced, lawful

STEPS = st.sampled_from(["mqtt", "mqtt", "lead", "lead", "lead", "journal", "up-default"])
CONFIG = Path(__file__).parent / "plant" / "edge.yaml"


class AnyOrder(RuleBasedStateMachine):
    """One gateway, the broker before it, the upstream behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = Harness(CONFIG)
        self.counted = 0  # messages with a number of their own
        self.same = 0  # messages that are all equal

    # -- the world ----------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def somebody_counts(self, count: int) -> None:
        for _ in range(count):
            self.edge.broker.publish("plant/count", b'{"n": %d}' % self.counted)
            self.counted += 1

    @rule(count=st.integers(1, 3))
    def somebody_says_the_same_again(self, count: int) -> None:
        for _ in range(count):
            self.edge.broker.publish("plant/same", b"1")
        self.same += count

    @rule(seconds=st.sampled_from([0.5, 1.5, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.edge.clock.advance(seconds)

    @rule(up=st.booleans(), what=st.sampled_from(["broker", "upstream"]))
    def a_broker_comes_or_goes(self, up: bool, what: str) -> None:
        getattr(self.edge, what).online = up

    @rule(hung=st.booleans(), what=st.sampled_from(["broker", "upstream"]))
    def a_broker_hangs_or_goes_on(self, hung: bool, what: str) -> None:
        getattr(self.edge, what).hung = hung

    @rule(what=st.sampled_from(["broker", "upstream"]))
    def a_connection_breaks(self, what: str) -> None:
        getattr(self.edge, what).cut()

    @rule(code=st.sampled_from([0x97, 0x87]), times=st.integers(1, 3))
    def the_upstream_says_not_now(self, code: int, times: int) -> None:
        self.edge.upstream.refuse("#", code, "not now", times=times)

    # -- the runtime --------------------------------------------------------------------------------------------------

    @rule(steps=st.lists(STEPS, min_size=1, max_size=12))
    def its_parts_take_turns(self, steps: list[str]) -> None:
        runtime = self.edge.runtime
        for step in steps:
            if step == "journal":
                runtime.journal.commit()
            elif step == "lead":
                runtime.pipeline.step()
            else:
                next(part for part in runtime.parts if part.name == step).turn(block=False)

    @rule()
    def everything_happens_that_is_due(self) -> None:
        self.edge.pump()

    @rule(power=st.booleans(), at=st.none() | st.integers(0, 12), again=st.none() | st.integers(0, 6))
    def it_crashes(self, power: bool, at: int | None, again: int | None) -> None:
        """Now, or at the `at`th change of a file from now; and once more while it recovers."""
        edge = self.edge
        if at is not None:
            edge.files.cut_at = edge.files.steps + at
            self._until_the_power_goes(edge.pump)
        edge.crash(power=power)
        if again is not None:
            edge.files.cut_at = edge.files.steps + again
            if self._until_the_power_goes(edge.restart):
                edge.crash(power=power)
                edge.restart()
            edge.files.cut_at = None
        else:
            edge.restart()

    @rule()
    def it_is_stopped_and_started(self) -> None:
        self.edge.restart()

    def _until_the_power_goes(self, act: Any) -> bool:
        try:
            act()
        except PowerCut:
            return True
        return False

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def conservation_holds(self) -> None:
        assert balanced(self.edge.journal.stats())
        assert lawful(self.edge.runtime.tally.data())

    def teardown(self) -> None:
        """All is well again, and then all of it must be there."""
        edge = self.edge
        for broker in (edge.broker, edge.upstream):
            broker.online, broker.hung = True, False
        edge.advance("20m")
        outcomes, received = edge.outcomes, edge.upstream.received
        edge.close()

        assert {outcome.id for outcome in outcomes} == {outcome.id for outcome in received}
        assert len(outcomes) == len({outcome.id for outcome in outcomes})
        for task in ("at_once", "promised"):
            assert numbers(outcomes, task) == list(range(self.counted)), "each once, in order"
        assert Counter(outcome.task for outcome in outcomes)["same"] == self.same
        echoed = [int(message.payload) for message in edge.broker.messages if message.topic == "plant/echoed"]
        assert set(echoed) == set(range(self.counted))
        stats = edge.journal.stats()
        assert (stats["unfinished"], stats["upstreams"]["default"]["pending"]) == (0, 0)


def numbers(outcomes: list[Outcome], task: str) -> list[int]:
    return [outcome.result for outcome in outcomes if outcome.task == task]


AnyOrder.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase
