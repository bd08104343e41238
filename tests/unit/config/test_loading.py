"""What a file that is right becomes; what the environment and secrets add; and that nothing else ever escapes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from edge.config import Config, check, examine, load, schema
from edge.errors import ConfigError
from tests.unit.config.mistakes import HEAD, MISTAKES, MQTT, PARTS

Write = Callable[[str], Path]

# Section 8 of the architecture, without what this version does not have: sandbox, tools, memory.
EXAMPLE = """\
edge: {id: workshop-pi, backend: real}
mqtt:
  broker: mqtt://localhost:1883
  subscribe:
    vibration: {topic: "plant/+/vibration", qos: 1}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
  door:     {driver: contact, pin: 17, pull: up, debounce: 50ms}
  fan:      {driver: relay, pin: 27, safe: "off"}
tasks:
  overheat:
    run:    "./tasks/app.py:run"
    when:   {source: workshop, channel: temperature, above: 30, clear: 28, for: 10s}
    grant:  {devices: [fan], publish: ["plant/fan"]}
    limits: {time: 2s, per_minute: 6}
    cooldown: 5m
  bearing_check:
    run:    "./tasks/app.py:run"
    when:   {source: vibration, field: rms, above: 4.5}
    limits: {time: 100ms, calls: 50}
  nightly:  {when: {cron: "30 2 * * *"}, run: "./tasks/app.py:run"}
