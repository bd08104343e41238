"""Apps as the runtime has them: vetted away from the lead, loaded, started, shown. What one may be is `edge.apps`."""

from edge.fleet.fleet import Fleet
from edge.fleet.opening import open_apps

__all__ = ["Fleet", "open_apps"]
