"""A driver on a simulated line of its own, not started yet."""

from collections.abc import Callable
from typing import Any

from drivers import Device, World, find
from drivers.simulation.line import SimEnd


def lined(
    kind: str, *, world: World | None = None, wait: Callable[[float], None] | None = None, **options: Any
) -> tuple[World, Any, Device]:
    """World, line and driver; the part is called `it`."""
    world = World() if world is None else world
    entry = find(kind)
    assert issubclass(entry.sim, SimEnd)
    line = entry.sim(world, "it").line(wait=wait)
    device = entry.build(line, None, **options)
    line.fit(device)
    return world, line, device