journal:  {path: data/journal, max_size: 256MB, when_full: drop_oldest, durability: fsync}
upstream: {kind: mqtt, broker: mqtts://cloud.example:8883, topic: "edge/{id}/outcomes", every: 30s, batch: 100}
metrics:  {listen: "127.0.0.1:9464"}
"""


def test_the_example_of_the_architecture_loads_as_it_says(write: Write, tmp_path: Path) -> None:
    config = load(write(EXAMPLE), environ={})

    workshop, overheat = config.devices["workshop"], config.tasks["overheat"]
    assert (workshop.address, workshop.every) == (0x48, 5.0)
    assert config.devices["door"].debounce == pytest.approx(0.05)
    assert config.devices["door"].options == {"pull": "up"}
    assert config.devices["fan"].options == {"safe": "off"}
    assert (overheat.when.above, overheat.when.clear, overheat.when.for_) == (30, 28, 10)
    assert (overheat.limits.time, overheat.cooldown) == (2, 300)
    assert overheat.run == f"{tmp_path}/tasks/app.py:run"
    assert config.journal.path == f"{tmp_path}/data/journal"
    assert config.upstream["default"].topic == "edge/workshop-pi/outcomes"
    assert config.metrics is not None


def test_a_loaded_configuration_written_out_loads_as_the_same(write: Write) -> None:
    first = load(write(EXAMPLE), environ={})

    written = json.dumps(first.model_dump(mode="json", by_alias=True, exclude_unset=True))

    assert load(write(written), environ={}) == first  # JSON is YAML


def test_relative_paths_start_at_the_folder_of_the_file_wherever_the_program_runs(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(HEAD + "journal: {path: here}\n")
    monkeypatch.chdir(tmp_path.parent)

    assert load(f"{tmp_path.name}/edge.yaml", environ={}).journal.path == str(tmp_path / "here")


def test_the_gateways_id_is_filled_in_literally_and_nothing_else_is(write: Write) -> None:
    text = HEAD + "mqtt: {broker: 'mqtt://b', subscribe: {s: {topic: 'in/{id}/#'}}}\n"
    text += "tasks: {t: {when: {source: s}, run: './tasks/app.py:run', grant: {publish: ['out/{id}']}}}\n"
    text += "upstream: {kind: mqtt, broker: 'mqtt://c'}\n"

    config = load(write(text), environ={})

    assert config.mqtt is not None
    assert config.mqtt.subscribe["s"].topic == "in/pi/#"
    assert config.tasks["t"].grant.publish == ["out/pi"]
    assert config.upstream["default"].topic == "edge/pi/outcomes"


def test_upstream_is_one_mapping_or_several_by_name(write: Write) -> None:
    one = load(write(HEAD + "upstream: {kind: mqtt, broker: 'mqtt://a'}\n"), environ={})
    two = load(
        write(HEAD + "upstream: {b: {kind: mqtt, broker: 'mqtt://b'}, c: {kind: mqtt, broker: 'mqtt://c'}}\n"),
        environ={},
    )

    assert list(one.upstream) == ["default"]
    assert list(two.upstream) == ["b", "c"]


def test_on_and_off_are_text_and_numbers_may_be_hexadecimal(write: Write) -> None:
    config = load(write(HEAD + "devices: {fan: {driver: relay, pin: 0x1b, safe: off}}\n"), environ={})

    assert config.devices["fan"].pin == 27
    assert config.devices["fan"].options == {"safe": "off"}


# -- the environment --------------------------------------------------------------------------------------------------


def test_a_variable_replaces_a_value_of_the_file(write: Write) -> None:
    environ = {
        "EDGE__MQTT__BROKER": "mqtt://other:1884",
        "EDGE__DEVICES__FAN__PIN": "22",
        "EDGE__EDGE__ID": '"7"',
        "EDGE__JOURNAL__MAX_SIZE": "1MB",
        "EDGE__UPSTREAM__BATCH": "10",
        "EDGE_OTHER": "not ours",
    }

    config = load(write(HEAD + MQTT + PARTS + "upstream: {kind: mqtt, broker: 'mqtt://c'}\n"), environ=environ)

    assert config.mqtt is not None
    assert config.mqtt.broker == "mqtt://other:1884"
    assert config.devices["fan"].pin == 22
    assert config.edge.id == "7"
    assert config.journal.max_size == 1_000_000
    assert config.upstream["default"].batch == 10
    assert config.upstream["default"].topic == "edge/7/outcomes"


def test_a_variable_reaches_every_key_of_a_tool_s_kind(write: Write) -> None:
    text = HEAD + "tools: {state: {kind: kv}}\n"

    config = load(write(text), environ={"EDGE__TOOLS__STATE__ENTRIES": "5", "EDGE__TOOLS__STATE__TIMEOUT": "2s"})

    assert config.tools["state"].model_dump(include={"entries", "timeout"}) == {"entries": 5, "timeout": 2.0}
    with pytest.raises(ConfigError, match="there is no 'hosts' here"):
        load(write(text), environ={"EDGE__TOOLS__STATE__HOSTS": "a"})


def test_an_underscore_finds_the_hyphen_of_a_name(write: Write) -> None:
    text = HEAD + "devices: {front-door: {driver: contact, pin: 4}}\n"

    config = load(write(text), environ={"EDGE__DEVICES__FRONT_DOOR__PIN": "5"})

    assert config.devices["front-door"].pin == 5


@pytest.mark.parametrize(
    ("variable", "value", "message", "hint"),
    [
        ("EDGE__MQTT__BROKR", "mqtt://b", "hits nothing: there is no 'brokr'", "did you mean 'broker'?"),
        ("EDGE__MQQT__BROKER", "mqtt://b", "hits nothing: there is no 'mqqt'", "did you mean 'mqtt'?"),
        ("EDGE__DEVICES__FAAN__PIN", "4", "hits nothing: there is no 'faan'", "did you mean 'fan'?"),
        ("EDGE__EDGE__ID__X", "4", "there are no keys below this one", "shorten"),
        ("EDGE__DEVICES__FAN__PIN", "40", "there is no pin 40", "BCM"),
        ("EDGE__DEVICES__FAN__PIN", "four", "whole number", "without quotes"),
        ("EDGE__MQTT__BROKER", "", "nothing stands after", "give a value"),
    ],
)
def test_a_variable_that_hits_nothing_or_is_wrong_is_named(
    write: Write, variable: str, value: str, message: str, hint: str
) -> None:
    problems = examine(write(HEAD + MQTT + PARTS), environ={variable: value}).problems

    named = [problem for problem in problems if problem.file == f"environment variable {variable}"]
    assert message in named[0].message
    assert hint in named[0].hint


# -- secrets ----------------------------------------------------------------------------------------------------------

NEEDS = HEAD + "mqtt: {broker: 'mqtt://b', user: me, password: !secret mqtt-password}\n"


def test_a_secret_comes_from_systemd_then_the_environment_then_secrets_yaml(write: Write, tmp_path: Path) -> None:
    path, environ = write(NEEDS), {}

    def found() -> str:
        mqtt = load(path, environ=environ).mqtt
        assert mqtt is not None
        assert mqtt.password is not None
        return mqtt.password.get_secret_value()

    file = tmp_path / "secrets.yaml"
    file.write_text("mqtt-password: from-the-file\n")
    file.chmod(0o600)
    assert found() == "from-the-file"
    environ["EDGE_SECRET_MQTT_PASSWORD"] = "from-the-environment"
    assert found() == "from-the-environment"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mqtt-password").write_text("from-systemd\n")
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert found() == "from-systemd"


def test_a_missing_secret_names_the_three_places(write: Write, tmp_path: Path) -> None:
    [problem] = examine(write(NEEDS), environ={}).problems

    for place in ("systemd credential mqtt-password", "EDGE_SECRET_MQTT_PASSWORD", str(tmp_path / "secrets.yaml")):
        assert place in problem.hint


def test_secrets_that_everybody_may_read_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("mqtt-password: x\n")
    (tmp_path / "secrets.yaml").chmod(0o644)

    problems = examine(write(NEEDS), environ={}).problems

    assert "everybody on this machine" in problems[-1].message
    assert "chmod 600" in problems[-1].hint


def test_a_simulation_needs_no_secret_and_no_certificate(write: Write) -> None:
    text = HEAD + "mqtt: {broker: 'mqtts://b', ca: none.pem, user: me, password: !secret nobody}\n"

    config = load(write(text), environ={}, simulated=True)

    assert config.mqtt is not None
    assert config.mqtt.password == SecretStr("simulated")


@pytest.mark.parametrize(
    "text",
    [
        NEEDS,
        NEEDS.replace("!secret mqtt-password", "hunter2"),
        NEEDS.replace("user: me, ", "").replace("!secret mqtt-password", "hunter2"),
        NEEDS.replace("!secret mqtt-password", "[hunter2]"),
        NEEDS.replace("!secret mqtt-password", "{a: hunter2}"),
        NEEDS.replace("!secret mqtt-password}", "hunter2, version: !secret mqtt-password}"),
        NEEDS.replace("mqtt://b", "mqtt://me:hunter2@b"),
        NEEDS.replace("mqtt://b", "me:hunter2@b"),
        HEAD + 'mqtt:\n  password: "hunter2\n',
        HEAD + "mqtt:\n  password: hunter2: x\n",
        HEAD + "mqtt:\n  broker: mqtt://me:hunter2@b: x\n",
        HEAD + "devices: {a: {driver: contact, pin: !secret mqtt-password, pull: !secret mqtt-password}}\n",
        "edge: {id: !secret mqtt-password}\n",
        HEAD + "tasks: {a: {when: {source: !secret mqtt-password, equals: !secret mqtt-password}}}\n",
        HEAD + "metrics: {listen: !secret mqtt-password}\n",
        HEAD + "journal: {encrypt: {key: !secret mqtt-password}}\n",
        HEAD + "journal: {encrypt: {old_keys: [hunter2]}}\n",
        HEAD + "journal: {encrypt: {old_keys: hunter2}}\n",
        HEAD + "journal:\n  encrypt:\n    key: hunter2: x\n",
    ],
)
def test_no_secret_is_ever_shown(write: Write, text: str) -> None:
    examined = examine(write(text), environ={"EDGE_SECRET_MQTT_PASSWORD": "hunter2"})

    shown = [str(problem) for problem in examined.problems + examined.warnings]
    if examined.config is not None:
        shown += [repr(examined.config), str(examined.config), examined.config.model_dump_json()]
    assert shown
    assert "hunter2" not in "".join(shown)


# -- keys of the journal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["00ff" * 16, "AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=", " " + "00FF" * 16 + "\n"]
)
def test_a_key_is_32_bytes_in_base64_or_hexadecimal_digits(write: Write, text: str) -> None:
    path = write(HEAD + "journal: {encrypt: {key: !secret journal_key}}\n")

    journal = load(path, environ={"EDGE_SECRET_JOURNAL_KEY": text}).journal

    assert journal.keys == (b"\x00\xff" * 16, ())


def test_old_keys_alone_mean_that_new_files_are_plain(write: Write) -> None:
    path = write(HEAD + "journal: {encrypt: {old_keys: [!secret old]}}\n")

    assert load(path, environ={"EDGE_SECRET_OLD": "00ff" * 16}).journal.keys == (None, (b"\x00\xff" * 16,))


def test_who_may_not_read_a_key_has_none_and_never_a_stand_in(write: Write) -> None:
    path = write(HEAD + "journal: {encrypt: {key: !secret nobody, old_keys: [!secret nobody_else]}}\n")

    assert load(path, environ={}, simulated=True).journal.keys == (None, ())


# -- anything at all --------------------------------------------------------------------------------------------------

SPELLINGS = """
edge mqtt devices tasks journal upstream metrics id broker subscribe topic qos driver bus pin every when source above
below clear for each grant publish run limits time kind formerly listen pi tmp102 relay contact i2c-1 5s 1MB mqtt://b
40 -1 1e400 0x90 true null ~ yes .nan a/# + {id} {x} ./tasks/app.py:run ./tasks:x ! !secret !!int &a *a << --- ...
[ ] { } : , - | > ' " # % @ ?
"""
WORDS = st.sampled_from([*SPELLINGS.split(), " ", "\t", "\n", "\n  ", "\n    ", "\n      ", ": ", "- "])
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=60).map("".join)
KEYS = st.sampled_from(
    ["edge", "mqtt", "devices", "tasks", "upstream", "a", "id", "broker", "when", "source", "driver"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["relay", "5s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)
TREES = st.dictionaries(KEYS, VALUES, max_size=6).map(json.dumps)


@settings(deadline=None, max_examples=150)
@given(text=TEXTS | TREES | st.sampled_from([m.text for m in MISTAKES]).flatmap(lambda t: st.integers(0, len(t)).map(
    lambda cut: t[:cut] + t[cut + 1 :])))  # fmt: skip
def test_whatever_the_file_holds_only_a_configuration_error_comes_out(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    try:
        told = load(path, environ={})
    except ConfigError as error:
        told = error.problems

    assert isinstance(told, Config) or all(problem.message and problem.line >= 0 for problem in told)


@settings(deadline=None, max_examples=60)
@given(
    names=st.lists(KEYS | st.text("abcdefghijklmnopqrstuvwxyz_", max_size=6), min_size=1, max_size=4),
    value=st.text(max_size=8),
)
def test_whatever_the_environment_holds_only_a_configuration_error_comes_out(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], value: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fine.yaml"
    path.write_text(HEAD + MQTT + PARTS)
    variable = "EDGE__" + "__".join(names).upper()

    examined = examine(path, environ={variable: value})

    assert (examined.config is None) == bool(examined.problems)


def test_a_hostile_file_is_refused_at_once(write: Write) -> None:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for one, next in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{next}: &{next} [{','.join([f'*{one}'] * 9)}]\n"

    for text, message in (
        (laughs, "20,000 values"),
        ("a: " + "[" * 5000, "32 levels"),
        ("a: " + "x" * 600_000, "bytes"),
    ):
        assert message in check(write(text), environ={})[0].message


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_bytes(b"edge: {id: pi}\nmetrics: \xff\n")

    assert check(tmp_path / "edge.yaml", environ={})[0].line == 2
    assert "cannot be read" in check(tmp_path, environ={})[0].message


# -- the JSON Schema --------------------------------------------------------------------------------------------------


def test_the_schema_speaks_the_words_of_the_file() -> None:
    made = schema()

    assert "for" in made["$defs"]["When"]["properties"]
    assert "class" in made["$defs"]["TaskSettings"]["properties"]
    assert made["$defs"]["Limits"]["properties"]["time"]["type"] == "string"
    assert made["$defs"]["Limits"]["properties"]["time"]["default"] == "10s"
    assert made["$defs"]["JournalSection"]["properties"]["max_size"]["default"] == "256MB"
    assert {"$ref": "#/$defs/MqttUpstream"} in made["properties"]["upstream"]["anyOf"]
    assert made["required"] == ["edge"]
    assert all("description" in field for model in made["$defs"].values() for field in model["properties"].values())
    json.dumps(made)


def test_loading_reads_the_environment_of_the_process_unless_told(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE__EDGE__ID", "other")

    assert load(write(HEAD)).edge.id == "other"
    assert "EDGE__EDGE__ID" in os.environ


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("written", {"alarm": "written", "telemetry": "written", "publish": "written"}),
        ("{telemetry: written}", {"alarm": "fsync", "telemetry": "written", "publish": "fsync"}),
    ],
)
def test_durability_is_one_word_for_all_or_a_word_for_a_class(
    write: Write, written: str, levels: dict[str, str]
) -> None:
    config = load(write(f"edge: {{id: pi}}\njournal: {{durability: {written}}}\n"), environ={})

    assert config.journal.durability.model_dump() == levels
