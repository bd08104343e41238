"""The house rules that a machine can check, beyond ruff, mypy and the import rules of pyproject.toml.

Each rule is a function from one module to its offences, so that the rules themselves are tested on bad code below.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers import kinds

ROOT = Path(__file__).parents[2]
OURS = ("edge", "drivers", "tasks")
CEILING, MEDIAN, SCREEN = 400, 150, 50

# One importing file a library, so that a change of a library is a change of one file.
HOMES = {
    "paho": "edge/links/mqtt.py",
    "apscheduler": "edge/links/calendar.py",
    "httpx": "edge/links/http.py",
    "httpcore": "edge/links/http.py",
    "tinydb": "edge/journal/",
    "cryptography": "edge/crypto.py",
    "pydantic_monty": "edge/runs/sandbox/pool.py",
    "ruamel": "edge/config/",
    "gpiozero": "drivers/gpio.py",
    "lgpio": "drivers/gpio.py",
    "smbus2": "drivers/bus.py",
    "serial": "drivers/wires/uart.py",
}
EVERYWHERE = {"pydantic", "pydantic_core", "orjson", "typing_extensions"}
# pytest is what a test kit is made of: its modules may all use it.
KIT = {"pytest"}

# Chips that are variants of another one; every other chip stands alone, and can be read, changed and deleted alone.
VARIANTS = {"aht10": "aht20", "bme280": "bmp280", "bmp388": "bmp280", "ina3221": "ina219"}
CHIPS = set(kinds())

# Errors that many things raise: whoever passes over one of these has to say what he makes of it.
BROAD = {"everything", "Exception", "BaseException"}
FAMILIES = {"OSError", "EdgeError", "DriverError", "RuntimeError"}

# Where threads may be made: for app.py and nobody below it, because a test that drives the core has one thread; and by
# the bench, which stands outside and measures.
THREADS = ("edge/threads.py", "edge/bench/path.py", "edge/bench/journal.py")


@dataclass(frozen=True)
class Module:
    """One source file: `path` is relative to the repository."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    def imports(self) -> Iterator[tuple[str, int]]:
        """Dotted names of what it imports when it runs, with the line; what only types need breaks nothing."""
        tree = self.tree
        types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in types:
                continue
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                yield node.module, node.lineno

    def names(self) -> Iterator[tuple[str, int]]:
        """Dotted names of all that it imports, `from drivers import bmp280` as `drivers.bmp280`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Dotted names of what it calls: `datetime.now`, `Thread`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


MODULES = [
    Module(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    for package in OURS
    for path in sorted((ROOT / package).rglob("*.py"))
]


# -- the rules --------------------------------------------------------------------------------------------------------


def reads_time(module: Module) -> Iterator[str]:
    if module.path == "edge/clock.py":
        return
    for name, line in module.imports():
        if name == "time":
            yield f"{module.path}:{line}: imports time; take a Clock (edge/clock.py), or wait on an Event"
    for name, call in module.calls():
        if re.search(r"\b(datetime|date)\.(now|utcnow|today)$", name):
            yield f"{module.path}:{call.lineno}: {name}() reads the wall clock; take a Clock (edge/clock.py)"


def makes_threads(module: Module) -> Iterator[str]:
    if module.path in THREADS:
        return
    for name, call in module.calls():
        if name.rpartition(".")[2] in {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread"}:
            yield f"{module.path}:{call.lineno}: {name}() makes a thread; only {', '.join(THREADS)} may"


def imports_foreign_vendor(module: Module) -> Iterator[str]:
    for name, line in module.imports():
        home = HOMES.get(name.partition(".")[0])
        if home is not None and not module.path.startswith(home):
            yield f"{module.path}:{line}: imports {name}, which only {home} may"


def imports_beyond_edge(module: Module) -> Iterator[str]:
    if not module.path.startswith("tasks/"):
        return
    for name, line in module.imports():
        root = name.partition(".")[0]
        if name != "edge" and root not in sys.stdlib_module_names:
            yield f"{module.path}:{line}: imports {name}; a task imports `edge` and the standard library"


def knows_another_chip(module: Module) -> Iterator[str]:
    if not module.path.startswith("drivers/"):
        return
    of = VARIANTS.get(module.path.removeprefix("drivers/").removesuffix(".py"))
    for name, line in module.names():
        root, _, chip = name.partition(".")
        chip = chip.partition(".")[0]
        if root == "drivers" and chip in CHIPS and chip != of:
            yield f"{module.path}:{line}: imports the driver {chip}; what several share belongs to drivers/kit"


def is_too_long(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > CEILING:
        yield f"{module.path}: {lines} lines; the ceiling is {CEILING}: find the second thing it is about"


def has_long_function(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > SCREEN:
                yield f"{module.path}:{node.lineno}: {node.name}() has {lines} lines; one screen is {SCREEN}"


def has_empty_name(module: Module) -> Iterator[str]:
    empty = re.compile(r"(Manager|Handler|Helper|Util|Utils|Utility|Utilities)s?$", re.IGNORECASE)
    names = [(Path(module.path).stem, 1)]
    names += [(node.name, node.lineno) for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    for name, line in names:
        if empty.search(name):
            yield f"{module.path}:{line}: {name} does not say what it knows or decides; name it after that"


def swallows_errors(module: Module) -> Iterator[str]:
    """Trying the next thing after an expected error is fine; going on as if nothing were wrong hides faults."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and all(_does_nothing(step) for step in node.body):
            caught = set(re.findall(r"\w+", ast.unparse(node.type) if node.type is not None else "everything"))
            goes_on = isinstance(node.body[-1], ast.Continue)
            if caught & (BROAD if goes_on else BROAD | FAMILIES):
                names = " and ".join(sorted(caught))
                yield f"{module.path}:{node.lineno}: swallows {names}; raise, return or count it, or catch one kind"
    for name, call in module.calls():
        if name.endswith("suppress") and {ast.unparse(arg) for arg in call.args} & BROAD:
            yield f"{module.path}:{call.lineno}: suppresses every error; name the one that is expected"


