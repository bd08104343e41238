"""Every verb on one line: its name, where its function stands, and what it does.

The function takes the words after the verb and returns the exit code. Its module is imported when the verb is used,
so that a verb costs the others nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """`place` is `module:function`."""

    place: str
    summary: str


VERBS = {
    "run": Verb("edge.cli.run:run", "run the gateway until it is told to stop"),
    "check": Verb("edge.cli.check:check", "say everything that is wrong with a configuration, or what it does"),
    "demo": Verb("edge.demo.verb:demo", "the main job in a minute: a simulated greenhouse, brokers and receiver"),
    "init": Verb("edge.cli.init:init", "write a starter folder: configuration, task, test"),
    "doctor": Verb("edge.cli.doctor:doctor", "examine this machine: buses, pins, clock, disk, broker, service"),
    "status": Verb("edge.cli.status:status", "what works and what does not, part by part"),
    "devices": Verb("edge.cli.devices:devices", "sensors and outputs with their last values"),
    "devices kinds": Verb("edge.cli.kinds:kinds", "every driver there is, and what one can be told"),
    "devices scan": Verb("edge.cli.scan:scan", "what is connected, with a line for edge.yaml each"),
    "devices recover": Verb("edge.cli.scan:recover", "free an I2C bus that hangs: nine clocks"),
    "read": Verb("edge.cli.devices:read", "sample one device now"),
    "set": Verb("edge.cli.devices:set_", "set one output now"),
    "outputs safe": Verb("edge.cli.devices:safe", "put every output into its safe state"),
    "record": Verb("edge.cli.record:record", "write what buses and pins say into a file that tests play back"),
    "tasks": Verb("edge.cli.tasks:tasks", "micro-apps: what starts them and how their runs ended"),
    "tasks show": Verb("edge.cli.tasks:show", "one micro-app: trigger, limits, and all it may touch"),
    "tasks reset": Verb("edge.cli.tasks:reset", "close the breaker of a micro-app that was left alone"),
    "fire": Verb("edge.cli.tasks:fire", "run one micro-app now, with an event made by hand"),
    "apps install": Verb("edge.cli.apps:install", "install a micro-app while the gateway runs; sandbox, for ever"),
    "apps list": Verb("edge.cli.apps:list_", "installed micro-apps: version, state, runs, what is left of their life"),
    "apps show": Verb("edge.cli.apps:show", "one of them: grants, limits, trial, and who did what to it"),
    "apps remove": Verb("edge.cli.apps:remove", "take one away"),
    "apps promote": Verb("edge.cli.apps:promote", "make one stay, with an owner"),
    "apps rollback": Verb("edge.cli.apps:rollback", "go back to the version before"),
    "apps keygen": Verb("edge.cli.packing:keygen", "make a key that signs apps"),
    "apps pack": Verb("edge.cli.packing:pack", "sign one: prints the MQTT message that installs it"),
    "journal stats": Verb("edge.cli.journal:stats", "accepted, delivered, pending, dropped; does it add up"),
    "journal list": Verb("edge.cli.journal:list_", "outcomes in the journal, oldest first"),
    "journal show": Verb("edge.cli.journal:show", "one outcome in full"),
    "journal verify": Verb("edge.cli.journal:verify", "read every frame and check every checksum"),
    "journal repair": Verb("edge.cli.mending:repair", "write damaged files anew with all that is intact"),
    "journal export": Verb("edge.cli.export:export", "outcomes as JSON lines, CSV or a stock TinyDB file"),
    "journal import": Verb("edge.cli.mending:import_", "take in outcomes that were exported"),
    "journal requeue": Verb("edge.cli.mending:requeue", "deliver dead letters, or another upstream's backlog"),
    "sync status": Verb("edge.cli.sync:status", "every upstream: state, pending, delivered"),
    "sync now": Verb("edge.cli.sync:now", "try to deliver now instead of waiting"),
    "sync pause": Verb("edge.cli.sync:pause", "keep outcomes here until `resume`"),
    "sync resume": Verb("edge.cli.sync:resume", "deliver again"),
    "bench": Verb("edge.bench.verb:bench", "measure this machine: the same as `bench path`"),
    "bench path": Verb("edge.bench.verb:bench", "the whole path beside a bare MQTT client"),
    "bench journal": Verb("edge.bench.journal:journal", "the journal beside the bare disk, SQLite, stock TinyDB"),
    "bench drivers": Verb("edge.bench.drivers:drivers", "readings, edges and virtual time beside the bare thing"),
    "bench runs": Verb("edge.bench.runs:runs", "a run in each engine beside the bare thing: cost, lateness, memory"),
    "collect": Verb("edge.collect.verb:collect", "receive outcomes from a broker into a SQLite file, each once"),
    "config schema": Verb("edge.cli.check:schema", "the JSON Schema of edge.yaml, for editors"),
}

_EPILOGUE = """\
`edge VERB --help` explains a verb. The configuration is `-c FILE`, else $EDGE_CONFIG, ./edge.yaml or
/etc/edge/edge.yaml. Exit codes: 0 fine, 1 your mistake, 2 wrong usage, 3 degraded or damaged."""

Found = tuple[str, Verb | None, list[str]]


def find(words: list[str]) -> Found | str:
    """The verb that `words` begin with and the words after it, or a sentence that says why there is none.

    A first half alone (`edge journal`) gives None as verb; the words after it are then empty, or ask for help.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in VERBS and len(words) >= length:
            return name, VERBS[name], words[length:]
    group = words[0]
    halves = [name.partition(" ")[2] for name in VERBS if name.startswith(f"{group} ")]
    if not halves:
        return _unknown(group, sorted({name.partition(" ")[0] for name in VERBS}), "edge")
    if len(words) == 1 or words[1] in ("-h", "--help"):
        return group, None, words[1:]
    return _unknown(words[1], halves, f"edge {group}")


def overview(group: str = "") -> str:
    """The help of the command, or of the verbs that begin with one word."""
    chosen = {name: verb for name, verb in VERBS.items() if not group or name.split(" ")[0] == group}
    width = max(map(len, chosen))
    lines = [f"  {name:<{width}}  {verb.summary}" for name, verb in chosen.items()]
    usage = f"usage: edge {f'{group} ' if group else ''}VERB [options]"
    title = [] if group else ["Edge runtime: events start constrained micro-apps whose outcomes survive outages.", ""]
    return "\n".join([usage, "", *title, *lines, "", _EPILOGUE])


def _unknown(word: str, known: list[str], prefix: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    hint = f"did you mean `{prefix} {near[0]}`?" if near else f"there are {', '.join(known)}"
    kind = "option" if word.startswith("-") else "verb"
    return f"{prefix} has no {kind} {word!r}; {hint}"
