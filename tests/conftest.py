"""What every run of the tests keeps: the same examples each time, logging as it was; and what it left out, and why.

Property tests draw the same examples in every run, so that a red run can be repeated;
`--hypothesis-profile=search` draws new ones.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile("fixed")

WHY = {
    "broker": "needs a real Mosquitto: make test-all",
    "slow": "full rounds of tests that also run short: make test-all",
    "hardware": "needs the kernel's I2C, GPIO and sensor interfaces: make test-kernel",
}
LEFT_OUT = pytest.StashKey[Counter[str]]()


COUNTS = {
    "messages": (5000, "messages of a round in which processes are killed"),
    "rate": (500, "of them a second"),
    "kills": (3, "of the runtime, in such a round"),
    "away": (20, "seconds that the upstream is away"),
    "bad-runs": (1000, "runs of each kind that ends badly"),
    "hung-runs": (24, "runs of a real process that never return; four of them cost a restart"),
}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its whole process; the next test is to hear what it expects."""
    loggers = [logging.getLogger(name) for name in (None, "edge", "drivers", "tasks")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edge", "counts of the rounds on real brokers")
    for name, (count, meaning) in COUNTS.items():
        group.addoption(f"--{name}", type=int, default=count, help=f"{meaning}; default {count}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Broker tests kill, stop and time real processes: with `--dist loadgroup` they run one after the other."""
    for item in items:
        if item.get_closest_marker("broker"):
            item.add_marker(pytest.mark.xdist_group("broker"))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        reason = next((mark for mark in reversed(WHY) if item.get_closest_marker(mark)), None)
        if reason is not None:
            item.config.stash[LEFT_OUT][reason] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    worker: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker collects the same tests, so any of them speaks for all."""
    left_out = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[LEFT_OUT] |= Counter(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for mark, count in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"left out: {count} {mark} ({WHY[mark]})")
