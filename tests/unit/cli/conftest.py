"""Stand-ins for what the command line drives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.clock import SystemClock
from edge.control import CLIENTS, ControlServer, Verbs

STARTER = """\
edge: {id: bench, backend: sim}
devices:
  room: {driver: tmp102, bus: i2c-1, address: 0x48, every: 2s}
  fan:  {driver: relay, pin: 27, safe: "off"}
tasks:
  overheat:
    run: "./tasks/overheat.py:overheat"
    when: {source: room, channel: temperature, above: 30, clear: 28, for: 10s}
    grant: {devices: [fan], publish: ["plant/fan"]}
mqtt: {broker: "mqtt://127.0.0.1:1"}
journal: {path: ./journal}
"""


class Said:
    """What one command printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


Edge = Callable[..., Said]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the developer's shell."""
    for name in ("EDGE_CONFIG", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def edge(capsys: pytest.CaptureFixture[str]) -> Edge:
    """`edge("check", "--json")` in this process."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter configuration; the test runs in its folder."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "edge.yaml").write_text(STARTER)
    (tmp_path / "tasks" / "overheat.py").write_text(
        "from edge import Context, Event, task\n\n\n"
        "@task\ndef overheat(event: Event, ctx: Context) -> dict:\n    return dict(event.values)\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


Serving = Callable[[Verbs], ControlServer]


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    """`serving({"status": ...})` answers beside the journal of the folder, on threads as in production."""
    open_ones: list[tuple[ControlServer, list[threading.Thread]]] = []

    def serve(verbs: Verbs) -> ControlServer:
        journal = str(folder / "journal")
        server = ControlServer(Path(journal + ".sock"), verbs, journal=journal, clock=SystemClock())
        server.open()
        threads = [threading.Thread(target=server.serve, daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        open_ones.append((server, threads))
        return server

    yield serve
    for server, threads in open_ones:
        server.close()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()
