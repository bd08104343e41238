"""What the journal's bench writes, and where it shows: outcomes, bytes caused on the disk, memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.clock import Clock, SystemClock
from edge.envelope import seal
from edge.journal import Journal, Limits, open_journal
from edge.model import Record, RecordClass, RecordKind

CLOCK = SystemClock()
UPSTREAM = "cloud"
LIMITS = Limits(max_size=1 << 40)


def opened(path: Path, clock: Clock = CLOCK) -> Journal:
    """The journal of a bench: one upstream, and room for everything."""
    return open_journal(str(path), clock=clock, upstreams=[UPSTREAM], limits=LIMITS)


def bodies(number: int) -> list[bytes]:
    """Outcomes as they stand on disk and on the wire, about 500 bytes each."""
    event = {"id": "01KA5T3M8Q2W4E6R8T0Y1U3I5P", "source": "room", "time": "2026-11-21T09:00:00.000Z"}
    data = {
        "task": "overheat",
        "status": "success",
        "event": {**event, "values": {"temperature": 31.5}},
        "result": {"celsius": 31.5, "fan": True},
        "error": None,
        "attempts": 1,
        "duration_ms": 0.41,
        "limits": {"time": "2s"},
        "clock": "synced",
    }
    time = "2026-11-21T09:00:00.120Z"
    return [
        seal(id=f"bench:{count:026d}", edge_id="bench", task="overheat", time=time, data=data)
        for count in range(number)
    ]


def records(outcomes: Sequence[bytes]) -> list[Record]:
    """They as records."""
    return [
        Record(RecordKind.OUTCOME, RecordClass.TELEMETRY, f"bench:{number:026d}", body)
        for number, body in enumerate(outcomes)
    ]


def written() -> int:
    """Bytes this process has caused to be written to a disk, whole pages: proc(5). A tmpfs does not count."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def resident() -> int:
    """Bytes of memory in use: proc(5)."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as mount(8) names it."""
    place, kinds = folder.resolve(), {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if place.is_relative_to(point):
            kinds[point] = kind  # a later mount hides an earlier one
    return kinds[max(kinds, key=len)]
