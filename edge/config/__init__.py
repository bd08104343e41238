"""edge.yaml: read, overridden, checked, typed. See docs/guides/configuration.md."""

from edge.config.check import Examined, check, examine, load, schema
from edge.config.models import Config
from edge.config.topics import Address, filter_problem, overlap, parse_broker, topic_problem

__all__ = [
    "Address",
    "Config",
    "Examined",
    "check",
    "examine",
    "filter_problem",
    "load",
    "overlap",
    "parse_broker",
    "schema",
    "topic_problem",
]
