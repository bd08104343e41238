"""What the runtime lends to runs: the same for all of them, each use checked by the run's own `RunContext`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.clock import Clock
from edge.context import Memory
from edge.runs.observers import Observers
from edge.runs.run import Run
from edge.runs.tools.tool import Tool


class Device(Protocol):
    """What the runtime lends of a configured device. Any thread; blocks for as long as the bus does."""

    def set(self, value: Any) -> None: ...

    def read(self) -> dict[str, float | bool]: ...


Topic = Callable[[str, str], bool]
"""Whether a topic lies inside a filter."""

Readings = Callable[[str], Mapping[str, float | bool]]
"""The last values of a device, empty where there are none yet; touches no bus."""


class Memories(Protocol):
    """What tasks remember across runs. Any thread."""

    def of(self, run: Run) -> Memory:
        """That of the run's task, within its `memory:`."""
        ...

    def recall(self, run: Run) -> Sequence[Any]:
        """The newest values, as many as `memory.recall`, newest first."""
        ...


class Checkpoints(Protocol):
    """Where runs that a crash may interrupt leave what they go on from. Any thread."""

    def save(self, run: Run, value: Any) -> None:
        """Keep `value`, and only it, for this run; durable on return.

        Raises LimitExceeded, TypeError, JournalError.
        """
        ...

    def load(self, run: Run) -> Any:
        """What the run left before the crash; None where it left nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Made once, by whoever builds the runtime."""

    clock: Clock
    mint: Callable[[], str]
    matches: Topic
    devices: Mapping[str, Device] = field(default_factory=dict)
    readings: Readings = lambda device: {}
    random: Callable[[], float] = lambda: 0.0
    """Draws from [0, 1); what fails together shall not come back together. Any thread."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    memories: Memories | None = None
    checkpoints: Checkpoints | None = None
    observers: Observers = field(default_factory=Observers)
