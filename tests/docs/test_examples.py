"""What the documentation shows is run: every command, every configuration, every piece of Python.

How a block says what it needs is described in `tests/docs/examples.py`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import drivers
from edge.cli.verbs import find
from tests.docs.examples import LANGUAGES, PAGES, ROOT, Example, commands, read

BIN = Path(sys.executable).parent
EXAMPLES = [example for page in PAGES for example in read(page)]
KINDS = {"", "file", "background", "exit", "output", "needs"}
ELSEWHERE = re.compile(r"^there is no packaged task|^no (device|source|device or source) called")
READY = 30.0  # seconds a runtime may take to answer on a busy machine


class Reader:
    """Follows a page: a folder of its own, the commands in order, the runtimes it starts in the background."""

    def __init__(self, folder: Path) -> None:
        self.home = self.folder = folder
        self.environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder)}
        self.printed = ""
        self.running: list[subprocess.Popen[str]] = []

    def follow(self, example: Example) -> None:
        match example.language, example.kind:
            case _, "needs":
                return
            case _, "file":
                self.write(example)
            case "sh", "background":
                self.start(example)
            case "sh", _:
                self.run(example, ["bash", "-euo", "pipefail", "-c", example.text], int(example.detail or 0))
            case "python", _:
                self.run(example, [sys.executable, "-c", example.text])
            case "yaml", _:
                self.check(example)
            case "json", _:
                json.loads(example.text)
            case "text", "output":
                self.compare(example)

    def run(self, example: Example, command: list[str], code: int = 0) -> None:
        where = self.home / ".where"
        if command[0] == "bash":  # the next block goes on in the folder where this one ended
            command = [*command[:-1], f'{command[-1]}\npwd > "{where}"']
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.printed = ran.stdout

        assert ran.returncode == code, f"{example}: exit {ran.returncode}, not {code}\n{ran.stdout}"
        if where.exists():
            self.folder = Path(where.read_text().strip())

    def write(self, example: Example) -> None:
        path = self.folder / example.detail
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example.text, encoding="utf-8")
        if path.name.startswith("test_"):
            self.run(example, [sys.executable, "-m", "pytest", "-q", str(path)])
        if path.suffix == ".yaml" and re.search(r"^edge:", example.text, re.MULTILINE):  # else a scenario
            self.run(example, ["edge", "check", "-c", str(path)])

    def check(self, example: Example) -> None:
        """What is no whole file gets the section that must be there, and may name what stands elsewhere."""
        path = self.folder / f"line-{example.line}.yaml"
        whole = re.search(r"^edge:", example.text, re.MULTILINE)
        path.write_text(
            example.text if whole else f"edge: {{id: docs, backend: sim}}\n{example.text}", encoding="utf-8"
        )
        ran = subprocess.run(
            [BIN / "edge", "check", "--json", "-c", path], env=self.environment, capture_output=True, text=True
        )
        problems = [problem for problem in json.loads(ran.stdout) if whole or not ELSEWHERE.search(problem["message"])]

        assert not problems, f"{example}: {problems}"

    def compare(self, example: Example) -> None:
        printed = [line.rstrip() for line in self.printed.splitlines()]
        for line in filter(None, map(str.rstrip, example.text.splitlines())):
            pattern = re.compile(".*".join(re.escape(part) for part in line.split("...")))
            assert any(pattern.fullmatch(real) for real in printed), f"{example}: {line!r} is not in\n{self.printed}"

    def start(self, example: Example) -> None:
        """`edge run -c FILE` in the background, ready when `edge status` finds it."""
        [words] = commands(example.text)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {example.text}"], cwd=self.folder, env=self.environment, text=True
        )
        self.running.append(process)
        config = words[words.index("-c") + 1]
        pause = threading.Event()
        for _ in range(int(READY / 0.1)):
            asked = ["edge", "status", "-c", config]
            if subprocess.run(asked, cwd=self.folder, env=self.environment, capture_output=True).returncode == 0:
                return
            assert process.poll() is None, f"{example}: it ended with {process.returncode}"
            pause.wait(0.1)
        raise AssertionError(f"{example}: not ready after {READY:g} s")

    def close(self) -> None:
        """SIGTERM drains and exits with 0."""
        codes = []
        for process in self.running:
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(timeout=30))

        assert not any(codes), codes


@pytest.mark.parametrize("page", [page for page in PAGES if any(example.page == page for example in EXAMPLES)])
def test_a_page_can_be_followed_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for example in read(page):
            reader.follow(example)
    finally:
        reader.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_block_says_its_language_and_what_it_needs(example: Example) -> None:
    assert example.language in LANGUAGES
    assert example.kind in KINDS


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example.language == "sh"], ids=str)
def test_commands_that_are_not_run_here_exist(example: Example) -> None:
    """Hardware, root or a fresh clone are not at hand: syntax, verbs, targets and files can still be wrong."""
    syntax = subprocess.run(["bash", "-n"], input=example.text, text=True, capture_output=True)

    assert syntax.returncode == 0, syntax.stderr
    for words in commands(example.text):
        check = _CHECKS.get(Path(words[0]).name, _is_fine)
        check(words)


def _has_target(words: list[str]) -> None:
    for target in (word for word in words[1:] if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make {target}"


def _has_verb(words: list[str]) -> None:
    found = find(words[1:])
    assert not isinstance(found, str), found
    shown = subprocess.run([BIN / "edge", *found[0].split(), "--help"], capture_output=True, text=True)

    assert shown.returncode == 0, f"edge {found[0]}: {shown.stderr}"
    for option in (word for word in words if word.startswith("--")):
        assert option.partition("=")[0] in shown.stdout, f"edge {found[0]} has no {option}"


def _is_a_file(words: list[str]) -> None:
    assert (ROOT / words[0]).is_file(), words[0]


def _is_fine(words: list[str]) -> None:
    """A command of the system."""


_CHECKS: dict[str, Callable[[list[str]], None]] = {"make": _has_target, "edge": _has_verb, "install.sh": _is_a_file}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_something(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]

    missing = [target for target in targets if not _leads_somewhere(page, target)]
    assert not missing


def _leads_somewhere(page: str, target: str) -> bool:
    """A file, and where a part of it is named, a heading there, as GitHub spells them."""
    path, _, part = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    if not part or not file.is_file():
        return file.exists() and not part
    heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return part in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ["README.md", "hardware.md"])
def test_the_number_of_drivers_is_true(page: str) -> None:
    [told] = re.findall(r"^(\d+) drivers\b", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert int(told) == len(drivers.kinds())


def test_the_readme_leads_to_every_guide() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    more = readme.partition("\n## More\n")[2]
    guides = sorted((ROOT / "docs" / "guides").glob("*.md"))
    assert [guide.name for guide in guides if f"(docs/guides/{guide.name})" not in more] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_test_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", (ROOT / page).read_text(encoding="utf-8"))

    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_checks_see_what_is_wrong() -> None:
    with pytest.raises(AssertionError, match="make dmeo"):
        _has_target(["make", "dmeo"])
    with pytest.raises(AssertionError, match="did you mean `edge check`"):
        _has_verb(["edge", "chekc"])
    assert not _leads_somewhere("README.md", "hardware.md#find-your-prat")
    with pytest.raises(AssertionError, match=r"no\.sh"):
        _is_a_file(["deploy/no.sh"])
