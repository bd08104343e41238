"""Devices and tasks from the command line: through the runtime where one runs, else on the hardware itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers import Nack, SimBus
from edge.cli.devices import value_of
from edge.cli.hardware import outside
from edge.errors import EdgeError
from tests.unit.cli.conftest import STARTER, Edge, Serving

READING = {
    "device": "room",
    "time": "2026-11-21T09:00:00.000Z",
    "values": {"temperature": 21.5},
    "units": {"temperature": "degC"},
    "quality": "synced",
}


@pytest.fixture(autouse=True)
def fresh_wires() -> None:
    """Simulated pins of one test are not those of the next."""
    outside.cache_clear()


@pytest.fixture(autouse=True)
def no_broker(folder: Path) -> None:
    lines = STARTER.replace(', publish: ["plant/fan"]', "").splitlines()
    (folder / "edge.yaml").write_text("\n".join(line for line in lines if not line.startswith("mqtt")))


# -- through the runtime --------------------------------------------------------------------------------------------


def test_a_reading_comes_from_the_runtime_where_one_runs(serving: Serving, edge: Edge) -> None:
    serving({"read": lambda device: {**READING, "device": device}})
    page, as_json = edge("read", "room"), edge("read", "room", "--json")

    assert page.out == "temperature  21.5 degC\n"
    assert page.err == ""
    assert json.loads(as_json.out) == READING


def test_a_value_arrives_as_what_it_is(serving: Serving, edge: Edge) -> None:
    got: list[Any] = []

    def set_(device: str, value: Any) -> dict[str, Any]:
        got.append(value)
        return {"device": device, "value": value}

    serving({"set": set_})
    for word in ("on", "true", "3", "0.5"):
        assert edge("set", "fan", word).out == f"fan is set to {word}\n"

    assert got == ["on", True, 3, 0.5]
    assert json.loads(edge("set", "fan", "on", "--json").out) == {"device": "fan", "value": "on", "kept": True}


@pytest.mark.parametrize(
    ("told", "values", "shown"),
    [("off", {}, "told off"), ("off", {"on": True}, "yes"), (None, {}, "ok")],
)
def test_an_output_that_nobody_samples_shows_what_it_was_told(
    serving: Serving, edge: Edge, told: str | None, values: dict[str, bool], shown: str
) -> None:
    device = {"name": "it", "driver": "relay", "place": "GPIO27", "backend": "sim", "channels": {"on": "bool"},
              "output": True, "state": "ok", "values": values, "told": told}  # fmt: skip
    serving({"devices": lambda: [device]})

    assert edge("devices").out.rstrip().endswith(shown)


@pytest.mark.parametrize(
    ("error", "code"), [(EdgeError("no device called 'rom'; did you mean 'room'?"), 1), (Nack("nobody answered"), 3)]
)
def test_a_refusal_is_the_callers_mistake_or_the_hardwares(
    serving: Serving, edge: Edge, error: Exception, code: int
) -> None:
    def read(device: str) -> None:
        raise error

    serving({"read": read})
    said = edge("read", "rom")

    assert said.code == code
    assert str(error) in said.err


def test_outputs_that_could_not_be_made_safe_are_exit_3(serving: Serving, edge: Edge) -> None:
    results = [{"device": "fan", "safe": True, "error": None}]
    serving({"outputs_safe": lambda: results})
    assert (edge("outputs", "safe").code, edge("outputs", "safe").out) == (0, "fan  safe\n")

    results.append({"device": "valve", "safe": False, "error": "nobody answered"})
    said = edge("outputs", "safe")
    assert said.code == 3
    assert "valve  failed: nobody answered" in said.out


def test_a_fired_task_answers_with_its_outcome(serving: Serving, edge: Edge) -> None:
    data: dict[str, Any] = {"status": "success", "error": None, "result": {"fan": True}, "duration_ms": 0.4}
    got: list[Any] = []

    def fire(task: str, values: dict[str, Any], wait: float) -> dict[str, Any]:
        got.append((task, values, wait))
        return {"id": "bench:01", "data": data}

    serving({"fire": fire})
    said = edge("fire", "overheat", "--event", '{"temperature": 31.5}', "--timeout", "2s")
    assert "overheat took 0.4 ms; " in said.out
    data |= {"attempts": 3, "status": "timeout", "error": {"type": "RunTimeout", "message": "took longer than 2s"}}
    failed = edge("fire", "overheat")

    assert got == [("overheat", {"temperature": 31.5}, 2.0), ("overheat", {}, 30.0)]
    assert said.out.startswith('success  {"fan":true}\n')
    assert "edge journal show bench:01" in said.out
    assert (said.code, failed.code) == (0, 3)
    assert failed.out.startswith("timeout  RunTimeout: took longer than 2s\n")
    assert "overheat took 0.4 ms in the last of 3 attempts; " in failed.out


def test_a_task_that_is_left_alone_is_shown_and_reset(serving: Serving, edge: Edge) -> None:
    one = {"name": "overheat", "run": "x", "counts": {"timeout": 3}, "blocked": "open: 3 timeouts in a row"}
    reset: list[str] = []
    serving({"tasks": lambda: [one], "tasks_reset": lambda task: reset.append(task) or {"task": task}})

    assert "3 timeout; open: 3 timeouts in a row" in edge("tasks").out
    assert "3 timeout; open: 3 timeouts in a row" in edge("tasks", "show", "overheat").out
    assert edge("tasks", "reset", "overheat").out == "the breaker of overheat is closed\n"
    assert reset == ["overheat"]


def test_sync_is_steered_and_shown(serving: Serving, edge: Edge) -> None:
    asked: list[tuple[str, str | None]] = []

    def sync(action: str, upstream: str | None) -> list[dict[str, Any]]:
        asked.append((action, upstream))
        return [{"name": "default", "state": "connected", "pending": 7, "delivered": 2, "paused": action == "pause",
                 "last_error": None}]  # fmt: skip

    serving({"sync": sync})
    paused, resumed = edge("sync", "pause"), edge("sync", "resume", "default")

    assert asked == [("pause", None), ("resume", "default")]
    assert paused.out.splitlines()[1].split() == ["default", "paused", "7", "2"]
    assert resumed.out.splitlines()[1].split() == ["default", "connected", "7", "2"]


# -- without one ----------------------------------------------------------------------------------------------------


def test_without_a_runtime_the_hardware_is_opened_and_that_is_said(edge: Edge) -> None:
    said = edge("read", "room", "--json")

    assert said.code == 0
    assert set(json.loads(said.out)) == set(READING)
    assert said.err == "edge: no runtime runs for edge.yaml: opening the hardware directly\n"


def test_an_output_set_without_a_runtime_is_safe_again_when_the_command_ends(edge: Edge) -> None:
    said = edge("set", "fan", "on", "--hold", "10ms")

    assert said.out == "fan was set to on for 10ms, and is safe again\n"
    assert "no runtime is there to hold it longer" in said.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("read", "rom"), 1, "no device called 'rom'; did you mean 'room'?"),
        (("set", "room", "on"), 1, "it cannot be set"),
        (("set", "fan", "maybe"), 1, "a relay takes"),
        (("fire", "overhaet"), 1, "no task called 'overhaet'; did you mean 'overheat'?"),
        (("tasks", "show", "overhaet"), 1, "did you mean 'overheat'?"),
        (("tasks", "reset", "overheat"), 3, "no runtime runs"),
    ],
)
def test_mistakes_are_sentences_without_a_runtime_too(edge: Edge, words: tuple[str, ...], code: int, says: str) -> None:
    said = edge(*words)

    assert said.code == code
    assert says in said.err
    assert "Traceback" not in said.err


def test_a_sensor_that_is_not_there_is_exit_3(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def transfer(self: SimBus, address: int, write: bytes, read: int = 0) -> bytes:
        raise Nack("i2c-1: nobody answered at 0x48")

    monkeypatch.setattr(SimBus, "transfer", transfer)
    said = edge("read", "room")

    assert said.code == 3
    assert "room: i2c-1: nobody answered at 0x48" in said.err


def test_outputs_are_made_safe_without_a_runtime(edge: Edge) -> None:
    said = edge("outputs", "safe", "--json")

    assert said.code == 0
    assert json.loads(said.out) == [{"device": "fan", "safe": True, "error": None}]


def test_a_task_fired_without_a_runtime_leaves_its_outcome_in_the_journal(edge: Edge) -> None:
    said = edge("fire", "overheat", "--event", '{"temperature": 31.5}', "--json")
    envelope = json.loads(said.out)

    assert said.code == 0
    assert "starting one for this run" in said.err
    assert envelope["data"]["result"] == {"temperature": 31.5}
    assert json.loads(edge("journal", "show", envelope["id"], "--json").out) == envelope


def test_devices_and_tasks_are_listed_from_the_configuration(edge: Edge) -> None:
    devices, tasks = edge("devices"), edge("tasks")
    [room, fan] = json.loads(edge("devices", "--json").out)
    [task] = json.loads(edge("tasks", "--json").out)

    assert [line.split() for line in devices.out.splitlines()[1:]] == [
        ["room", "tmp102", "i2c-1", "0x48", "sim", "not", "running"],
        ["fan", "relay", "GPIO27", "sim", "not", "running"],
    ]
    assert (room["output"], fan["output"]) == (False, True)
    assert "runs when room temperature becomes greater than 30" in tasks.out
    assert {kind: names for kind, names in task["grant"].items() if names} == {"devices": ["fan"]}


def test_least_privilege_is_visible(edge: Edge) -> None:
    lines = edge("tasks", "show", "overheat").out.splitlines()

    assert "may       read and set fan" in lines
    assert "may not   anything else" in lines


@pytest.mark.parametrize(
    ("word", "value"),
    [("on", "on"), ("true", True), ("false", False), ("1", 1), ("-0.5", -0.5), ("1e3", 1000.0), ("eco", "eco")],
)
def test_a_word_is_the_value_a_person_means(word: str, value: object) -> None:
    assert value_of(word) == value
    assert type(value_of(word)) is type(value)


def test_a_task_whose_result_is_not_good_says_why(folder: Path, edge: Edge) -> None:
    (folder / "edge.yaml").write_text(STARTER.replace("    grant:", "    check: result.temperature > 99\n    grant:"))

    said = edge("fire", "overheat", "--event", '{"temperature": 31.5}')

    assert said.code == 0
    assert said.out.startswith("partial  ")
    assert "check: result.temperature > 99 is not so: result.temperature is 31.5" in said.out


# -- what hangs on the broker ----------------------------------------------------------------------------------------


@pytest.fixture
def house(folder: Path) -> None:
    (folder / "edge.yaml").write_text(
        "edge: {id: pi, backend: sim}\n"
        "devices:\n"
        '  plug: {driver: tasmota, topic: plug1, channels: "on power", safe: "off"}\n'
        "  lamp: {driver: shelly, topic: shellyplus1-a8032abe54dc}\n"
        "  climate: {driver: zigbee2mqtt, topic: bedroom, channels: temperature}\n"
    )


@pytest.mark.usefixtures("house")
def test_devices_on_the_broker_are_read_and_listed_without_a_runtime(edge: Edge) -> None:
    assert json.loads(edge("read", "plug", "--json").out)["values"] == {"on": True, "power": 40.0}
    listed = {one["name"]: one for one in json.loads(edge("devices", "--json").out)}
    assert [(name, one["place"], one["output"]) for name, one in listed.items()] == [
        ("plug", "mqtt plug1", True),
        ("lamp", "mqtt shellyplus1-a8032abe54dc", True),
        ("climate", "mqtt bedroom", False),
    ]


@pytest.mark.usefixtures("house")
def test_only_what_has_a_safe_state_is_put_there(edge: Edge) -> None:
    assert [one["device"] for one in json.loads(edge("outputs", "safe", "--json").out)] == ["plug"]


@pytest.mark.usefixtures("house")
def test_what_has_no_safe_state_keeps_what_it_was_told(edge: Edge) -> None:
    assert edge("set", "lamp", "off").out == "lamp is set to off\n"
    assert edge("set", "climate", "on").code == 1
