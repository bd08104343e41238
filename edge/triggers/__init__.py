"""An event starts a run: conditions, `for`, `every`, cooldown. Imports nothing but the values of `edge.model`."""

from edge.triggers.trigger import SCHEDULE
from edge.triggers.triggers import Triggers

__all__ = ["SCHEDULE", "Triggers"]
