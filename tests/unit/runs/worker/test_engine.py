"""What an author may rely on in a worker: the file that runs inline, its errors, its lines; and all of Python."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import orjson
import pytest

from edge.errors import TaskLoadError
from edge.model import Status
from edge.runs.bridge import Bridge
from edge.runs.context import RunContext
from edge.runs.engine import Engine
from edge.runs.inline import Inline
from edge.runs.run import Cause
from edge.runs.worker import pool
from edge.runs.worker.engine import Worker
from edge.runs.worker.frames import Kind
from edge.runs.worker.session import Session
from edge.telemetry import Histogram
from tests.unit.runs.worker.bench import HEAD, Bench, alive, children, eventually, text
from tests.unit.runs.worker.conftest import Make

SAME = {
    "everything": """
        lamp = ctx.device("lamp")
        lamp.on(); lamp.off(); lamp.set({"level": 3})
        ctx.publish("out", {"t": event.values["t"], "of": ctx.correlation_id})
        ctx.note("hot", t=event.values["t"], when=object)
        ctx.partial("only half")
        ctx.scratch.put("tries", 2)
        ctx.checkpoint([1, 2])
        ctx.memory.append({"t": 1}, ttl=5.0)
        tool = ctx.tool("adder")
        return {
            "kind": event.kind, "topic": event.topic, "payload": (event.payload or b"").hex(), "hops": event.hops,
            "read": lamp.read(), "config": ctx.config, "readings": ctx.readings, "recalled": list(ctx.recalled),
            "resumed": ctx.resumed, "scratch": [ctx.scratch.get("tries"), ctx.scratch.get("none", 5)],
            "memory": [ctx.memory.read(), ctx.memory.search("t", limit=1)],
            "sum": [tool.add(1, 2), tool.add(1, times=4)],
            "in_time": 0 < ctx.remaining() <= 10,
        }
    """,
    "refusals that are caught": """
        from edge.errors import LimitExceeded, ToolError
        seen = []
        for use in (
            lambda: ctx.device("pump"), lambda: ctx.tool("hammer"), lambda: ctx.publish("elsewhere", 1),
            lambda: ctx.tool("adder").add(), lambda: ctx.tool("adder").subtract(1),
            lambda: ctx.device("lamp").set("broken"), lambda: ctx.note("x" * 2000), lambda: ctx.publish("", 1),
        ):
            try:
                use()
            except Exception as error:
                seen.append([type(error).__name__, str(error), getattr(error, "errno", None),
                             isinstance(error, (NotGranted, LimitExceeded, ToolError))])
        return {"seen": seen}
    """,
    "an error of its own": "raise KeyError('boo')",
    "an error of a device": "ctx.device('lamp').set('broken')",
    "an error of a tool": "ctx.tool('adder').add()",
    "a device that says no": "ctx.device('lamp').set('odd')",
    "a grant that is missing": "ctx.device('pump').on()",
    "a result of another type": "return 3",
    "too many calls": "for _ in range(9): ctx.device('lamp').read()",
    "too many publishes": "for _ in range(9): ctx.publish('out', 1)",
    "too many notes": "for _ in range(9): ctx.note('x')",
    "too many steps": "for _ in range(99): ctx.partial('x')",
    "too large a result": "return {'s': 'x' * 2000}",
    "deep recursion": "def deep(n):\n    return deep(n + 1)\nreturn deep(0)",
    "exit": "raise SystemExit(4)",
    "half a character": "raise ValueError('\\ud800')",
    "told to end": "from edge.errors import RunCancelled\nraise RunCancelled('enough')",
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_file_does_the_same_inline_and_in_a_worker(name: str, worker: Worker, tmp_path: Path) -> None:
    limits = {"calls": 8, "publishes": 5, "notes": 5, "steps": 50, "output": 1500}
    seen = []
    engines: list[Engine] = [Inline(), worker]
    for engine in engines:
        bench = Bench(engine, text(SAME[name]), tmp_path, limits)
        ending, run = bench.run(
            {"t": 31.5}, recovered=True, topic="plant/1", payload=b"\x00\xff", correlation_id="c1", hops=2
        )
        published = [(record.topic, orjson.loads(record.body)) for record in run.publishes]
        seen.append((ending, run.notes, run.partial, published, run.usage, run.scratch.get("tries"),
                     bench.lamp.history, bench.memory.values, bench.kept.saved))  # fmt: skip

    assert seen[0] == seen[1]
    assert seen[1][0].status in (Status.PARTIAL if name == "everything" else Status.SUCCESS, *list(Status)[2:])


def test_all_of_python_is_there(worker: Worker, tmp_path: Path) -> None:
    source = """\
