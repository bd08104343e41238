"""Whatever the code does: one explained outcome in time, a runtime that neither hangs nor grows, and a next run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.clock import SystemClock
from edge.runs.worker.engine import Worker
from tests.unit.runs.worker.bench import Bench, alive, children, descriptors, eventually, resident, text
from tests.unit.runs.worker.conftest import Make

SHORT, LONG = 0.1, 20.0  # seconds, for what only time ends, and for what something else must end
MEMORY, GROWTH = 20_000_000, 32_000_000
MACHINE = 5.0  # seconds a busy machine may add; a hang is for ever


class Attack(NamedTuple):
    """`status` of the outcome, and a word of its error."""

    name: str
    body: str
    status: str
    says: str


ATTACKS = [
    Attack("endless loop", "while True: pass", "timeout", "limits.time of 0.1 s"),
    Attack("loop that catches everything",
           "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
           "timeout", "limits.time"),
    Attack("loop that ignores signals",
           "import signal\nfor number in range(1, 32):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
           "    except OSError:\n        pass\nwhile True: pass", "timeout", "limits.time"),
    Attack("loop in C that holds the GIL", "return {'n': sum(range(10**12))}", "timeout", "limits.time"),
    Attack("power that holds the GIL", "return {'n': 10**10**8 % 7}", "*", "limits."),
    Attack("regex that backtracks", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", "timeout", "limits.time"),
    Attack("sleep", "import time\ntime.sleep(3600)", "timeout", "limits.time"),
    Attack("lock", "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", "timeout",
           "limits.time"),
    Attack("stop", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "timeout", "limits.time"),
    Attack("giant list", "x = [0] * 10**9", "failure", "limits.memory is 20000000"),
    Attack("growing list", "x = []\nwhile True: x.append('y' * 100_000)", "failure", "limits.memory"),
    Attack("growing globals", "globals()['x'] = []\nwhile True: globals()['x'].append('y' * 100_000)",
           "failure", "limits.memory"),
    Attack("memory error that is caught",
           "while True:\n    try:\n        x = [0] * 10**9\n    except MemoryError:\n        pass",
           "timeout", "limits.time"),
    Attack("threads without end", "import threading, time\nwhile True:\n"
           "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "failure", "thread"),
    Attack("deep recursion", "def f(n):\n    return f(n + 1)\nf(0)", "failure", "RecursionError"),
    Attack("deep recursion in C", "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**5): x = [x]\n"
           "repr(x)", "*", ""),
    Attack("segmentation fault", "import ctypes\nctypes.string_at(0)", "failure", "signal 11 (SIGSEGV)"),
    Attack("abort", "import os\nos.abort()", "failure", "signal 6 (SIGABRT)"),
    Attack("kill", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "failure", "signal 9 (SIGKILL): no mem"),
    Attack("exit without a word", "import os\nos._exit(3)", "failure", "exit code 3"),
    Attack("library that gives up", "import os\nprint('not enough memory, giving up')\nos._exit(1)", "failure",
           "exit code 1 (it last printed 'not enough memory, giving up')"),
    Attack("exit with success", "import os\nos._exit(0)", "failure", "exit code 0"),
    Attack("Ctrl-C of its own", "raise KeyboardInterrupt", "failure", "exit code 1"),
    Attack("exec", "import os\nos.execv('/bin/true', ['true'])", "failure", "exit code 0"),
    Attack("closed descriptors", "import os\nos.closerange(0, 100)\nwhile True: pass", "failure", "closed the conn"),
    Attack("garbage on every descriptor", "import os\nfor fd in range(3, 50):\n    try:\n"
           "        os.write(fd, b'garbage' * 99)\n    except OSError:\n        pass\nreturn {}", "failure",
           "no answer"),
    Attack("print flood", "while True: print('x' * 1000)", "timeout", "limits.time"),
    Attack("giant print", "print('x' * 10**6)\nreturn {}", "success", ""),
    Attack("bytes that are no text", "import os\nos.write(1, bytes(range(256)) * 100)\nreturn {}", "success", ""),
    Attack("closed output", "import os, sys\nsys.stdout.close()\nos.close(2)\nreturn {}", "success", ""),
    Attack("giant result", "return {'s': 'x' * 10**6}", "failure", "limits.output is 64000"),
    Attack("circular result", "x = {}\nx['x'] = x\nreturn x", "failure", ""),
    Attack("giant error", "raise ValueError('x' * 10**6)", "failure", "ValueError"),
    Attack("error that cannot be shown", "class Odd(Exception):\n    def __str__(self): raise OSError\nraise Odd",
           "failure", "__str__ raised OSError"),
    Attack("call flood", "while True: ctx.partial('x')", "failure", "limits.steps"),
    Attack("call flood that is caught", "while True:\n    try:\n        ctx.partial('x')\n    except Exception:\n"
           "        pass", "timeout", "limits.time"),
    Attack("giant call", "ctx.publish('out', 'x' * 10**6)", "failure", "at most 256000"),
    Attack("call too large to be read", "ctx.publish('out', 'x' * 1_200_000)", "failure", "at most 1100000"),
    Attack("threads that go on", "import threading\ndef spin():\n    while True: pass\n"
           "threading.Thread(target=spin).start()\nreturn {}", "success", ""),
    Attack("child that holds every descriptor", "import os, time\nif os.fork() == 0:\n    time.sleep(3600)\n"
           "os._exit(7)", "failure", "exit code 7"),
    Attack("child that prints", "import os\nif os.fork() == 0:\n    while True: print('x' * 1000)\nreturn {}",
           "success", ""),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_ends_as_one_explained_outcome_and_the_next_run_is_fine(attack: Attack, make: Make) -> None:
    body = f"if event.values:\n    return {{'fine': True}}\n{textwrap.dedent(attack.body)}"
    limit = LONG if attack.status in ("failure", "success") else SHORT
    bench = make(body, time=limit, memory=MEMORY, steps=100)
    before, clock = resident(), SystemClock()
    began = clock.monotonic()

    ending, _ = bench.run()

    assert clock.monotonic() - began < SHORT + MACHINE
    assert resident() - before < GROWTH
    assert attack.status in ("*", ending.status.value), ending
    if ending.error is not None:
        assert ending.error["message"]
        assert len(str(ending.error)) < 3000
        assert attack.says in f"{ending.error['type']}: {ending.error['message']}", ending
    assert eventually(lambda: bench.run({"fine": True})[0].result == b'{"fine":true}')


@pytest.mark.parametrize(
    "body", ["return {}", "import os\nos._exit(1)", "return {'s': 'x' * 10**6}"], ids=["fine", "crash", "refused"]
)
def test_200_runs_leave_no_descriptor_and_no_zombie(body: str, make: Make, worker: Worker) -> None:
    bench = make(body)
    bench.run()
    before = descriptors()

    for _ in range(200):
        bench.run()

    assert eventually(lambda: len(children(worker)) == 1)
    assert descriptors() == before


def test_2000_runs_take_no_more_memory_than_a_few(make: Make, worker: Worker) -> None:
    bench = make("ctx.note('x')\nreturn {'n': list(range(100))}")
    for _ in range(50):
        bench.run()
    [child] = children(worker)
    before = resident(), resident(child)

    for _ in range(2000):
        bench.run()

    assert children(worker) == {child}
    assert resident() - before[0] < 4_000_000
    assert resident(child) - before[1] < 4_000_000


def test_what_a_run_starts_ends_with_its_process(make: Make, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    bench = make(f"import os, pathlib, subprocess\nchild = subprocess.Popen(['sleep', '3600'])\n"
                 f"pathlib.Path({str(pid)!r}).write_text(str(child.pid))\nwhile True: pass", time=0.5)  # fmt: skip

    bench.run()

    assert eventually(lambda: not alive(int(pid.read_text())))


def test_a_limit_is_what_one_run_may_allocate_besides_what_the_file_takes(worker: Worker, tmp_path: Path) -> None:
    source = "LOADED = 'x' * 50_000_000\n" + text("return {'n': len('x' * event.values['n'])}")
    bench = Bench(worker, source, tmp_path, {"memory": MEMORY})

    def outcome(size: int) -> Any:
        ending, _ = bench.run({"n": size})
        return ending.result or (ending.error or {})["type"]

    assert [outcome(size) for size in (15_000_000, 25_000_000, 15_000_000)] == [
        b'{"n":15000000}', "LimitExceeded", b'{"n":15000000}'
    ]  # fmt: skip
