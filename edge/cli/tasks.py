"""`edge tasks`, `tasks show`, `tasks reset` and `fire`: micro-apps, what starts them, and all they may touch."""

from __future__ import annotations

from typing import Any

import orjson

from edge.cli.apps import installed, tell
from edge.cli.arguments import Arguments
from edge.cli.exits import DEGRADED, FINE, Stop
from edge.cli.gateway import Gateway
from edge.cli.output import columns, note, paint, say, say_json
from edge.cli.rights import course, data, may, spends
from edge.cli.sentences import when
from edge.config.report import did_you_mean, listed
from edge.config.tasks import TaskSettings, shown
from edge.config.units import parse_duration
from edge.errors import RuntimeUnreachable


def tasks(words: list[str]) -> int:
    """From the configuration, with counts where a runtime runs."""
    options = (
        Arguments("tasks", "Micro-apps: what starts them and how their runs ended.", examples=("tasks", "tasks --json"))
        .with_config()
        .with_json("a list of {name, run, engine, when, grant, limits, mode, counts, blocked, app}")
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    found = _tasks(gateway)
    if options.json:
        say_json(found)
    elif not found:
        say(f"no tasks in {gateway.file}")
    else:
        settings = gateway.config.tasks
        rows = [(one["name"], _trigger(one, settings.get(one["name"])), _so_far(one)) for one in found]
        say(columns(rows, ("task", "trigger", "runs")))
    if gateway.config.on_the_fly is not None and not any("counts" in one for one in found):
        note("installed apps are here while the gateway runs, and always in `edge apps list`")
    return FINE


def show(words: list[str]) -> int:
    """Least privilege made visible: what is not listed, the task may not."""
    arguments = Arguments(
        "tasks show", "One micro-app: trigger, limits, and all it may touch.", examples=("tasks show overheat",)
    )
    arguments.add_argument("name", metavar="NAME", help="name of a task in edge.yaml, or of an app")
    options = (
        arguments.with_config()
        .with_json("{name, run, when, every setting of the task, tools, counts}; of an app as `edge apps show`")
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    if _is_app(gateway, options.name):
        return tell(gateway, options.name, as_json=options.json)
    settings = gateway.config.tasks[options.name]
    found = next((one for one in _tasks(gateway) if one["name"] == options.name), None)
    tools = gateway.config.tools
    if options.json:
        say_json({**(found or {}), **data(settings, tools)})
        return FINE
    rows = [
        ("task", options.name),
        ("code", settings.run or f"the packaged task {options.name}"),
        ("runs", when(settings)),
        *(("may", line) for line in may(settings, tools)),
        ("may not", "anything else"),
        *(("given", f"{key} = {orjson.dumps(value).decode()}") for key, value in settings.config.items()),
        *(("limits", line) for line in spends(settings)),
        *course(settings),
        ("outcomes", f"kept as {settings.klass}"),
    ]
    if found is not None and ("counts" in found):
        rows.append(("so far", _so_far(found)))
    say(columns(rows))
    return FINE


def reset(words: list[str]) -> int:
    """Exit 3 where no runtime runs: a breaker does not outlive it."""
    arguments = Arguments(
        "tasks reset",
        "Close the breaker of a micro-app that was left alone because it kept failing: what waits for it runs now.",
        examples=("tasks reset overheat",),
    )
    arguments.add_argument("name", metavar="NAME", help="name of a task in edge.yaml")
    options = arguments.with_config().with_json("{task}").parse_args(words)
    gateway = Gateway(options.config)
    try:
        done = gateway.ask("tasks_reset", task=options.name)
    except RuntimeUnreachable as error:
        raise Stop(str(error), DEGRADED) from error
    if options.json:
        say_json(done)
    else:
        say(f"the breaker of {options.name} is closed")
    return FINE


def fire(words: list[str]) -> int:
    """Exit 3 when the run did not succeed."""
    arguments = Arguments(
        "fire",
        "Run one micro-app now, past its trigger, with an event made by hand. Its limits and grants hold.",
        examples=("fire overheat --event '{\"temperature\": 31.5}'", "fire nightly --json"),
    )
    arguments.add_argument("task", metavar="TASK", help="name of a task in edge.yaml, or of an app")
    arguments.add_argument(
        "--event", metavar="JSON", default="{}", help="the event's values, a JSON object (default: {})"
    )
    arguments.add_argument(
        "--timeout", metavar="TIME", default="30s", help="longest wait for the outcome (default: 30s)"
    )
    options = arguments.with_config().with_json("the outcome's envelope").parse_args(words)
    values = _values(arguments, options.event)
    try:
        timeout = parse_duration(options.timeout)
    except ValueError as error:
        arguments.error(f"--timeout: {error}")
    gateway = Gateway(options.config)
    try:
        envelope = gateway.ask("fire", task=options.task, values=values, wait=timeout, timeout=timeout + 10.0)
    except RuntimeUnreachable:
        envelope = _fire_alone(gateway, options.task, values, timeout)
    data = envelope["data"]
    if options.json:
        say_json(envelope)
    else:
        failed = data["error"]  # the type too: all that a KeyError says is the key
        text = f"{failed['type']}: {failed['message']}" if failed else orjson.dumps(data["result"]).decode()
        good = data["status"] == "success"
        say(f"{paint(data['status'], 'green' if good else 'red')}  {text}")
        if "partial" in data:
            say(data["partial"])
        tried = data.get("attempts", 1)
        last = f" in the last of {tried} attempts" if tried > 1 else ""
        say(f"{options.task} took {data['duration_ms']:g} ms{last}; `edge journal show {envelope['id']}`")
    return FINE if data["status"] in ("success", "partial") else DEGRADED


def _values(arguments: Arguments, text: str) -> dict[str, Any]:
    try:
        values = orjson.loads(text)
    except ValueError as error:
        arguments.error(f"--event is not JSON: {error}")
    if not isinstance(values, dict):
        arguments.error("--event takes a JSON object, such as '{\"temperature\": 31.5}'")
    return values


def _fire_alone(gateway: Gateway, task: str, values: dict[str, Any], timeout: float) -> dict[str, Any]:
    """A whole runtime for a moment: so the outcome is as durable, and the task as limited, as ever."""
    from edge.app import build
    from edge.outside import Outside

    _is_app(gateway, task)
    note(f"no runtime runs for {gateway.file}: starting one for this run, with the hardware and links it configures")
    runtime = build(gateway.full, Outside.real())
    try:
        runtime.start()
        return runtime.desk.fire(task, values, timeout=timeout)
    finally:
        runtime.stop()


def _is_app(gateway: Gateway, name: str) -> bool:
    """Whether it is an installed app and no task of edge.yaml. Raises Stop when it is neither."""
    tasks = gateway.config.tasks
    if name in tasks:
        return False
    apps = installed(gateway)
    if name not in apps:
        known = [*tasks, *apps]
        raise Stop(
            f"{gateway.file}: no task called {name!r}; {did_you_mean(name, known, f'there are {listed(known)}')}"
        )
    return True


def _trigger(one: dict[str, Any], settings: TaskSettings | None) -> str:
    """`settings`: those of edge.yaml, which names no app."""
    app = one.get("app")
    text = f"runs {when(settings or TaskSettings.model_validate({'when': one['when']}))}"
    return f"{text}; app, version {app['version']}{', trial' if app.get('trial') else ''}" if app else text


def _tasks(gateway: Gateway) -> list[dict[str, Any]]:
    """As the runtime tells it; without one, as configured."""
    try:
        found: list[dict[str, Any]] = gateway.ask("tasks")
    except RuntimeUnreachable:
        return [
            {"name": name, "run": settings.run or name, **shown(settings)}
            for name, settings in gateway.config.tasks.items()
        ]
    return found


def _so_far(one: dict[str, Any]) -> str:
    """`12 success, 3 timeout; open: 3 timeouts in a row`."""
    counts: dict[str, int] = one.get("counts") or {}
    text = ", ".join(f"{number} {status}" for status, number in counts.items() if number) or "none yet"
    return f"{text}; {paint(one['blocked'], 'yellow')}" if one.get("blocked") else text