import threading
from pydantic import BaseModel
from edge import task

class Base(BaseModel):
    total: int

class Result(Base):
    squares: list[int]

@task
def go(event, ctx) -> Result:
    threads = [threading.Thread(target=ctx.note, args=(str(n),)) for n in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    def squares():
        for n in range(3):
            yield n * n
    return Result(total=sum(squares()), squares=list(squares()))
"""
    ending, run = Bench(worker, source, tmp_path, {}).run()

    assert ending.result == b'{"total":5,"squares":[0,1,4]}'
    assert sorted(note["text"] for note in run.notes) == list("01234567")


def test_numpy_works_and_stays_out_of_the_runtime(worker: Worker, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    body = "return {'mean': float(numpy.arange(10).mean())}"

    ending, _ = Bench(worker, "import numpy\n" + text(body), tmp_path, {"memory": 64_000_000}).run()

    assert ending.result == b'{"mean":4.5}'


def test_the_runtime_does_not_import_the_file(worker: Worker, tmp_path: Path) -> None:
    importers = tmp_path / "importers"
    source = f"import os\nprint(os.getpid(), file=open({str(importers)!r}, 'a'))\n" + text("return {}")

    assert Bench(worker, source, tmp_path, {}).run()[0].result == b"{}"

    pids = importers.read_text().split()
    assert len(pids) == 1
    assert str(os.getpid()) not in pids


@pytest.mark.parametrize("raw", [True, False])
def test_whether_it_wants_raw_payloads_is_known(raw: bool, worker: Worker, tmp_path: Path) -> None:
    source = text("return {}").replace("@task", f"@task(raw={raw})")

    bench = Bench(worker, source, tmp_path, {})

    assert bench.task.program.raw is raw
    assert bench.task.program.file == str(tmp_path / "app.py")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def go(event, ctx): ...\n", "no function is marked @task"),
        ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
        ("def go(:\n", "SyntaxError"),
        (HEAD.replace("dict", "'Missing'") + "    ...\n", "the annotations of go are wrong"),
        ("class Odd: ...\n" + HEAD.replace("dict", "Odd") + "    ...\n", "has no JSON schema"),
        ("raise SystemExit(4)\n", "its process ended with exit code 4, while it loaded"),
        ("import ctypes\nctypes.string_at(0)\n", "killed by signal 11 (SIGSEGV), while it loaded"),
        (
            "import os\nos.closerange(3, 100)\n",
            "exit code 1 (it last printed 'OSError: [Errno 9] Bad file descriptor'), while",
        ),
        (
            "import os\n[os.write(fd, b'x' * 99) for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]\n",
            "did not say that it is ready",
        ),
    ],
)
def test_a_file_that_cannot_be_a_task_is_refused_when_it_is_loaded(
    source: str, says: str, worker: Worker, tmp_path: Path
) -> None:
    with pytest.raises(TaskLoadError) as refused:
        Bench(worker, source, tmp_path, {})

    assert says in str(refused.value)


def test_a_process_is_kept_from_run_to_run_and_replaced_when_it_ends(worker: Worker, tmp_path: Path) -> None:
    source = "import os\nRUNS = []\n" + text(
        "RUNS.append(event.values.get('end'))\nif RUNS[-1]: os._exit(3)\nreturn {'runs': len(RUNS)}"
    )
    bench = Bench(worker, source, tmp_path, {})

    results = [bench.run({"end": end})[0].result for end in (0, 0, 1, 0, 0)]

    assert results == [b'{"runs":1}', b'{"runs":2}', None, b'{"runs":1}', b'{"runs":2}']


def test_what_runs_leave_behind_does_not_add_up(worker: Worker, tmp_path: Path) -> None:
    """A process in which a run's worth of memory is lost is replaced, and no run fails for what others left."""
    source = "KEPT = []\n" + text("KEPT.append('x' * 6_000_000)\nreturn {'kept': len(KEPT)}")
    bench = Bench(worker, source, tmp_path, {"memory": 10_000_000})

    endings = [bench.run()[0] for _ in range(10)]

    assert {ending.status for ending in endings} == {Status.SUCCESS}
    assert {ending.result for ending in endings} <= {b'{"kept":1}', b'{"kept":2}'}


@pytest.mark.parametrize(
    "body",
    [
        "import threading\nthreading.Thread(target=threading.Event().wait).start()",
        "import subprocess\nsubprocess.Popen(['sleep', '3600'])",
        "import os\nif os.fork() == 0:\n    while True: pass",
    ],
    ids=["thread", "program", "fork"],
)
def test_nothing_of_a_run_goes_on_after_it(body: str, make: Make, worker: Worker) -> None:
    bench = make(f"if event.values:\n    return {{}}\n{body}\nreturn {{}}")
    [child] = children(worker)

    assert bench.run()[0].status is Status.SUCCESS

    assert eventually(lambda: not alive(child) and len(children(worker)) == 1)
    assert bench.run({"next": True})[0].status is Status.SUCCESS


def test_what_the_file_starts_when_it_is_loaded_stays(worker: Worker, tmp_path: Path) -> None:
    source = (
        "import subprocess, threading\nsubprocess.Popen(['sleep', '3600'])\n"
        "threading.Thread(target=threading.Event().wait).start()\nRUNS = []\n"
    )
    bench = Bench(worker, source + text("RUNS.append(1)\nreturn {'runs': len(RUNS)}"), tmp_path, {})

    assert [bench.run()[0].result for _ in range(3)] == [b'{"runs":1}', b'{"runs":2}', b'{"runs":3}']


def test_a_run_that_forks_has_one_result(make: Make) -> None:
    bench = make("import os\nwho = 'parent' if os.fork() else 'child'\nreturn {'who': who}")

    assert {bench.run()[0].result for _ in range(5)} == {b'{"who":"parent"}'}


def test_what_is_printed_goes_to_the_log_and_no_further_than_it_is_long(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "edge.runs.worker")
    bench = make("import sys\nprint('to be read')\nprint('y' * 5_000_000, file=sys.stderr)\nreturn {}")

    ending, _ = bench.run()

    [record] = [record for record in caplog.records if getattr(record, "action", "") == "task_printed"]
    assert ending.status is Status.SUCCESS
    assert record.getMessage().startswith("to be read\nyyy")
    assert len(record.getMessage()) <= 4000


def test_where_a_library_crashed_is_in_the_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "edge.runs.worker")

    make("import ctypes\nctypes.string_at(0)").run()

    assert "Segmentation fault" in caplog.text
    assert 'app.py", line 8 in go' in caplog.text


