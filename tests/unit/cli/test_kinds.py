"""`edge devices kinds`: whoever writes a configuration sees what there is and what it can be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import drivers
from edge.cli import main
from tests.unit.cli.conftest import Edge


def test_every_driver_is_listed_once_with_its_part(edge: Edge) -> None:
    rows = edge("devices", "kinds").out.splitlines()[1:]

    assert [row.split()[0] for row in rows] == drivers.kinds()
    assert any("Bosch BME280" in row and "temperature, humidity, pressure" in row for row in rows)


def test_one_driver_tells_its_channels_its_options_and_an_example(edge: Edge) -> None:
    page = edge("devices", "kinds", "ads1115").out

    assert "a0_a1    V     -6.1 .. 6.1  0.000188" in page
    assert "rate    128          one of 8, 16, 32, 64, 128, 250, 475, 860" in page
    assert "NAME: {driver: ads1115, bus: i2c-1}" in page


def test_a_part_on_several_pins_tells_what_they_are_called(edge: Edge) -> None:
    assert "pins: pwm, tach (may be left out)" in edge("devices", "kinds", "fan").out
    [fan] = json.loads(edge("devices", "kinds", "fan", "--json").out)
    assert fan["pins"] == {"pwm": True, "tach": False}
    assert "pins:" not in edge("devices", "kinds", "relay").out.partition("NAME")[0]


@pytest.mark.parametrize(
    ("kind", "habit"),
    [
        ("relay", "It can be set, and is sampled only where `every:` is given"),
        ("button", "It measures, and reports by itself"),
        ("tmp102", "It measures, and is asked every 5s by default"),
    ],
)
def test_it_says_when_a_device_is_heard_of(edge: Edge, kind: str, habit: str) -> None:
    assert habit in edge("devices", "kinds", kind).out


def test_a_program_gets_the_same_as_data(edge: Edge) -> None:
    [relay] = json.loads(edge("devices", "kinds", "relay", "--json").out)

    assert relay["output"] is True
    assert relay["options"]["safe"] == {
        "takes": "one of 'on', 'off' or true or false", "required": False, "default": "off"
    }  # fmt: skip
    assert len(json.loads(edge("devices", "kinds", "--json").out)) == len(drivers.kinds())


def test_a_misspelt_kind_is_told_its_neighbour(edge: Edge) -> None:
    said = edge("devices", "kinds", "bme208")

    assert said.code == 1
    assert "did you mean 'bme280'" in said.err


@pytest.mark.parametrize("kind", drivers.kinds())
def test_the_example_of_every_driver_is_a_configuration(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["devices", "kinds", kind, "--json"])
    [told] = json.loads(capsys.readouterr().out)
    missing = ", ".join(f"{name}: ..." for name, option in told["options"].items() if option["required"])
    assert missing in told["example"]
    if missing:
        pytest.skip(f"{kind} cannot be without {missing}, which nobody can guess")

    file = tmp_path / "edge.yaml"
    broker = "mqtt: {broker: mqtt://localhost}\n" if told["wire"] == "mqtt" else ""
    file.write_text(
        f"{broker}edge: {{id: bench, backend: sim}}\njournal: {{path: ./journal}}\ndevices: {{it: {told['example']}}}\n"
    )
    assert main(["check", "-c", str(file)]) == 0, capsys.readouterr()


def test_a_sick_plugin_is_said_and_the_rest_is_listed_and_checked(
    edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "sick-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sick\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edge.drivers]\nsick = mod_that_exits\n")
    (tmp_path / "mod_that_exits.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "edge.yaml").write_text("edge: {id: pi, backend: sim}\ndevices: {it: {driver: sick}}\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    listed, checked = edge("devices", "kinds"), edge("check", "-c", str(tmp_path / "edge.yaml"))

    assert "sick 1.0" in listed.err
    assert "bme280" in listed.out
    assert checked.code == 1
    assert "devices.it.driver: the driver 'sick' (sick 1.0) cannot be imported: SystemExit" in checked.err + checked.out
