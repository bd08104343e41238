"""Where log lines go: stdout, for people, or one JSON object a line for programs."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import orjson

from edge.cli.output import harmless
from edge.clock import iso

LEVELS = ("debug", "info", "warning", "error")

# What every LogRecord has; the rest was given as `extra` and belongs into the JSON.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Send everything of `level` and above to `stream` (stdout). Libraries speak up from warnings on."""
    output = Stream(stream or sys.stdout)
    output.setFormatter(JsonLines() if as_json else Lines())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.WARNING)
    for ours in ("edge", "drivers", "tasks"):
        logging.getLogger(ours).setLevel(level.upper())


class Stream(logging.StreamHandler[TextIO]):
    """A stream whose reader may go away (`edge run | head`): then the gateway goes on without it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            logging.getLogger().removeHandler(self)
        else:
            super().handleError(record)


class Lines(logging.Formatter):
    """`2026-11-21T09:00:00.120Z warning links.mqtt: text`."""

    def format(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix("edge.")
        message = harmless(record.getMessage()).replace("\n", "\n  ")  # what looks like a line of ours is one
        text = f"{iso(record.created)} {record.levelname.lower():<7} {name}: {message}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message", ...extra, "trace"}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
