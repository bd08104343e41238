"""The small parts: what filters cover, shapes of results, keys and signatures, the rules of edge.yaml, a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import crypto
from edge.apps import Manifest, Running, complete, dry_run, judge, pack, unpack
from edge.apps.shape import annotation
from edge.config.check import load
from edge.config.keys import parse_key
from edge.config.tasks import Grant, Limits, TaskSettings, When
from edge.config.topics import filter_problem, includes, overlap
from edge.context import Context
from edge.model import Event, EventKind
from edge.runs.engine import Program
from edge.runs.inline import Inline
from edge.runs.results import checked
from edge.runs.run import Ending, Run
from edge.runs.sandbox.engine import Sandbox
from edge.testing.clock import VirtualClock
from tests.unit.apps.conftest import KEYS, PRIVATE, SOURCE, manifest

# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outer", "inner", "whether"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/+", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/#", True),
        ("a/#", "a/+/c/#", True),
        ("a/#", "+/b", False),
        ("a/#", "#", False),
        ("+/b", "#", False),
        ("#", "a/+/b", True),
        ("#", "$SYS/load", False),
        ("+/load", "$SYS/load", False),
        ("$SYS/#", "$SYS/load", True),
    ],
)
def test_one_filter_covers_another(outer: str, inner: str, whether: bool) -> None:
    assert includes(outer, inner) is whether


levels = st.sampled_from(["a", "b", "+", "$s"])
topics = st.lists(st.sampled_from(["a", "b", "$s", "c"]), min_size=1, max_size=3).map("/".join)
filters = st.tuples(st.lists(levels, min_size=1, max_size=3), st.booleans()).map(
    lambda parts: "/".join([*parts[0], "#"] if parts[1] else parts[0])
)


@given(filters, filters, topics)
def test_what_is_covered_lets_no_topic_out(outer: str, inner: str, topic: str) -> None:
    assert not filter_problem(outer)
    if includes(outer, inner) and overlap(inner, topic):
        assert overlap(outer, topic)


# -- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        ("number", 1.5, "1.5"),
        ("number", 2, True),
        ("integer", 2, 2.5),
        ("boolean", True, 1),
        ("null", None, 0),
        ("any", {"x": [1]}, float("nan")),
        (["number"], [1.0, 2], [1.0, "2"]),
        ({"a": "number", "b?": "string"}, {"a": 1.0}, {"b": "x"}),
        ({"a": "number"}, {"a": 1.0}, {"a": 1.0, "b": 2}),
        ({"a": [{"b": "boolean"}]}, {"a": [{"b": True}]}, {"a": [{"b": "yes"}]}),
    ],
)
def test_a_shape_takes_what_it_says_and_nothing_else(shape: Any, good: Any, bad: Any) -> None:
    check = checked(annotation(shape))
    assert orjson.loads(check(good)) == good
    if bad == bad:  # NaN is kept out by the sandbox's own reading of results
        with pytest.raises(ValueError, match="declares"):
            check(bad)


@pytest.mark.parametrize("shape", ["colour", [], ["any", "any"], {}, 5, None, {"?": "any"}, [[[[[[[[[["any"]]]]]]]]]]])
def test_what_is_no_shape(shape: Any) -> None:
    with pytest.raises(ValueError, match="shape"):
        annotation(shape)


# -- keys and parcels -------------------------------------------------------------------------------------------------


def test_a_new_pair_signs_and_verifies_and_another_does_not() -> None:
    private, public = crypto.generate()
    signature = crypto.sign(private, b"data")
    assert crypto.verify(public, signature, b"data")
    assert not crypto.verify(public, signature, b"date")
    assert not crypto.verify(crypto.generate()[1], signature, b"data")
    assert not crypto.verify(b"short", signature, b"data")
    assert not crypto.verify(public, b"short", b"data")


def test_signatures_are_those_of_the_standard() -> None:
    """RFC 8032, section 7.1, test 1."""
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b"
    )
    assert crypto.sign(private, b"") == signature
    assert crypto.verify(public, signature, b"")


def test_a_parcel_arrives_as_it_was_packed() -> None:
    data = manifest(description='über "alles"\n')
    parcel = unpack(pack(data, SOURCE, "ops", PRIVATE), 64_000)
    assert (parcel.manifest, parcel.source, parcel.key) == (data, SOURCE, "ops")
    assert crypto.verify(parse_key(KEYS["ops"]), parcel.signature, data)


def test_what_a_person_leaves_out_is_filled_in() -> None:
    fields = {"name": "look", "version": 1, "when": {"every": "1m"}}
    assert Manifest.parse(complete(fields, SOURCE, "box"), "box").edge == "box"


# -- the rules of edge.yaml -------------------------------------------------------------------------------------------

YAML = """
edge: {id: box, backend: sim}
mqtt: {broker: mqtt://localhost, subscribe: {vibration: {topic: plant/v}}}
devices:
  air: {driver: bme280, bus: i2c-1}
  fan: {driver: relay, pin: 27}
"""


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"source": "air", "channel": "temperature", "above": 30}, ""),
        ({"source": "vibration", "field": "rms", "above": 4.5}, ""),
        ({"every": "1m"}, ""),
        ({"source": "air", "above": 30}, "several channels"),
        ({"source": "air", "channel": "warmth"}, "no channel 'warmth'"),
        ({"source": "vibration", "channel": "rms"}, "fields, not channels"),
        ({"source": "air", "channel": "temperature", "above": 3, "below": 1}, "above and below"),
        ({"source": "door"}, "no device or source called 'door'"),
        ({"cron": "61 * * * *"}, "no cron expression"),
        ({"cron": "1 * * * *", "timezone": "Mars/Base"}, "no time zone"),
        ({}, "nothing starts this task"),
        ({"every": None}, "nothing starts this task"),
        ({"source": None, "equals": 0}, "without a source"),
    ],
)
def test_a_trigger_is_judged_as_one_of_edge_yaml(tmp_path: Path, when: dict[str, Any], words: str) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(YAML)
    said = judge(load(file))("look", TaskSettings(when=When.model_validate(when), engine="sandbox"))
    assert (words in said) if words else said == ""


# -- dry runs ---------------------------------------------------------------------------------------------------------

BODY = """from edge import Context, Event, task

@task
def look(event: Event, ctx: Context) -> dict[str, float]:
    {body}
"""


@pytest.fixture(scope="module")
def sandbox() -> Any:
    engine = Sandbox()
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ('return {"celsius": event.values["temperature"]}', ""),
        ('ctx.device("fan").on(); ctx.publish("plant/fan", 1); return {}', ""),
        ('return {"last": ctx.device("fan").read()["on"]}', ""),
        ('return {"rms": event.values["rms"]}', "KeyError"),
        ('return {"celsius": "warm"}', "celsius"),
        ('ctx.publish("other", 1); return {}', "NotGranted"),
        ('ctx.device("pump").on(); return {}', "NotGranted"),
        ('return {"last": ctx.device("door").read()["open"]}', None),
        ("while True: pass", "limits.time"),
    ],
)
def test_a_dry_run_says_what_would_happen_and_moves_nothing(sandbox: Any, body: str, verdict: str | None) -> None:
    settings = TaskSettings(
        when=When(source="air"),
        engine="sandbox",
        grant=Grant(devices=["fan", "door"], publish=["plant/#"], tools=["weather"]),
        limits=Limits(time="200ms"),  # type: ignore[arg-type]
        memory={},  # type: ignore[arg-type]
    )
    app = Running(name="look", version=1, trial=False, settings=settings, source=BODY.format(body=body).encode())
    readings: dict[str, dict[str, float | bool]] = {"fan": {"on": 1.0}}
    rehearse = dry_run(sandbox, VirtualClock(), overlap, lambda device: readings.get(device, {}))
    event = Event("e1", "air", EventKind.READING, {"temperature": 31.0}, 0.0, 0.0)
    said = rehearse(app, event)
    if verdict:
        assert said is not None
        assert verdict in said
    else:
        assert said == verdict


class Called:
    """An engine whose program is a function of the test."""

    name = "called"

    def __init__(self, function: Any) -> None:
        self._function = function

    def load(self, name: str, settings: TaskSettings, folder: Path) -> Program:
        raise NotImplementedError

    def load_source(self, name: str, source: bytes, settings: TaskSettings, output: Any = None) -> Program:
        return Program(self._function, checked(Any), f"{name}.py", raw=False)

    def run(self, run: Run, ctx: Context) -> Ending:
        return Inline().run(run, ctx)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        (lambda event, ctx: ctx.tool("weather").get("/today"), None),
        (lambda event, ctx: ctx.tool("sql").get("/today"), "NotGranted"),
        (lambda event, ctx: ctx.memory.append(event.values) or 1 / len(ctx.memory.search("TEMP")), ""),
        (lambda event, ctx: 1 / len(ctx.memory.read()), "ZeroDivisionError"),
        (lambda event, ctx: ctx.readings["air"]["temperature"], "KeyError"),
        (lambda event, ctx: ctx.recalled[0], "IndexError"),
    ],
)
def test_in_a_dry_run_tools_do_not_answer_and_memory_begins_empty(function: Any, verdict: str | None) -> None:
    settings = TaskSettings(
        when=When(source="air"),
        grant=Grant(tools=["weather"]),
        memory={},  # type: ignore[arg-type]
    )
    app = Running(name="look", version=1, trial=False, settings=settings, source=b"")
    event = Event("e1", "air", EventKind.READING, {"temperature": 31.0}, 0.0, 0.0)
    said = dry_run(Called(function), VirtualClock(), overlap, lambda device: {})(app, event)
    assert (verdict in said) if verdict and said else said == verdict


def test_the_manifests_output_counts_instead_of_the_annotation(sandbox: Any) -> None:
    settings = TaskSettings(when=When(source="air"), engine="sandbox")
    source = BODY.format(body='return {"celsius": 1.0}').encode()
    rehearse = dry_run(sandbox, VirtualClock(), overlap, lambda device: {})
    event = Event("e1", "air", EventKind.READING, {}, 0.0, 0.0)
    for shape, fits in (({"celsius": "number"}, True), ({"fan": "boolean"}, False)):
        app = Running(name="look", version=1, trial=False, settings=settings, source=source, output=annotation(shape))
        assert (rehearse(app, event) == "") is fits
