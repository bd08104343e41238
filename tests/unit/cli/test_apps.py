"""`edge apps`: what a person types, reads and gets back; on a runtime where one runs, else on its journal."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

pytest.importorskip("pydantic_monty")
pytest.importorskip("cryptography")

from edge.apphost import open_apps
from edge.apphost.desk import AppDesk
from edge.apps import unpack
from edge.clock import SystemClock
from edge.config import load
from edge.journal import open_journal
from edge.runs.sandbox.engine import Sandbox
from edge.telemetry import Telemetry

CONFIG = """\
edge: {id: bench, backend: sim}
devices:
  room: {driver: tmp102, bus: i2c-1, address: 0x48, every: 2s}
  fan:  {driver: relay, pin: 27, safe: "off"}
on_the_fly:
  sources: [room]
  grant: {devices: [fan]}
journal: {path: ./journal}
"""
SOURCE = (
    "from edge import Context, Event, task\n\n\n"
    "@task\ndef watch(event: Event, ctx: Context) -> dict:\n    return dict(event.values)\n"
)
MANIFEST = "edge: bench\nversion: 3\nwhen: {source: room, above: 30}\ngrant: {devices: [fan]}\n"
WHEN = '{"source": "room"}'


@pytest.fixture
def apps(folder: Path) -> Path:
    """A folder with a gateway, and an app that was not installed."""
    (folder / "edge.yaml").write_text(CONFIG)
    (folder / "watch.py").write_text(SOURCE)
    return folder


def test_an_app_is_installed_with_the_few_things_it_needs(edge, apps: Path):
    said = edge("apps", "install", "watch.py", "--when", WHEN, "--ttl", "2h", "--runs", "5")
    assert said.code == 0
    assert "installed  watch version 1: active" in said.out
    assert "working on its journal" in said.err

    [app] = json.loads(edge("apps", "list", "--json").out)
    assert (app["name"], app["version"], app["provenance"], app["left_runs"]) == ("watch", 1, "local", 5)
    assert 7100 < app["left_seconds"] <= 7200
    assert "5 runs or 2h" in edge("apps", "list").out


def test_a_manifest_beside_the_source_is_used(edge, apps: Path):
    (apps / "watch.yaml").write_text(MANIFEST)
    assert edge("apps", "install", "watch.py").code == 0

    said = edge("apps", "show", "watch").out
    assert "when room becomes greater than 30" in said
    assert "read and set fan" in said
    assert "anything else" in said
    shown = json.loads(edge("apps", "show", "watch", "--json").out)
    assert (shown["version"], shown["manifest"]["grant"]) == (3, {"devices": ["fan"]})
    assert shown["source"] == SOURCE
    assert [entry["action"] for entry in shown["audit"]] == ["install"]


@pytest.mark.parametrize("named", ["watch.yaml", "."])
def test_a_manifest_or_a_folder_may_be_named_instead(edge, apps: Path, named: str):
    (apps / "watch.yaml").write_text(MANIFEST)
    assert "watch version 3" in edge("apps", "install", named).out


def test_without_a_version_each_install_is_one_higher_also_after_a_removal(edge, apps: Path):
    edge("apps", "install", "watch.py", "--when", WHEN)
    assert edge("apps", "remove", "watch").code == 0
    assert "version 2" in edge("apps", "install", "watch.py", "--when", WHEN).out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("watch.py",), "say with --when what starts it"),
        (("gone.py",), "there is no such file"),
        (("watch.py", "--when", "{"), "--when is not JSON"),
        (("watch.py", "--when", '{"source": "fan"}'), "on_the_fly.sources"),
    ],
)
def test_what_cannot_be_read_or_is_too_much_is_said(edge, apps: Path, words: tuple[str, ...], sentence: str):
    said = edge("apps", "install", *words)
    assert said.code in (1, 2)
    assert sentence in said.out + said.err


def test_a_refusal_names_its_reason_and_ends_with_1(edge, apps: Path):
    said = edge("apps", "install", "watch.py", "--when", WHEN, "--grant", '{"devices": ["heater"]}')
    assert said.code == 1
    assert "refused  grant: device 'heater': not within on_the_fly.grant" in said.out

    said = edge("apps", "install", "watch.py", "--when", WHEN, "--grant", '{"devices": ["heater"]}', "--json")
    assert said.code == 1
    assert json.loads(said.out)["reason"] == "grant"


def test_without_the_section_nothing_is_installed(edge, apps: Path):
    (apps / "edge.yaml").write_text("edge: {id: bench, backend: sim}\njournal: {path: ./journal}\n")
    said = edge("apps", "install", "watch.py", "--when", WHEN)
    assert said.code == 1
    assert "no `on_the_fly:` section" in said.out


def test_an_app_that_edge_yaml_does_not_allow_any_more_is_held_and_said(edge, apps: Path):
    edge("apps", "install", "watch.py", "--when", WHEN)
    (apps / "edge.yaml").write_text(CONFIG.replace("sources: [room]", "sources: [fan]"))
    said = edge("apps", "list")
    assert said.code == 3
    assert "on_the_fly.sources" in said.out
    assert edge("apps", "show", "watch").code == 3


def test_promote_and_rollback(edge, apps: Path):
    edge("apps", "install", "watch.py", "--when", WHEN)
    assert "promoted" in edge("apps", "promote", "watch", "--owner", "anna").out
    assert edge("apps", "rollback", "watch").code == 1
    edge("apps", "install", "watch.py", "--when", WHEN)

    said = edge("apps", "show", "watch").out
    assert "2, 1 is kept to go back to" in said
    assert "anna; new versions from this device only" in said
    assert "rolled back  watch version 1: active" in edge("apps", "rollback", "watch").out


@pytest.mark.parametrize("verb", ["show", "remove", "rollback", "promote"])
def test_an_app_that_is_not_there_is_said(edge, apps: Path, verb: str):
    said = edge("apps", verb, "nix", *(("--owner", "anna") if verb == "promote" else ()))
    assert said.code == 1
    assert "no app called 'nix' is installed; `edge apps list` shows them" in said.err


def test_a_journal_that_another_process_has_is_refused_with_its_pid(edge, apps: Path):
    with open_journal(str(apps / "journal"), clock=SystemClock()):
        said = edge("apps", "list")
    assert said.code == 1
    assert "process" in said.err


def test_a_running_gateway_is_asked_instead(edge, apps: Path, serving, tmp_path: Path):
    config, sandbox = load(apps / "edge.yaml", simulated=True), Sandbox()
    with open_journal(str(tmp_path / "other"), clock=SystemClock()) as journal:
        core = open_apps(config, journal, sandbox, clock=SystemClock(), telemetry=Telemetry(), forget=lambda name: None)
        followed: list[str] = []
        desk = AppDesk("bench", lambda: core, follow=followed.append)
        serving({f"apps_{verb}": getattr(desk, verb) for verb in AppDesk.VERBS})

        (apps / "watch.py").write_text(SOURCE + "# " + '"' * 60_000)  # twice as long on the wire
        said = edge("apps", "install", "watch.py", "--when", WHEN)
        assert (said.code, said.err) == (0, "")
        assert followed == ["watch"]
        assert "watch" in edge("apps", "list").out
        assert edge("apps", "remove", "nix").code == 1
        assert not (apps / "journal").exists()
    sandbox.close()


# -- keys and packing -----------------------------------------------------------------------------------------------


def test_a_key_is_written_for_its_owner_alone_and_its_public_half_is_for_edge_yaml(edge, apps: Path):
    said = edge("apps", "keygen", "factory.key")
    assert said.code == 0
    assert stat.S_IMODE((apps / "factory.key").stat().st_mode) == 0o600
    private = (apps / "factory.key").read_text().split()[1]
    assert private not in said.out + said.err
    assert said.out.startswith("on_the_fly: {keys: {factory: ")

    again = edge("apps", "keygen", "factory.key")
    assert again.code == 1
    assert (apps / "factory.key").read_text().split()[1] == private


def test_what_is_packed_is_taken_by_a_gateway_that_knows_the_key(edge, apps: Path):
    public = json.loads(edge("apps", "keygen", "factory.key", "--json").out)["public"]
    (apps / "watch.yaml").write_text(MANIFEST)
    message = edge("apps", "pack", "watch.yaml", "--key", "factory.key")
    assert message.code == 0
    parcel = unpack(message.out.encode(), 64_000)
    assert (parcel.key, parcel.source.decode()) == ("factory", SOURCE)

    (apps / "watch.json").write_text(message.out)
    (apps / "watch.yaml").unlink()
    assert "unknown_key" in edge("apps", "install", "watch.json").out
    (apps / "edge.yaml").write_text(CONFIG.replace("on_the_fly:", f'on_the_fly:\n  keys: {{factory: "{public}"}}'))
    assert edge("apps", "install", "watch.json", "--ttl", "1h").code == 1
    assert edge("apps", "install", "watch.json").code == 0
    [app] = json.loads(edge("apps", "list", "--json").out)
    assert (app["provenance"], app["keys"]) == ("factory", ["factory"])


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (MANIFEST.replace("version: 3\n", ""), "add `version:`"),
        (MANIFEST.replace("edge: bench\n", ""), "add `edge:`"),
        (MANIFEST + "grants: {}\n", "grants"),
        ("edge: [", "watch.yaml"),
    ],
)
def test_what_any_gateway_would_refuse_is_not_signed(edge, apps: Path, manifest: str, sentence: str):
    edge("apps", "keygen", "factory.key")
    (apps / "watch.yaml").write_text(manifest)
    said = edge("apps", "pack", "watch.yaml", "--key", "factory.key")
    assert (said.code, said.out) == (1, "")
    assert sentence in said.err


@pytest.mark.parametrize("content", ["", "hello there", "edge-ed25519-private !!"])
def test_a_file_that_is_no_key_signs_nothing(edge, apps: Path, content: str):
    (apps / "watch.yaml").write_text(MANIFEST)
    (apps / "factory.key").write_text(content)
    said = edge("apps", "pack", "watch.yaml", "--key", "factory.key")
    assert (said.code, said.out) == (1, "")
    assert "is no private key" in said.err


def test_an_app_is_found_by_the_verbs_of_tasks_too(edge, apps: Path):
    assert edge("apps", "install", "watch.py", "--when", WHEN).code == 0

    assert "from     local" in edge("tasks", "show", "watch").out
    assert json.loads(edge("tasks", "show", "watch", "--json").out)["provenance"] == "local"
    assert "did you mean 'watch'?" in edge("tasks", "show", "wach").err
    assert "edge apps list" in edge("tasks").err
    assert edge("fire", "watch", "--event", '{"temperature": 3}').out.startswith('success  {"temperature":3}\n')
    assert "did you mean 'watch'?" in edge("fire", "wach").err


def test_the_tasks_of_a_running_gateway_say_which_are_apps(edge, apps: Path, serving):
    mark = {"name": "watch", "version": 3, "trial": True}
    one = {"name": "watch", "run": "watch", "when": {"source": "room"}, "counts": {"success": 2}, "app": mark}
    serving({"tasks": lambda: [one]})

    assert "runs on every event of room; app, version 3, trial  2 success" in edge("tasks").out


def test_the_page_of_an_app_says_what_it_was_given_and_when_a_result_is_good(edge, apps: Path):
    (apps / "watch.yaml").write_text(MANIFEST + "check: result.temperature < 80\nconfig: {most: 70}\n")
    assert edge("apps", "install", "watch.yaml").code == 0

    said = edge("apps", "show", "watch").out
    assert "good if  result.temperature < 80\n" in said
    assert "given    most = 70\n" in said


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("whn: {source: room}\n", "whn is no field, did you mean 'when'?"),
        ("when: {sauce: room}\n", "when.sauce is no field, did you mean 'source'?"),
        ("when: {source: room}\ngrant: {device: [fan]}\n", "grant.device is no field, did you mean 'devices'?"),
        ("when: {source: room}\nlimits: {tme: 1s}\n", "limits.tme is no field, did you mean 'time'?"),
        ("when: {source: room}\nlife: {til: 1h}\n", "life.til is no field, did you mean 'ttl'?"),
        ("when: {source: room}\nlife: 3\n", "life: "),
        ("when: {source: room}\nmemory: {entrys: 3}\n", "memory.entrys is no field, did you mean 'entries'?"),
        ("when: {source: room}\nzebra: 3\n", "zebra is no field"),
    ],
)
def test_a_field_that_is_spelt_wrong_is_named_with_the_one_that_was_meant(
    edge, apps: Path, manifest: str, sentence: str
):
    (apps / "watch.yaml").write_text(manifest)

    said = edge("apps", "install", "watch.py")

    assert said.code == 1
    assert sentence in " ".join(said.out.split())


def test_of_an_app_that_was_refused_or_is_gone_it_is_said_what_became_of_it(edge, apps: Path):
    assert edge("apps", "install", "watch.py", "--when", '{"source": "fan"}').code == 1
    said = edge("apps", "show", "watch")
    assert said.code == 1
    assert "no app called 'watch' is installed" in said.err
    assert "last: refuse by local at " in said.err
    assert "apps may not listen to 'fan' here" in said.err

    assert edge("apps", "install", "watch.py", "--when", WHEN).code == 0
    assert edge("apps", "remove", "watch").code == 0
    assert "last: remove by local at " in edge("apps", "show", "watch").err


def test_the_example_of_each_verb_of_apps_is_one_that_works(edge, apps: Path):
    assert edge("apps", "install", "watch.py", "--when", WHEN).code == 0
    for verb in ("show", "promote", "remove"):
        [example] = [line for line in edge("apps", verb, "--help").out.splitlines() if line.startswith("  edge apps")]
        assert edge(*example.split()[1:]).code == 0, example
