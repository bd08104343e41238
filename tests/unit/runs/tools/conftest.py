"""Tools as they are configured, over real parts: files, processes and servers of this machine, and a journal."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import load
from edge.journal import Journal, open_journal
from edge.runs.tools.build import Bodies, build_tools
from edge.runs.tools.tool import GrantedTool
from edge.telemetry import Telemetry
from edge.testing.clock import VirtualClock
from edge.testing.files import MemoryFiles

PLENTY = 10.0  # seconds that a call may take where time is not the subject


class Bench:
    """Makes a tool of a piece of edge.yaml and hands it out as a task has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = MemoryFiles()
        self.telemetry = Telemetry()
        self.journal = self._open()
        self.addresses: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def ask(self, host: str) -> list[str]:
        """The name server."""
        self.asked.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]

    def _open(self) -> Journal:
        return open_journal("/journal", clock=VirtualClock(), files=self.files)

    def crash(self) -> None:
        self.files.crash(1, power=True)
        self.journal = self._open()

    def tool(self, keys: str, *, left: float = PLENTY) -> GrantedTool:
        """`keys` as they stand below the tool's name, in braces; `left` seconds remain of the run."""
        file = self.folder / "edge.yaml"
        file.write_text(f"edge: {{id: pi}}\ntools:\n  part: {{{keys}}}\n")
        bodies = Bodies(clock=SystemClock(), table=self.journal.table, spawn=lambda name, body: body(), ask=self.ask)
        tools = build_tools(load(file).tools, bodies, self.telemetry)
        self.last = tools["part"]
        return GrantedTool(self.last, lambda operation: left)

    def counts(self) -> dict[str, int]:
        """Calls by result."""
        counted = self.telemetry.counts("edge_tool_calls_total")
        return {dict(labels)["result"]: count for labels, count in counted.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def kv(bench: Bench) -> GrantedTool:
    return bench.tool("kind: kv, entries: 3, value: 100B")
