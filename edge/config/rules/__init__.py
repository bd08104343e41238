"""What types alone cannot say: references, wiring, combinations. One function a part, each adding to the report."""

from edge.config.rules.broker import check_broker_devices
from edge.config.rules.devices import check_devices
from edge.config.rules.encryption import check_encryption
from edge.config.rules.journal import check_journal
from edge.config.rules.limits import check_limits
from edge.config.rules.links import check_links
from edge.config.rules.memory import check_memory
from edge.config.rules.multiplexers import check_multiplexers
from edge.config.rules.on_the_fly import check_on_the_fly
from edge.config.rules.plausible import check_plausible
from edge.config.rules.programs import check_programs
from edge.config.rules.provisions import check_provisions
from edge.config.rules.simulation import check_simulation
from edge.config.rules.survey import CheckCron, Survey, check_cron, names_of
from edge.config.rules.tools import check_tools
from edge.config.rules.triggers import check_triggers

__all__ = [
    "CheckCron",
    "Survey",
    "check_broker_devices",
    "check_cron",
    "check_devices",
    "check_encryption",
    "check_journal",
    "check_limits",
    "check_links",
    "check_memory",
    "check_multiplexers",
    "check_on_the_fly",
    "check_plausible",
    "check_programs",
    "check_provisions",
    "check_simulation",
    "check_tools",
    "check_triggers",
    "names_of",
]
