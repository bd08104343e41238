"""Edge runtime: events start constrained micro-apps whose outcomes survive outages.

What a micro-app's author imports; everything else in this package carries no promise.
"""

from edge.context import Context, NotGranted, task
from edge.errors import ToolError
from edge.model import Event

__all__ = ["Context", "Event", "NotGranted", "ToolError", "task"]
