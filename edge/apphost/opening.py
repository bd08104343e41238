"""The apps of a gateway, opened with all that judges them: for the runtime, and for a command that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.apphost.recorded import newest_event
from edge.apps import Apps, Known, Proving, dry_run, judge
from edge.apps.rehearsal import SourceEngine
from edge.clock import Clock
from edge.config import Config
from edge.config.tasks import CHECKED, TaskSettings, When
from edge.errors import ExpressionError, TaskLoadError
from edge.expression import Expression
from edge.ingest.topics import covers
from edge.journal import Journal
from edge.links.calendar import parse_cron
from edge.runs.surroundings import Readings
from edge.telemetry import Telemetry


def open_apps(
    config: Config,
    journal: Journal,
    engine: SourceEngine,
    *,
    clock: Clock,
    telemetry: Telemetry,
    forget: Callable[[str], None],
    tools: Mapping[str, bool] | None = None,
    readings: Readings = lambda device: {},
    changed: Callable[[str], None] = lambda name: None,
) -> Apps:
    """`tools`: which there are, and whether each is safe by default; `readings` are devices' last values, for dry runs;
    `changed` is told the name of an app after every change, and `forget` makes the memory of that name empty before an
    app's life begins. Raises JournalError."""
    sources = frozenset(config.mqtt.subscribe) if config.mqtt is not None else frozenset()
    return Apps(
        edge_id=config.edge.id,
        ceiling=config.on_the_fly,
        known=Known(
            tasks=frozenset(config.tasks),
            sources=sources | frozenset(config.devices),
            tools=tools or {},
            settings=judge(config, parse_cron),
        ),
        proving=Proving(
            types=_loads(engine),
            expression=_mistake,
            event=newest_event(journal, clock),
            rehearse=dry_run(engine, clock, covers, readings),
        ),
        tables=journal,
        clock=clock,
        telemetry=telemetry,
        changed=changed,
        forget=forget,
    )


def _mistake(check: str) -> str:
    """What is wrong with the text of a `check:`."""
    try:
        Expression(check, CHECKED)
    except ExpressionError as error:
        return str(error)
    return ""


def _loads(engine: SourceEngine) -> Callable[[str, bytes], str]:
    """Whether the sandbox takes a source and its types are right, also where no event is there for a dry run."""
    plain = TaskSettings(when=When(), engine="sandbox")

    def problem(name: str, source: bytes) -> str:
        try:
            engine.load_source(name, source, plain)
            return engine.types(name, source)
        except TaskLoadError as error:
            return str(error)

    return problem
