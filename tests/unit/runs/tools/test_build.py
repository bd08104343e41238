"""Tools cost nothing where there are none, and each says what it is."""

from __future__ import annotations

import subprocess
import sys

from edge.clock import SystemClock
from edge.config.tools import KvTool, ShellTool
from edge.runs.tools.build import Bodies, build_tools
from edge.telemetry import Telemetry


def test_a_runtime_without_tools_loads_no_library_for_them():
    asked = "import sys, edge.app; print([name for name in ('httpx', 'httpcore', 'sqlite3') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_a_tool_knows_its_name_kind_description_and_time():
    def nothing(*_: object) -> None:
        raise AssertionError("a tool that is only made touches nothing")

    bodies = Bodies(clock=SystemClock(), table=nothing, spawn=nothing)
    settings = {
        "state": KvTool(kind="kv", description="what was seen", timeout="2s"),
        "system": ShellTool(kind="shell", commands={"up": ["uptime"]}),
    }
    tools = build_tools(settings, bodies, Telemetry())

    assert [
        (tool.name, tool.kind, tool.description, tool.timeout, tool.safe_by_default) for tool in tools.values()
    ] == [
        ("state", "kv", "what was seen", 2.0, True),
        ("system", "shell", "", 5.0, False),
    ]
