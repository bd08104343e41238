"""Edge runtime: events start constrained micro-apps whose outcomes survive outages.

What a micro-app's author imports; everything else in this package carries no promise.
"""

from edge.context import Context, NotGranted, task
from edge.errors import ToolError
from edge.model import Event
from edge.observer import ObservedEnd, ObservedRun, Observer

__all__ = ["Context", "Event", "NotGranted", "ObservedEnd", "ObservedRun", "Observer", "ToolError", "task"]
