"""`edge run`: build the gateway, start it, watch over it, and drain it when told to stop."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

from drivers import OutOfRange
from edge.app import Runtime, build
from edge.apphost.desk import AppDesk
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.gateway import Gateway, config_of
from edge.cli.logs import LEVELS, set_up
from edge.cli.output import columns, count, say
from edge.cli.sentences import summary
from edge.cli.supervisor import Signals, Supervisor
from edge.config.models import Config
from edge.control import CLIENTS, ControlServer, Verbs, socket_path
from edge.errors import EdgeError
from edge.outside import Outside
from edge.serve import ListenError, PageServer
from edge.systemd import Notifier

log = logging.getLogger(__name__)

_GRACE, _GRACE_FAILED = 10.0, 1.0  # seconds that runs get to end; what is stuck already will not end
_FIRE = 300.0  # longest that one command may wait for a run


def run(words: list[str]) -> int:
    """Blocks until the gateway stops. Exit 0 after SIGTERM, SIGINT or SIGHUP, 3 when the runtime failed."""
    arguments = Arguments(
        "run",
        "Run the gateway until SIGTERM or Ctrl-C: then sources stop, runs end, the journal is flushed.",
        examples=("run -c edge.yaml", "run --log-level debug", "run -c /etc/edge/edge.yaml --log-json"),
    ).with_config()
    arguments.add_argument("--log-level", choices=LEVELS, default="info", help="least level of log lines")
    arguments.add_argument("--log-json", action="store_true", help="log lines are JSON objects")
    options = arguments.parse_args(words)
    examined = Gateway(options.config).examined
    config = config_of(examined)
    set_up(options.log_level, as_json=options.log_json)
    for warning in examined.warnings:
        log.warning("%s", warning)
    runtime = _build(config)
    supervisor = Supervisor(runtime, notifier := Notifier(), _counts(config))
    grace = _GRACE
    with Signals() as signals, ExitStack() as stack:
        stack.callback(lambda: runtime.stop(grace=grace))
        _banner(config, as_json=options.log_json)
        runtime.start()
        _listen_for_commands(runtime, config, stack)
        _serve_pages(runtime, config, supervisor, stack)
        _settle_down()
        log.info("running", extra={"action": "started"})
        code = supervisor.watch(signals)
        notifier.stopping()
        grace = _GRACE if code == FINE else _GRACE_FAILED
    log.info("stopped", extra={"action": "stopped"})
    return code


def _settle_down() -> None:
    """What exists now stays until the end: the garbage collector need not go through it again during every burst."""
    gc.collect()
    gc.freeze()


def _build(config: Config) -> Runtime:
    try:
        return build(config, Outside.real())
    except EdgeError:
        raise  # it says what to do itself
    except OSError as error:
        raise Stop(
            f"journal.path: {config.journal.path} cannot be used: {error.strerror or error};"
            " name a folder that this user may write, or use sudo"
        ) from error


def verbs(runtime: Runtime) -> Verbs:
    """What the control socket offers of a runtime."""
    desk = runtime.desk

    def status() -> dict[str, Any]:
        return {
            "edge": runtime.config.edge.id,
            "pid": os.getpid(),
            "parts": runtime.status(),
            "degraded": runtime.degraded(),
        }

    def set_(device: str, value: Any) -> dict[str, Any]:
        try:
            return desk.set(device, value)
        except OutOfRange as error:
            raise EdgeError(f"{device}: {error}") from error  # the caller's mistake, not a fault of the device

    def fire(task: str, values: dict[str, Any], wait: float) -> dict[str, Any]:
        return desk.fire(task, values, timeout=min(wait, _FIRE))

    return {
        "status": status,
        "devices": desk.devices,
        "tasks": desk.tasks,
        "tasks_reset": desk.reset,
        "read": desk.read,
        "set": set_,
        "fire": fire,
        "sync": desk.sync,
        "journal_stats": desk.journal_stats,
        "outputs_safe": desk.outputs_safe,
        "scan": desk.scan,
        "recover": desk.recover,
        **{f"apps_{verb}": getattr(runtime.apphost.desk, verb) for verb in AppDesk.VERBS},
    }


def _listen_for_commands(runtime: Runtime, config: Config, stack: ExitStack) -> None:
    path = socket_path(config.journal.path)
    server = ControlServer(path, verbs(runtime), journal=config.journal.path, clock=runtime.clock)
    server.open()
    stack.callback(server.close)
    for number in range(CLIENTS):
        runtime.spawn(f"control-{number}", server.serve)


def _serve_pages(runtime: Runtime, config: Config, supervisor: Supervisor, stack: ExitStack) -> None:
    if config.metrics is None:
        return
    try:
        pages = PageServer(
            config.metrics.listen, metrics=runtime.telemetry.render, health=supervisor.health, clock=runtime.clock
        )
    except ListenError as error:
        log.error("%s; running without metrics", error)  # a taken port is no reason to lose data
        return
    stack.callback(pages.close)
    runtime.spawn("pages", pages.serve)


def _banner(config: Config, *, as_json: bool) -> None:
    lines = summary(config)
    if as_json:
        log.info("starting", extra={"action": "starting", "summary": [list(line) for line in lines]})
        return
    say(f"edge {version('edge-runtime')}; Ctrl-C stops it")
    say(columns((f"  {label}", sentence) for label, sentence in lines))


def _counts(config: Config) -> str:
    parts = (count(len(config.devices), "device"), count(len(config.tasks), "task"))
    return f"running {config.edge.id}: {', '.join((*parts, count(len(config.upstream), 'upstream')))}"