def test_a_context_does_not_outlive_its_run(worker: Worker, tmp_path: Path) -> None:
    source = "KEPT = []\n" + text("KEPT.append(ctx)\nKEPT[0].note('again')\nreturn {}")
    bench = Bench(worker, source, tmp_path, {})
    bench.run()

    ending, run = bench.run()

    assert ending.error is not None
    assert "ctx belongs to one run" in ending.error["message"]
    assert run.notes == []


def test_a_run_that_is_cancelled_ends_at_once_and_the_next_is_untouched(make: Make) -> None:
    bench = make("if event.values['wait']: ctx.note('on its way'); sum(range(10**12))\nreturn {}")
    run = bench.made({"wait": True})
    endings = []
    thread = threading.Thread(target=lambda: endings.append(bench.end(run)))
    thread.start()
    assert eventually(lambda: bool(run.notes))

    run.cancelled = True
    run.on_cancel()
    thread.join(20.0)

    [ending] = endings
    assert (ending.status, ending.cause) == (Status.CANCELLED, Cause.FINAL)
    assert ending.error is not None
    assert ending.error["type"] == "RunCancelled"
    run.on_cancel()  # too late: the process serves others
    assert bench.run({"wait": False})[0].status is Status.SUCCESS


def test_runs_at_once_have_processes_of_their_own_and_those_leave_again(tmp_path: Path) -> None:
    worker = Worker(idle=0.05)
    try:
        bench = Bench(worker, text("ctx.note('here')\nwhile not ctx.scratch.get('go'): pass\nreturn {}"), tmp_path, {})
        runs = [bench.made() for _ in range(3)]
        threads = [threading.Thread(target=bench.end, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        assert eventually(lambda: all(run.notes for run in runs))
        assert len(children(worker)) == 3

        for run in runs:
            run.scratch.put("go", True)
        for thread in threads:
            thread.join()

        assert eventually(lambda: len(children(worker)) == 1)
        assert bench.end(_gone_on(bench)).status is Status.SUCCESS
    finally:
        worker.close()


def _gone_on(bench: Bench):  # type: ignore[no-untyped-def]
    run = bench.made()
    run.scratch.put("go", True)
    return run


def test_a_run_that_came_before_its_process_was_ready_leaves_it_the_time_to_load(
    worker: Worker, tmp_path: Path
) -> None:
    """Else a file that takes longer to load than its limit of time would never be loaded again."""
    slow = tmp_path / "slow"
    source = f"import os, time\nif os.path.exists({str(slow)!r}): time.sleep(0.5)\n" + text(
        "if event.values: os._exit(1)\nreturn {}"
    )
    bench = Bench(worker, source, tmp_path, {"time": 0.2})
    slow.touch()
    bench.run({"end": True})

    assert bench.run()[0].status is Status.TIMEOUT
    assert eventually(lambda: bench.run()[0].status is Status.SUCCESS)


def test_a_file_that_never_loads_is_refused(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOADING", 0.2)

    with pytest.raises(TaskLoadError, match=r"did not load within 0\.2 s"):
        Bench(worker, "while True: pass", tmp_path, {})

    assert eventually(lambda: not children(worker))


def test_a_file_that_became_wrong_fails_the_runs_that_need_it_and_is_tried_again(
    worker: Worker, tmp_path: Path
) -> None:
    source = text("import os\nif event.values: os._exit(1)\nreturn {}")
    bench = Bench(worker, source, tmp_path, {})
    (tmp_path / "app.py").write_text("half a f")
    bench.run({"end": True})

    ending, _ = bench.run()
    (tmp_path / "app.py").write_text(source)

    assert ending.error is not None
    assert ending.error["type"] == "TaskLoadError"
    assert eventually(lambda: bench.run()[0].status is Status.SUCCESS)


def test_what_is_large_goes_through(worker: Worker, tmp_path: Path) -> None:
    body = "return {'sizes': [len(event.payload), len(event.values['t']), len(ctx.scratch.get('none', 'z' * 200_000))]}"
    bench = Bench(worker, text(body), tmp_path, {})

    ending, _ = bench.run({"t": "y" * 300_000}, payload=b"x" * 1_000_000)

    assert ending.result == b'{"sizes":[1000000,300000,200000]}'


def test_a_limit_of_years_is_a_limit(make: Make) -> None:
    assert make("return {'remaining': ctx.remaining() > 1e9}", time=3e9).run()[0].result == b'{"remaining":true}'


def test_a_run_that_met_a_process_on_its_way_out_has_not_begun(make: Make) -> None:
    """It is sent to another one: nothing of it has happened yet."""

    class Leaving:
        last = False

        def send(self, kind: Kind, body: bytes, until: float) -> None:
            """Nobody reads it."""

        def next(self, room: object, until: float) -> tuple[Kind, bytes]:
            return Kind.LEFT, b""

    bench = make("return {}")
    run = bench.made()

    assert Session(Leaving(), run, Bridge(RunContext(run, bench.around)), 0.0).run(b"{}") is None  # type: ignore[arg-type]


def test_memory_is_taken_from_workers_first_and_crashes_leave_no_core_file(make: Make) -> None:
    body = "import resource\nreturn {'oom': int(open('/proc/self/oom_score_adj').read()), " \
           "'core': resource.getrlimit(resource.RLIMIT_CORE)}"  # fmt: skip

    assert make(body).run()[0].result == b'{"oom":500,"core":[0,0]}'


def test_how_long_runs_waited_for_a_process_is_measured(tmp_path: Path) -> None:
    cold = Histogram()
    worker = Worker(cold=cold)
    try:
        bench = Bench(worker, text("if event.values: import os; os._exit(1)\nreturn {}"), tmp_path, {})
        bench.run()
        assert sum(cold.counts) == 0

        bench.run({"end": True})
        bench.run()
        bench.run()

        assert sum(cold.counts) == 1
        assert cold.total > 0
    finally:
        worker.close()


def test_a_task_without_a_process_is_told_and_gets_one_with_its_next_run(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise BlockingIOError(11, "no more processes")

    bench = Bench(worker, text("if event.values: import os; os._exit(1)\nreturn {}"), tmp_path, {})
    with monkeypatch.context() as patch:
        patch.setattr(worker._forks, "child", refuse)
        bench.run({"end": True})
        ending, _ = bench.run()

        assert "no more processes" in worker.degraded
        assert ending.cause is Cause.TRANSIENT

    assert bench.run()[0].status is Status.SUCCESS
    assert worker.degraded == ""


def test_without_pidfd_the_task_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "pidfd_open")

    with pytest.raises(TaskLoadError, match=r"Linux 5\.3"):
        Bench(Worker(), text("return {}"), tmp_path, {})
