"""Apps as the runtime has them: vetted away from the lead, loaded, started, shown. What one may be is `edge.apps`."""

from edge.apphost.host import AppHost
from edge.apphost.opening import open_apps

__all__ = ["AppHost", "open_apps"]