def _does_nothing(step: ast.stmt) -> bool:
    return isinstance(step, ast.Pass | ast.Continue) or (
        isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)
    )


def says_nothing_of_itself(module: Module) -> Iterator[str]:
    if module.text.strip() and len(ast.get_docstring(module.tree) or "") < len("What it is."):
        yield f"{module.path}:1: the module does not say what it is"


def leaves_work_behind(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if re.search(r"#.*\b(TODO|FIXME|XXX)\b", line):
            yield f"{module.path}:{number}: leaves work to others: {line.strip()}"
        if re.search(r"noqa: *SLF|type: *ignore *(#|$)", line):
            yield f"{module.path}:{number}: silences a whole rule: {line.strip()}"


RULES: dict[str, Callable[[Module], Iterator[str]]] = {
    "only edge/clock.py reads a clock or sleeps": reads_time,
    "threads are made in one place": makes_threads,
    "a library is imported in its one home": imports_foreign_vendor,
    "a task needs nothing but edge": imports_beyond_edge,
    "a chip stands alone": knows_another_chip,
    "a file is about one thing": is_too_long,
    "a function fits one screen": has_long_function,
    "a name says what a thing knows or decides": has_empty_name,
    "no error is swallowed": swallows_errors,
    "a module says what it is": says_nothing_of_itself,
    "nothing is left for others": leaves_work_behind,
}

BAD = {
    reads_time: ["import time", "from datetime import datetime\nnow = datetime.now()", "from time import sleep"],
    makes_threads: ["import threading\nthreading.Thread(target=print).start()", "Timer(1, print)"],
    imports_foreign_vendor: [
        "import paho.mqtt.client as mqtt",
        "from tinydb import TinyDB",
        "from smbus2 import SMBus",
    ],
    is_too_long: ["x = 1\n" * (CEILING + 1)],
    has_long_function: ["def f():\n" + "    x = 1\n" * SCREEN],
    has_empty_name: ["class LinkManager: ...", "class Utils: ..."],
    swallows_errors: [
        "try:\n    f()\nexcept OSError:\n    pass",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
    ],
    says_nothing_of_itself: ["x = 1", '"""."""'],
    leaves_work_behind: ["x = 1  # TODO: finish", "x = y._z  # noqa: SLF001"],
}


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps(rule: str) -> None:
    offences = [offence for module in MODULES for offence in RULES[rule](module)]

    assert not offences, f"{rule}:\n" + "\n".join(offences)


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in BAD.items() for text in texts])
def test_a_rule_sees_what_it_forbids(rule: Callable[[Module], Iterator[str]], text: str) -> None:
    assert list(rule(Module("edge/triggers/bad.py", text)))


@pytest.mark.parametrize(
    "text", ["from drivers import bmp280", "from drivers.bmp280 import BMP280", "import drivers.bmp280"]
)
def test_a_chip_that_imports_another_is_seen_unless_it_is_a_variant(text: str) -> None:
    assert list(knows_another_chip(Module("drivers/tmp102.py", text)))
    assert list(knows_another_chip(Module("drivers/kit/crc.py", text)))
    assert not list(knows_another_chip(Module("drivers/bme280.py", text)))


def test_a_task_that_imports_more_than_edge_is_seen() -> None:
    assert list(imports_beyond_edge(Module("tasks/bad.py", "from edge.model import Event")))
    assert not list(
        imports_beyond_edge(Module("tasks/good.py", "from edge import Event\nfrom dataclasses import dataclass"))
    )


def test_each_library_has_one_importing_file() -> None:
    """The ones with a home, and every other but the few that are types and JSON."""
    files: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for name, _ in module.imports():
            root = name.partition(".")[0]
            if root not in sys.stdlib_module_names and root not in {*OURS, *EVERYWHERE, *KIT}:
                files[root].add(module.path)

    shared = {library: sorted(paths) for library, paths in files.items() if len(paths) > 1}
    assert not shared, f"imported in more than one file: {shared}"


def test_most_files_are_short() -> None:
    """The median; the ceiling is a rule above."""
    lengths = [module.text.count("\n") for module in MODULES if module.text.strip()]

    assert statistics.median(lengths) <= MEDIAN
