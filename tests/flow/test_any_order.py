"""Whatever happens in whatever order, the promises hold: dice play broker, network, disk, power and scheduler.

Between two moves of the world every part of the runtime takes single turns, in an order that no threads would choose.
A failure names its seed and every move: `play(SEED)` repeats it.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge.journal import JournalError
from edge.pipeline import Pipeline
from edge.runs.crew import HandedOver
from edge.testing.files import PowerCut
from edge.testing.harness import Harness
from tests.laws import balanced, lawful

CONFIG = Path(__file__).parent / "plant" / "edge.yaml"
MOVES = 60
DEEP = 3  # slow runs inside each other


class Play:
    """One gateway, the broker before it and the upstream behind it, all in the hands of one die."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.edge = Harness(CONFIG, seed=seed)
        self.counted = 0  # messages with a number of their own
        self.same = 0  # messages that are all equal
        self.power = self.dice.random() < 0.5  # crashes are power cuts; else the process is killed
        self.moves: list[str] = []
        self.led: list[Pipeline] = []
        self.depth = 0
        self._let_the_lead_move()
        self._moves: dict[Callable[[], object], int] = {
            self.parts_take_turns: 14,
            self.somebody_counts: 4,
            self.somebody_says_the_same_again: 2,
            self.time_passes: 2,
            self.a_connection_breaks: 2,
            self.the_power_goes: 2,
            self.a_broker_comes_or_goes: 1,
            self.a_broker_hangs_or_goes_on: 1,
            self.the_upstream_says_not_now: 1,
            self.the_disk_fails_once: 1,
            self.it_is_stopped_and_started: 1,
            self.all_that_is_due_happens: 1,
        }

    def move(self) -> None:
        [move] = self.dice.choices(list(self._moves), list(self._moves.values()))
        self.moves.append(move.__name__)  # type: ignore[attr-defined]
        move()
        assert balanced(self.edge.journal.stats())
        assert lawful(self.edge.runtime.tally.data())
        self.recount()
        self._let_the_lead_move()

    def recount(self) -> None:
        """What the gates have counted is what there is."""
        pipeline = self.edge.runtime.pipeline
        gates, beside = pipeline._gates, pipeline._background
        going_on = Counter(run.task.name for run in beside._going_on)
        assert {name: gate.running for name, gate in gates.items() if gate.running} == going_on
        assert gates.promised == sum(len(gate.pending) for gate in gates.values())
        for gate in gates.values():
            pending = set(gate.pending.values())
            assert gate.retrying | {run for *_, run in gate.waiting.runs} <= pending
            assert not any(run.over for run in pending)

    # -- runs that leave the lead -------------------------------------------------------------------------------------

    def _let_the_lead_move(self) -> None:
        """As the crew does: whose lead was taken away unwinds, and another leads."""
        pipeline = self.edge.runtime.pipeline
        slow = self.edge.runtime.roster.tasks["slow"].program.entry
        slow.__globals__["MEANWHILE"][0] = self.meanwhile
        if pipeline in self.led:
            return
        self.led = [pipeline]
        step = pipeline.step

        def lead() -> bool:
            try:
                return step()
            except HandedOver:
                return True

        pipeline.step = lead  # type: ignore[method-assign]
        pipeline.promote = lambda: None

    def meanwhile(self) -> None:
        """In the middle of a run: the lead moves on, and the world goes on, in the end past the run's time."""
        if self.edge.runtime.pipeline not in self.led or self.depth == DEEP or self.dice.random() < 0.3:
            return
        if self.edge.files.cut_at is not None:
            return  # a task would catch the power cut, which ends everything else
        self.depth += 1
        try:
            self.edge.clock.advance(0.1)
            self.edge.runtime.pipeline.watch()
            for _ in range(self.dice.randint(0, 3)):
                self.dice.choice([self.parts_take_turns, self.time_passes])()
                self.edge.runtime.pipeline.watch()
        finally:
            self.depth -= 1

    # -- the world ----------------------------------------------------------------------------------------------------

    def somebody_counts(self) -> None:
        for _ in range(self.dice.randint(1, 5)):
            self.edge.broker.publish("plant/count", b'{"n": %d}' % self.counted)
            self.counted += 1

    def somebody_says_the_same_again(self) -> None:
        self.edge.broker.publish("plant/same", b"1")
        self.same += 1

    def time_passes(self) -> None:
        self.edge.clock.advance(self.dice.choice([0.5, 1.5, 50.0]))

    def a_broker_comes_or_goes(self) -> None:
        self._a_broker().online = self.dice.random() < 0.7

    def a_broker_hangs_or_goes_on(self) -> None:
        self._a_broker().hung = self.dice.random() < 0.4

    def a_connection_breaks(self) -> None:
        self._a_broker().cut()

    def the_upstream_says_not_now(self) -> None:
        code = self.dice.choice([0x97, 0x87])  # quota exceeded, not authorised
        self.edge.upstream.refuse("#", code, "not now", times=self.dice.randint(1, 3))

    def the_disk_fails_once(self) -> None:
        self.edge.files.fail(self.dice.choice(["write", "sync"]), errno.EIO)

    def _a_broker(self):
        return self.dice.choice([self.edge.broker, self.edge.upstream])

    # -- the runtime --------------------------------------------------------------------------------------------------

    def parts_take_turns(self) -> None:
        """Each does what its thread would; what the disk refuses, the journal's thread tries again later."""
        runtime = self.edge.runtime
        links = {part.name: part for part in runtime.parts}
        for _ in range(self.dice.randint(1, 10)):
            step = self.dice.choice(["mqtt", "mqtt", "lead", "lead", "lead", "journal", "up-default"])
            self.moves.append(step)
            if step == "journal":
                with suppress(JournalError):
                    runtime.journal.commit()
            elif step == "lead":
                runtime.pipeline.step()
            else:
                links[step].turn(block=False)

    def all_that_is_due_happens(self) -> None:
        self.edge.files.faults.clear()
        self.edge.pump()

    def it_is_stopped_and_started(self) -> None:
        self.edge.files.faults.clear()
        self.edge.restart()

    def the_power_goes(self) -> None:
        """Or the process is killed: now, or at a change of a file soon; sometimes once more while it recovers."""
        edge, power = self.edge, self.power
        edge.files.faults.clear()
        if self.dice.random() < 0.4:
            self._cut(edge.pump, self.dice.randint(0, 12))
        edge.crash(power=power)
        if self.dice.random() < 0.3 and self._cut(edge.restart, self.dice.randint(0, 6)):
            edge.crash(power=power)
        edge.restart()

    def _cut(self, act: Callable[[], object], changes: int) -> bool:
        """Whether the power went while `act` changed so many files."""
        files = self.edge.files
        files.cut_at = files.steps + changes
        try:
            act()
        except PowerCut:
            return True
        files.cut_at = None
        return False

    # -- the end ------------------------------------------------------------------------------------------------------

    def end_well(self) -> None:
        """Everything works again, and everything must have arrived."""
        edge = self.edge
        edge.files.faults.clear()
        for broker in (edge.broker, edge.upstream):
            broker.online, broker.hung = True, False
        edge.advance("20m")
        self.recount()
        assert edge.runtime.pipeline._gates.promised == 0
        outcomes, stats = edge.outcomes, edge.journal.stats()
        edge.close()

        assert {outcome.id for outcome in outcomes} == {outcome.id for outcome in edge.upstream.received}
        assert len(outcomes) == len({outcome.id for outcome in outcomes})
        for task in ("at_once", "promised", "retried"):
            results = [outcome.result for outcome in outcomes if outcome.task == task]
            if self.power:  # of what was being written it may keep the later and lose the earlier, which comes again
                results.sort()
            assert results == list(range(self.counted)), f"{task}: each once, in order, not {results}"
        for task in ("newest", "slow", "remembers", "once"):
            ends = [outcome for outcome in outcomes if outcome.task == task]
            assert len(ends) == self.counted, f"{task}: an outcome for each"
        assert Counter(outcome.task for outcome in outcomes)["same"] == self.same
        echoed = {int(message.payload) for message in edge.broker.messages if message.topic == "plant/echoed"}
        assert echoed == set(range(self.counted))
        assert (stats["unfinished"], stats["upstreams"]["default"]["pending"]) == (0, 0)


def play(seed: int, moves: int = MOVES) -> None:
    game = Play(seed)
    try:
        for _ in range(moves):
            game.move()
        game.end_well()
    except (Exception, AssertionError) as error:
        raise AssertionError(f"seed {seed}: {', '.join(game.moves)}") from error


@pytest.mark.parametrize("block", range(4))
def test_every_message_has_one_outcome_id_in_order_whatever_happens(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        play(seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_holds_for_hundreds_of_longer_histories() -> None:
    for seed in range(1_000, 1_300):
        play(seed, 2 * MOVES)
