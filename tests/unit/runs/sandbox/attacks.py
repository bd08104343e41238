"""Sources that try to hang, to flood, to grow or to get out; and what the one outcome says of each."""

from __future__ import annotations

import textwrap
from typing import NamedTuple


class Attack(NamedTuple):
    """`body` is the task's; `status` and a word of the error's type or message, or of the result."""

    name: str
    body: str
    status: str
    says: str


HANGS = [
    Attack("endless loop", "while True: pass", "timeout", "limits.time"),
    Attack("loop that catches everything", "while True:\n    try:\n        while True: pass\n"
           "    except BaseException:\n        pass", "timeout", "limits.time"),
    Attack("loop in finally", "try:\n    while True: pass\nfinally:\n    while True: pass", "timeout", "limits.time"),
    Attack("errors for ever", "while True:\n    try:\n        raise ValueError('x')\n    except Exception:\n"
           "        pass", "timeout", "limits.time"),
    Attack("regex that backtracks", "import re\nreturn {'m': bool(re.match(r'(a+)+$', 'a' * 40 + 'b'))}", "*", ""),
    Attack("regex with back reference", "import re\nreturn {'m': bool(re.match(r'(a*)*\\1$', 'a' * 40 + 'b'))}",
           "*", ""),
    Attack("sleep", "import time\ntime.sleep(3600)", "failure", "cannot sleep"),
    Attack("key derivation", "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**9)", "*", ""),
    Attack("long range", "return {'n': sum(range(10**12))}", "timeout", "limits.time"),
    Attack("endless iterator", "import itertools\nreturn {'n': list(itertools.count())[0]}", "*", ""),
    Attack("eval of a loop", "exec('while True: pass')", "timeout", "limits.time"),
]  # fmt: skip
GROWS = [
    Attack("giant list", "x = [0] * 10**9", "failure", "limits.memory"),
    Attack("growing list", "x = []\nwhile True: x.append('y' * 1000)", "failure", "limits.memory"),
    Attack("doubling text", "x = 'x'\nwhile True: x += x", "failure", "limits.memory"),
    Attack("memory error that is caught", "while True:\n    try:\n        x = [0] * 10**9\n    except BaseException:\n"
           "        pass", "*", "limits."),
    Attack("huge power", "return {'n': 10**10**8}", "failure", "limits.memory"),
    Attack("huge shift", "return {'n': 1 << 10**11}", "failure", "limits.memory"),
    Attack("big integer as result", "return {'n': 10**400}", "failure", "64 bits"),
    Attack("digits of a big integer", "return {'n': len(str(9**99999))}", "failure", "digits"),
    Attack("padding", "return {'s': '{:>9999999999}'.format('x')}", "failure", ""),
    Attack("deep recursion", "def f(n):\n    return f(n + 1)\nf(0)", "failure", "RecursionError"),
    Attack("deep recursion that is caught", "def f():\n    try:\n        f()\n    except BaseException:\n        f()\n"
           "f()", "*", ""),
    Attack("permutations", "import itertools\nx = list(itertools.permutations(range(12)))", "failure", "limits."),
    Attack("dictionary of dictionaries", "x = {}\nwhile True: x = {'a': x, 'b': [0] * 10**5}", "failure", "limits."),
]  # fmt: skip
FLOODS = [
    Attack("print flood", "while True: print('x' * 1000)", "timeout", "limits.time"),
    Attack("one giant print", "print('x' * 10**7)\nreturn {}", "*", ""),
    Attack("giant result", "return {'s': 'x' * 10**6}", "failure", "limits.output"),
    Attack("result that holds itself a billion times", "x = [1]\nfor i in range(30): x = [x, x]\nreturn {'x': x}",
           "failure", "limits.output"),
    Attack("deep result", "x = []\nfor i in range(10000): x = [x]\nreturn {'x': x}", "failure", "deep"),
    Attack("circular result", "x = {}\nx['x'] = x\nreturn x", "*", ""),
    Attack("giant error", "raise ValueError('x' * 10**6)", "failure", "ValueError"),
    Attack("host-call flood", "while True: ctx.remaining()", "failure", "trips"),
    Attack("host-call flood that catches", "while True:\n    try:\n        ctx.publish('secret', 1)\n"
           "    except BaseException:\n        pass", "failure", "trips"),
    Attack("note flood", "while True: ctx.note('x')", "failure", "limits.notes"),
    Attack("publish flood", "while True: ctx.publish('out', 1)", "failure", "limits.publishes"),
    Attack("giant note", "ctx.note('x' * 5000)", "failure", "a note of over"),
    Attack("giant argument", "ctx.publish('out', 'x' * 10**6)", "failure", "go through"),
    Attack("argument that holds itself", "x = [1]\nfor i in range(30): x = [x, x]\nctx.publish('out', x)",
           "*", "limits."),
    Attack("past the classes to the host", "x = [1]\nfor i in range(30): x = [x, x]\n_edge_host('publish', x)",
           "failure", "TypeError"),
]  # fmt: skip
WALKS = [
    Attack("grant that was not given", "ctx.device('pump').on()", "failure", "NotGranted"),
    Attack("another method of the host", "_edge_host('__class__', '[]')", "failure", "no '__class__'"),
    Attack("attributes of the host function", "return {'x': str(_edge_host.__globals__)}", "failure",
           "AttributeError"),
    Attack("to the builtins by a class", "return {'x': str(().__class__.__mro__[1].__subclasses__())}", "failure",
           ""),
    Attack("to the globals by a function", "return {'x': str(run.__globals__)}", "failure", "AttributeError"),
    Attack("to the code", "return {'x': str(run.__code__)}", "failure", "AttributeError"),
    Attack("format string", "return {'x': '{0.__class__.__init__.__globals__}'.format(event)}", "failure", ""),
    Attack("format string of ctx", "return {'x': '{0.device.__func__}'.format(ctx)}", "failure", ""),
    Attack("import of os by name", "return {'x': __import__('os').getcwd()}", "failure", "__import__"),
    Attack("subprocess", "import subprocess", "failure", "subprocess"),
    Attack("socket", "import socket", "failure", "socket"),
    Attack("ctypes", "import ctypes", "failure", "ctypes"),
    Attack("sys.modules", "import sys\nreturn {'x': str(sys.modules)}", "failure", ""),
    Attack("a file", "return {'x': open('/etc/passwd').read()}", "failure", "PermissionError"),
    Attack("environment by file", "return {'x': open('/proc/self/environ').read()}", "failure", "PermissionError"),
    Attack("environment", "import os\nreturn {'x': str(os.environ)}", "failure", ""),
    Attack("environment variable", "import os\nreturn {'x': os.getenv('PATH')}", "failure", ""),
    Attack("folder", "from pathlib import Path\nreturn {'x': [str(p) for p in Path('/').iterdir()]}", "failure", ""),
    Attack("writing a file", "open('/tmp/edge-attack', 'w').write('x')", "failure", "PermissionError"),
    Attack("leaving", "raise SystemExit(3)", "failure", ""),
    Attack("quitting", "import sys\nsys.exit(0)", "failure", ""),
    Attack("odd result", "return {'x': float}", "failure", "not JSON"),
    Attack("not a number", "return {'x': float('nan')}", "failure", "finite"),
    Attack("result of another type", "return 7", "failure", "dict"),
    Attack("keys that are not text", "return {1: 2}", "failure", "keys"),
]  # fmt: skip
ATTACKS = [*HANGS, *GROWS, *FLOODS, *WALKS]


def source(body: str) -> str:
    """A task file with that body."""
    head = "from edge import Context, Event, task\n\n\n@task\ndef run(event: Event, ctx: Context) -> dict:\n"
    return head + textwrap.indent(body, "    ") + "\n"
