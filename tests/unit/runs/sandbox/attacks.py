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
MANY = "from dataclasses import dataclass\n" + "".join(f"@dataclass\nclass C{n}:\n    x: int\n" for n in range(200))
# Which limit a flood reaches first is the machine's speed.
FLOODS = [
    Attack("print flood", "while True: print('x' * 1000)", "timeout", "limits.time"),
    Attack("one giant print", "print('x' * 10**7)\nreturn {}", "*", ""),
    Attack("giant result", "return {'s': 'x' * 10**6}", "failure", "limits.output"),
    Attack("result that holds itself a billion times", "x = [1]\nfor i in range(30): x = [x, x]\nreturn {'x': x}",
           "failure", "limits.output"),
    Attack("result of many classes", MANY + "return {'x': [" + ", ".join(f"C{n}(1)" for n in range(200)) + "]}",
           "failure", "limits.output"),
    Attack("deep result", "x = []\nfor i in range(10000): x = [x]\nreturn {'x': x}", "failure", "deep"),
    Attack("circular result", "x = {}\nx['x'] = x\nreturn x", "*", ""),
    Attack("giant error", "raise ValueError('x' * 10**6)", "failure", "ValueError"),
    Attack("host-call flood", "while True: ctx.remaining()", "*", ""),
    Attack("host-call flood that catches", "while True:\n    try:\n        ctx.publish('secret', 1)\n"
           "    except BaseException:\n        pass", "*", ""),
    Attack("note flood", "while True: ctx.note('x')", "*", ""),
    Attack("publish flood", "while True: ctx.publish('out', 1)", "*", ""),
    Attack("flood of large messages", "for i in range(100): ctx.publish('out', 'x' * 250_000)", "failure",
           "limits.publish_bytes"),
    Attack("topics without end that are refused", "while True:\n    try:\n        ctx.publish('x' * 250_000, 1)\n"
           "    except Exception:\n        pass", "*", ""),
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
DOORS = [
    Attack("tool flood", "while True: ctx.tool('shelf').get('a')", "*", ""),
    Attack("tool flood that catches", "while True:\n    try:\n        ctx.tool('shelf').put('a', 1)\n"
           "    except BaseException:\n        pass", "*", ""),
    Attack("memory flood", "while True: ctx.memory.append('x' * 1000)", "*", ""),
    Attack("memory flood that catches", "while True:\n    try:\n        ctx.memory.append(1)\n"
           "    except BaseException:\n        pass", "*", ""),
    Attack("search flood", "while True: ctx.memory.search('a', limit=10**6)", "*", ""),
    Attack("checkpoint flood", "while True: ctx.checkpoint(1)", "*", ""),
    Attack("scratch flood", "i = 0\nwhile True:\n    i += 1\n    ctx.scratch.put(str(i), 'x' * 1000)", "failure",
           "scratch: "),
    Attack("giant checkpoint", "ctx.checkpoint('x' * 10**6)", "failure", "go through"),
    Attack("giant memory", "ctx.memory.append({'x': 'y' * 10**6})", "failure", "go through"),
    Attack("giant key", "ctx.scratch.put('x' * 10**6, 1)", "failure", "go through"),
    Attack("checkpoint that holds itself", "x = [1]\nfor i in range(30): x = [x, x]\nctx.checkpoint(x)", "*",
           "limits."),
    Attack("circular memory", "x = []\nx.append(x)\nctx.memory.append(x)", "failure", ""),
    Attack("deep memory", "x = []\nfor i in range(5000): x = [x]\nctx.memory.append(x)", "failure", ""),
    Attack("memory of no numbers", "ctx.memory.append(float('inf'))", "failure", "must be JSON"),
    Attack("giant integer", "ctx.checkpoint(10**400)", "failure", "must be JSON"),
    Attack("negative limit of memory", "return {'x': len(ctx.memory.read(-(10**30)))}", "failure", "TypeError"),
    Attack("odd limit of memory", "ctx.memory.read(True)", "failure", "takes int, not bool"),
    Attack("odd time to live", "ctx.memory.append(1, ttl='long')", "failure", "not str"),
    Attack("odd name of a tool", "ctx.tool(['shelf'])", "failure", "takes str, not list"),
    Attack("odd name of a device", "ctx.device({'lamp': 1})", "failure", "takes str, not dict"),
    Attack("argument that only the runtime gives", "ctx.tool('shelf').get('a', seconds=9999)", "failure", "seconds"),
    Attack("too many arguments of a tool", "ctx.tool('shelf').get(*range(10**4))", "failure", "too many"),
    Attack("operation that is none", "ctx.tool('shelf').call('__class__')", "failure", "no '__class__'"),
    Attack("method of a tool that is none of its operations", "ctx.tool('shelf').call('close')", "failure",
           "no 'close'"),
    Attack("tool that was not given, by its name", "shelf = ctx.tool('shelf')\nshelf._name = 'pump'\nshelf.get('a')",
           "failure", "NotGranted"),
    Attack("device that was not given, by its name", "lamp = ctx.device('lamp')\nlamp._name = 'pump'\nlamp.on()",
           "failure", "NotGranted"),
    Attack("forged call of a tool", "_edge_host('tool.call', '[\"vault\", \"get\", [\"a\"], {}]')", "failure",
           "NotGranted"),
    Attack("forged call of a device", "_edge_host('device.set', '[\"pump\", 1]')", "failure", "NotGranted"),
    Attack("forged note", "_edge_host('note', '[\"a\", {\"self\": 1}]')", "failure", "TypeError"),
    Attack("forged arguments by name", "_edge_host('note', '[]', seconds=1)", "failure", "TypeError"),
    Attack("forged method that is private", "_edge_host('fetch', '[\"device\", \"pump\"]')", "failure", "no 'fetch'"),
    Attack("forged method of a thousand characters", "_edge_host('x' * 10**6, '[]')", "failure", "ctx has no"),
    Attack("forged arguments that are deep", "_edge_host('checkpoint', '[' * 200000)", "failure", "must be JSON"),
    Attack("forged arguments that repeat", "_edge_host('note', '[' + '1,' * 100000 + '1]')", "failure",
           "takes 2 arguments"),
    Attack("host function of its own", "global _edge_host\n_edge_host = lambda *a: '{}'\n"
           "return {'x': ctx.device('lamp').read()}", "*", ""),
    Attack("json of its own", "import json\njson.dumps = lambda x: 'y' * 10**9\nctx.checkpoint(1)", "failure", ""),
    Attack("context of its own", "ctx.device = lambda name: name\nreturn {'x': ctx.device('pump')}", "*", ""),
    Attack("format string of a tool", "return {'x': '{0.get.__globals__}'.format(ctx.tool('shelf'))}", "failure",
           "AttributeError"),
    Attack("format string of memory", "return {'x': '{0.append.__func__.__code__}'.format(ctx.memory)}", "failure",
           "AttributeError"),
    Attack("format string of scratch", "return {'x': '{0.__init__.__globals__[os]}'.format(ctx.scratch)}", "failure",
           "AttributeError"),
    Attack("format string of readings", "return {'x': '{0.__class__.__mro__}'.format(ctx.readings)}", "failure", ""),
    Attack("class of config", "return {'x': str(ctx.config.__class__.__subclasses__())}", "failure", ""),
    Attack("host's error, to its frames", "try:\n    ctx.device('pump')\nexcept PermissionError as e:\n"
           "    return {'x': str(e.__traceback__.tb_frame.f_globals)}", "failure", "AttributeError"),
    Attack("host's error, to its arguments", "try:\n    ctx.device('lamp').set('broken')\nexcept OSError as e:\n"
           "    return {'x': str(e.args) + str(e)}", "success", ""),
]  # fmt: skip
ATTACKS = [*HANGS, *GROWS, *FLOODS, *WALKS, *DOORS]


def source(body: str) -> str:
    """A task file with that body."""
    head = "from edge import Context, Event, task\n\n\n@task\ndef run(event: Event, ctx: Context) -> dict:\n"
    return head + textwrap.indent(body, "    ") + "\n"
