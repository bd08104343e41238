"""The course of the demo: a day passes, the upstream goes away and comes back, everything comes to rest.

    start | day: link up ... upstream away ... link up | rest: nothing new happens, what is left is delivered | summary

No step depends on how fast the machine is: a slow one shows fewer pictures and takes longer to come to rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from edge.cli.exits import DEGRADED, Stop
from edge.demo.picture import View, take_picture
from edge.demo.stage import Stage
from edge.demo.summary import Summary, sum_up
from edge.links.embedded import NoBroker

AWAY = (0.37, 0.65)  # when the upstream is away, in parts of a day
REST = 6.0  # seconds of the demo's length that are meant for coming to rest
LEAST = 10.0
_TICK = 0.1
_PICTURES = 0.25
_CONNECT, _DRAIN = 30.0, 45.0  # at most
_QUIET = 1.5  # seconds without anything new, longer than any reading or `for` of the greenhouse is under way


class Play:
    """Runs on one thread. `stopped` is asked every tick until it says True, which ends the day."""

    def __init__(
        self, stage: Stage, view: View, *, day: float, keep_running: bool, stopped: Callable[[], bool]
    ) -> None:
        self._stage = stage
        self._view = view
        self._day = day
        self._keep_running = keep_running
        self._stopped = stopped
        self._over = False
        self._now = stage.clock.monotonic
        self._begin = self._now()
        self._drawn = -_PICTURES
        self._caption = "starting"
        self._backlogs = deque([0], maxlen=400)
        self._longest = 0

    def run(self) -> Summary:
        """All of it. Raises Stop when the runtime failed, NoBroker when the upstream cannot be given back."""
        self._stage.start()
        self._pass_until(lambda: self._stage.ready or self._ends(), _CONNECT)
        self._stage.pump.runs = True
        begin = self._now()
        while not self._ends():
            part = (self._now() - begin) / self._day
            if part >= 1 and not self._keep_running:
                break
            self._switch_upstream(away=AWAY[0] <= part % 1 < AWAY[1])
            self._tick()
        self._rest()
        return self._sum_up()

    def _ends(self) -> bool:
        self._over = self._over or self._stopped()
        return self._over

    def _switch_upstream(self, *, away: bool) -> None:
        stage = self._stage
        if away:
            self._caption = "the upstream is away: outcomes wait in the journal"
            if stage.upstream.running:
                stage.take_away()
            return
        if not stage.upstream.running:
            self._give_back()
        drains = stage.backlog > 0 and self._caption != _UP
        self._caption = "the upstream is back: the backlog is delivered" if drains else _UP

    def _give_back(self) -> None:
        try:
            self._stage.give_back()
        except NoBroker as error:  # somebody has taken its port meanwhile, perhaps not for long
            self._caption = f"the upstream cannot come back yet: {error}"

    def _rest(self) -> None:
        """Nothing new happens any more; wait until what happened has arrived."""
        stage = self._stage
        self._caption = "the day is over: what is left is delivered"
        stage.pump.runs = False
        stage.greenhouse.rest()
        stage.give_back()
        self._pass_until(lambda: False, _QUIET)
        self._pass_until(lambda: stage.settled, _DRAIN)

    def _pass_until(self, reached: Callable[[], bool], seconds: float) -> None:
        end = self._now() + seconds
        while not reached() and self._now() < end:
            self._tick()

    def _tick(self) -> None:
        stage = self._stage
        stage.step(_TICK)
        if stage.runtime.wait(0.0):
            raise Stop(f"the runtime failed: {stage.runtime.failed}", DEGRADED)
        if stage.station.failed is not None:
            raise Stop(f"the receiver failed: {stage.station.failed}", DEGRADED)
        self._longest = max(self._longest, stage.backlog)
        second = self._now() - self._begin
        if second - self._drawn >= _PICTURES:
            self._drawn = second
            self._backlogs.append(stage.backlog)
            picture = take_picture(
                stage, second=second, caption=self._caption, backlogs=self._backlogs, longest=self._longest
            )
            self._view.show(picture)

    def _sum_up(self) -> Summary:
        stage = self._stage
        runs: dict[str, int] = {}
        for labels, count in stage.runtime.telemetry.counts("edge_runs_total").items():
            if count:
                status = dict(labels)["status"]
                runs[status] = runs.get(status, 0) + count
        return sum_up(
            stats=stage.runtime.desk.journal_stats(),
            runs=runs,
            received=stage.receiver.total,
            seconds=self._now() - self._begin,
            broker=stage.upstream.product,
            longest_backlog=self._longest,
            notices=len(stage.pump.notices),
        )


_UP = "the upstream is there: outcomes leave as they come"
