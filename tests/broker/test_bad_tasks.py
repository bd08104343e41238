"""Tasks that end badly, a thousand times each: one clear outcome a run, the next run not delayed, the process healthy.

`--bad-runs` and `--hung-runs` set the counts.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.broker.mosquitto import Someone, until
from tests.broker.process import Consumer, EdgeProcess
from tests.laws import lawful

pytestmark = [pytest.mark.broker, pytest.mark.timeout(3600)]

CONFIG = """
    edge: {{id: pi}}
    mqtt:
      broker: {incoming}
      subscribe:
        fine: {{topic: plant/fine}}
        raises: {{topic: plant/raises}}
        wrong: {{topic: plant/wrong}}
        greedy: {{topic: plant/greedy}}
        hangs: {{topic: plant/hangs}}
    tasks:
      fine: {{run: "./tasks.py:fine", when: {{source: fine}}}}
      raises: {{run: "./tasks.py:raises", when: {{source: raises}}}}
      wrong: {{run: "./tasks.py:wrong", when: {{source: wrong}}}}
      greedy: {{run: "./tasks.py:greedy", when: {{source: greedy}}}}
      hangs:
        run: "./tasks.py:hangs"
        when: {{source: hangs}}
        mode: parallel
        limits: {{time: {patience}}}
    journal: {{path: ./journal}}
    upstream: {{kind: mqtt, broker: "{upstream}", batch: 100}}
"""
TASKS = """
    import threading

    @task
    def fine(event: Event, ctx: Context) -> int:
        return event.values["n"]

    @task
    def raises(event: Event, ctx: Context) -> int:
        return 1 // 0

    @task
    def wrong(event: Event, ctx: Context) -> int:
        return "seven"

    @task
    def greedy(event: Event, ctx: Context) -> int:
        ctx.publish("plant/fan", 1)
        return 1

    @task
    def hangs(event: Event, ctx: Context) -> int:
        threading.Event().wait()
        return 1
"""
BAD = {"raises": "ZeroDivisionError", "wrong": "ValueError", "greedy": "NotGranted"}
STUCK = 4  # runs that do not return, after which the runtime asks to be restarted


class Site:
    """Two brokers, a runtime with tasks good and bad, and someone who starts them."""

    def __init__(self, start_mosquitto, edge_process, patience: str) -> None:
        incoming, upstream = start_mosquitto(), start_mosquitto()
        config = CONFIG.format(incoming=incoming.url, upstream=upstream.url, patience=patience)
        self.edge: EdgeProcess = edge_process(config, TASKS)
        self.consumer = Consumer(upstream.port)
        self.edge.start()
        until(lambda: "Sending SUBACK to edge-pi" in incoming.log)
        self.someone = Someone(incoming.port)

    def say(self, task: str, *numbers: int) -> None:
        self.someone.say(f"plant/{task}", *[b'{"n": %d}' % number for number in numbers])

    def leave(self) -> None:
        self.someone.leave()
        self.consumer.leave()


@pytest.fixture
def site(start_mosquitto, edge_process):
    made = []

    def make(patience: str = "10s") -> Site:
        made.append(Site(start_mosquitto, edge_process, patience))
        return made[-1]

    yield make
    for one in made:
        one.leave()


def resources(process: EdgeProcess) -> tuple[int, int, int]:
    """Memory in kB, threads and open files of the process, as the kernel counts them."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    memory, threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))
    return memory, threads, len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_a_thousand_failures_of_each_kind_are_a_thousand_clear_outcomes_of_a_healthy_process(site, pytestconfig):
    count = pytestconfig.getoption("bad_runs")
    site = site()
    for task in ("fine", *BAD):
        site.say(task, *range(100))  # what is made once is made now
    until(lambda: len(site.consumer.envelopes) == 400, 60)
    before = resources(site.edge)
    for number in range(100, 100 + count):
        for task in (*BAD, "fine"):
            site.someone.client.publish(f"plant/{task}", b'{"n": %d}' % number, 1)
    until(lambda: len(site.consumer.envelopes) == 400 + 4 * count, 120, every=0.1)
    site.edge.until_delivered()

    for task, error in BAD.items():
        outcomes = site.consumer.outcomes(task)
        assert [outcome["event"]["values"]["n"] for outcome in outcomes] == list(range(100 + count))
        assert {(outcome["status"], outcome["error"]["type"]) for outcome in outcomes} == {("failure", error)}
        assert all("tasks.py" in outcome["error"]["where"] for outcome in outcomes)
    assert [outcome["result"] for outcome in site.consumer.outcomes("fine")] == list(range(100 + count))
    events = site.edge.events
    assert events["received"] == events["matched"] == 400 + 4 * count
    assert lawful(events)
    assert site.edge.ask("status")["degraded"] == []
    after = resources(site.edge)  # a leak would be of thousands; whoever asks it something costs it a file or two
    assert all(now < then + more for now, then, more in zip(after, before, (20_000, 10, 10), strict=True))
    assert "error" not in site.edge.log
    assert site.edge.stop() == 0


def test_the_next_runs_do_not_wait_for_one_that_hangs(site):
    site = site(patience="10m")
    site.say("hangs", *range(STUCK - 1))
    until(lambda: site.edge.events["received"] == STUCK - 1)
    site.say("fine", *range(50))
    site.say("raises", 1)
    until(lambda: len(site.consumer.envelopes) == 51)

    assert site.consumer.outcomes("hangs") == []
    assert [outcome["result"] for outcome in site.consumer.outcomes("fine")] == list(range(50))


def test_runs_that_hang_are_one_timeout_each_through_all_the_restarts_they_cost(site, pytestconfig):
    count = pytestconfig.getoption("hung_runs")
    site = site(patience="200ms")
    site.say("hangs", *range(count))
    site.say("fine", *range(count))
    codes = Counter()
    for _ in range(count // STUCK):  # as systemd would
        codes[site.edge.wait()] += 1
        site.edge.start()
    until(lambda: len(site.consumer.envelopes) == 2 * count, 60)
    site.edge.until_delivered()
    hung = site.consumer.outcomes("hangs")

    assert codes == {3: count // STUCK}
    assert sorted(outcome["event"]["values"]["n"] for outcome in hung) == list(range(count))
    assert {(outcome["status"], outcome["error"]["type"]) for outcome in hung} == {("timeout", "RunTimeout")}
    assert {outcome["status"] for outcome in site.consumer.outcomes("fine")} == {"success"}
    assert len(site.consumer.outcomes("fine")) == count
    assert "every slot is taken by a stuck thread" in site.edge.log
    assert site.edge.stop() == 0
    assert site.edge.stats_on_disk()["unfinished"] == 0
