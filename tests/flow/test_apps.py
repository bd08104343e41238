"""Micro-apps that arrive while the gateway runs: signed, judged, on trial, promoted, gone; and crashes meanwhile."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_monty")
pytest.importorskip("cryptography")

from edge.apps import pack
from edge.errors import TaskLoadError
from edge.model import Status
from edge.testing.files import PowerCut

PRIVATE = b"\x07" * 32

CONFIG = """
edge: {id: bench, backend: sim}
devices:
  workshop: {driver: tmp102, bus: i2c-1, address: 0x48, every: 5s}
  fan:      {driver: relay, pin: 27, safe: "off"}
mqtt: {broker: "mqtt://localhost"}
upstream: {kind: mqtt, broker: "mqtt://upstream"}
on_the_fly:
  sources: [workshop]
  schedules: true
  grant: {devices: [fan], publish: ["plant/#"]}
  limits: {time: 500ms, calls: 10}
  ttl: 1h
  trial: {runs: 4, time: 1h}
  keys: {factory: %s}
  remote: true
journal: {path: ./journal}
"""

SOURCE = """\
from edge import Context, Event, task


@task
def watch(event: Event, ctx: Context) -> dict:
    return {"celsius": event.values["temperature"]}
"""

BROKEN = SOURCE.replace('event.values["temperature"]', 'event.values["nothing"]')


def public() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()).decode()


def manifest(source: str = SOURCE, **fields: Any) -> bytes:
    said = {
        "format": 1,
        "name": "watch",
        "version": 1,
        "edge": "bench",
        "sha256": hashlib.sha256(source.encode()).hexdigest(),
        "when": {"source": "workshop"},
        **fields,
    }
    return json.dumps(said).encode()


def signed(source: str = SOURCE, **fields: Any) -> bytes:
    return pack(manifest(source, **fields), source.encode(), "factory", PRIVATE)


@pytest.fixture
def edge(edge_factory, tmp_path: Path):
    (tmp_path / "edge.yaml").write_text(CONFIG % public())
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.world["workshop.temperature"] = 21.5
    return edge


def send(edge, payload: bytes, name: str = "watch", **fields: Any) -> None:
    edge.message(f"edge/bench/apps/{name}/set", payload, **fields)


def standing(edge, name: str = "watch") -> dict[str, Any]:
    """What the retained state topic says."""
    return json.loads(edge.broker.retained[f"edge/bench/apps/{name}"].payload)


def test_an_app_that_comes_signed_over_mqtt_runs_and_its_outcomes_say_so(edge):
    send(edge, signed())
    edge.advance("5s")

    outcome = edge.upstream.received[-1]
    assert (outcome.task, outcome.status) == ("watch", Status.SUCCESS)
    assert outcome.result == {"celsius": 21.5}
    assert outcome.data["app"] == {"name": "watch", "version": 1}
    assert standing(edge) == {"version": 1, "state": "active", "reason": ""}


def audit(edge) -> list[tuple[str, str | None]]:
    """What happened, newest first, with the reason of a refusal."""
    return [(entry.action.value, entry.reason) for entry in edge.runtime.apphost.apps.audit()]


def results(edge) -> list[Any]:
    return [outcome.result for outcome in edge.outcomes if outcome.task == "watch"]


REFUSED = {
    "tampered source": (lambda: signed().replace(b"celsius", b"kelvins"), "sha256"),
    "tampered manifest": (lambda: signed().replace(b'workshop\\"', b'worksh0p\\"'), "signature"),
    "unsigned": (
        lambda: json.dumps({"manifest": manifest().decode(), "source": SOURCE}).encode(),
        "unsigned",
    ),
    "a key that nobody trusts": (lambda: pack(manifest(), SOURCE.encode(), "stranger", PRIVATE), "unknown_key"),
    "another key's signature": (lambda: pack(manifest(), SOURCE.encode(), "factory", b"\x08" * 32), "signature"),
    "for another gateway": (lambda: signed(edge="elsewhere"), "edge_id"),
    "expired": (lambda: signed(expires="2026-11-20T00:00:00Z"), "expired"),
    "too greedy": (lambda: signed(grant={"devices": ["fan", "heater"]}), "grant"),
    "too long a life": (lambda: signed(life={"ttl": "2h"}), "ttl"),
    "a source that it may not hear": (lambda: signed(when={"source": "fan"}), "sources"),
    "no Python": (lambda: signed("def watch(:\n"), "source"),
    "wrong types": (lambda: signed(SOURCE.replace("event.values", "event.valuez")), "types"),
    "not JSON": (lambda: b"{", "not_json"),
    "larger than any app": (lambda: b" " * 1_000_000, "too_large"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_acknowledged_written_down_and_shown(edge, what: str):
    payload, reason = REFUSED[what]
    send(edge, payload())
    edge.advance("10s")

    assert audit(edge) == [("refuse", reason)]
    shown = standing(edge)
    assert (shown["version"], shown["state"]) == (None, "refused")
    assert shown["reason"]
    assert edge.runtime.telemetry.counter("edge_apps_rejected_total", reason=reason).value == 1
    assert results(edge) == []
    assert not edge.broker._clients["edge-bench"].unacknowledged


def test_the_same_message_a_second_time_is_refused_and_changes_nothing(edge):
    send(edge, signed())
    send(edge, signed())
    edge.advance("5s")

    assert audit(edge) == [("refuse", "version"), ("install", None)]
    assert standing(edge)["state"] == "active"
    assert "not higher than 1" in standing(edge)["reason"]
    assert len(results(edge)) == 1


def test_a_removed_version_does_not_come_back(edge):
    send(edge, signed(version=3))
    edge.runtime.apphost.desk.remove("watch")
    send(edge, signed(version=3))
    edge.advance("10s")

    assert audit(edge)[0] == ("refuse", "version")
    assert results(edge) == []


def test_a_retained_message_is_never_read_and_an_empty_one_takes_it_back_in_silence(edge):
    edge.crash()
    edge.broker.remembers = False
    edge.broker.publish("edge/bench/apps/watch/set", signed(), retain=True)
    edge.restart()
    edge.advance("5s")
    assert audit(edge) == [("refuse", "retained")]
    assert results(edge) == []

    send(edge, b"")
    assert audit(edge) == [("refuse", "retained")]


def test_a_message_for_another_name_than_its_manifests_is_refused(edge):
    send(edge, signed(), name="other")
    assert audit(edge) == [("refuse", "name")]


def test_without_remote_nothing_is_listened_to(edge_factory, tmp_path: Path):
    (tmp_path / "edge.yaml").write_text((CONFIG % public()).replace("remote: true", "remote: false"))
    edge = edge_factory(tmp_path / "edge.yaml")
    send(edge, signed())

    assert "edge/bench/apps/+/set" not in edge.broker._clients["edge-bench"].filters
    assert edge.runtime.apphost.desk.list() == []


def test_without_the_section_everything_is_refused_and_said(edge_factory, tmp_path: Path):
    (tmp_path / "edge.yaml").write_text("edge: {id: bench, backend: sim}\njournal: {path: ./journal}\n")
    edge = edge_factory(tmp_path / "edge.yaml")
    answer = edge.runtime.apphost.desk.install(manifest().decode(), SOURCE)

    assert (answer["accepted"], answer["reason"]) == (False, "off")
    assert "on_the_fly" in answer["message"]


def test_apps_of_a_gateway_whose_section_is_gone_stay_and_do_not_run_and_the_status_says_so(edge, tmp_path: Path):
    send(edge, signed())
    edge.advance("5s")
    (tmp_path / "without.yaml").write_text((CONFIG % public()).replace("on_the_fly:", "x-old:"))
    lines = (CONFIG % public()).splitlines()
    section = slice(lines.index("on_the_fly:"), next(n for n, line in enumerate(lines) if line.startswith("journal")))
    del lines[section]
    (tmp_path / "without.yaml").write_text("\n".join(lines))
    before = len(results(edge))
    edge.reconfigure("without.yaml")
    edge.advance("1m")

    assert len(results(edge)) == before
    [part] = [part for part in edge.runtime.status() if part["kind"] == "app"]
    assert (part["name"], part["state"]) == ("watch", "degraded")
    assert "on_the_fly" in part["last_error"]
    assert any("watch" in reason for reason in edge.runtime.degraded())

    edge.reconfigure("edge.yaml")
    edge.advance("5s")
    assert len(results(edge)) > before


def test_an_app_ends_with_its_time(edge):
    send(edge, signed(life={"ttl": "60s"}))
    edge.advance("3m")

    assert 11 <= len(results(edge)) <= 14
    assert audit(edge)[0] == ("end", None)
    assert standing(edge) == {"version": None, "state": "gone", "reason": "its time came to an end"}
    assert "watch" not in edge.runtime.roster.tasks


def test_an_app_ends_with_its_runs_whatever_comes_at_once(edge):
    send(edge, signed(life={"runs": 3}))
    edge.advance("5m")

    assert len([result for result in results(edge) if result]) == 3
    assert audit(edge)[0] == ("end", None)
    assert edge.runtime.apphost.desk.list() == []


def test_a_new_version_that_fails_more_often_is_rolled_back_by_itself(edge):
    send(edge, signed())
    edge.advance("1m")
    send(edge, signed(BROKEN, version=2))
    # what is broken on the last event is refused before it is installed
    assert audit(edge)[0] == ("refuse", "dry_run")

    later = SOURCE.replace('event.values["temperature"]', '1 / (22.5 - event.values["temperature"])')
    send(edge, signed(later, version=3))
    assert standing(edge) == {"version": 3, "state": "trial", "reason": ""}
    edge.world["workshop.temperature"] = 22.5
    edge.advance("1m")

    failed = [outcome for outcome in edge.outcomes if outcome.status is Status.FAILURE]
    assert failed
    assert failed[0].data["app"] == {"name": "watch", "version": 3, "trial": True}
    assert audit(edge)[0] == ("rollback", None)
    assert standing(edge)["version"] == 1
    assert "worse than version 1" in standing(edge)["reason"]
    assert edge.outcomes[-1].data["app"] == {"name": "watch", "version": 1}


def test_a_new_version_that_does_as_well_is_adopted_and_can_be_rolled_back_by_hand(edge):
    send(edge, signed())
    edge.advance("1m")
    send(edge, signed(SOURCE.replace("celsius", "kelvin"), version=2))
    edge.advance("1m")
    assert audit(edge)[0] == ("adopt", None)
    assert edge.outcomes[-1].data["app"] == {"name": "watch", "version": 2}
    assert list(edge.outcomes[-1].result) == ["kelvin"]

    assert edge.runtime.apphost.desk.rollback("watch")["version"] == 1
    edge.advance("5s")
    assert list(edge.outcomes[-1].result) == ["celsius"]


def test_a_promoted_app_outlives_its_time_and_a_restart_and_stays_in_the_sandbox(edge):
    send(edge, signed(life={"ttl": "60s"}))
    promoted = edge.runtime.apphost.desk.promote("watch", "anna")
    assert (promoted["persistent"], promoted["owner"]) == (True, "anna")
    edge.advance("5m")
    edge.crash()
    edge.restart()
    before = len(results(edge))
    edge.advance("10s")

    assert len(results(edge)) > before
    assert edge.runtime.roster.tasks["watch"].settings.engine == "sandbox"


def test_what_was_promised_to_an_app_that_was_removed_ends_explained(edge):
    send(edge, signed())
    edge.advance("5s")
    before = len(edge.outcomes)
    edge.clock.advance(5)
    for part in edge.runtime.instruments.parts:
        part.turn(block=False)
    while edge.runtime.pipeline.step():  # promised, and not yet durable
        pass
    edge.runtime.apphost.apps.remove("watch")
    edge.pump()

    [cancelled] = edge.outcomes[before:]
    assert cancelled.status is Status.CANCELLED
    assert "the app watch does not run any more (remove by local)" in cancelled.error["message"]
    assert edge.runtime.apphost.desk.list() == []


def test_an_app_can_be_fired_and_is_listed_beside_the_tasks(edge):
    send(edge, signed(grant={"devices": ["fan"]}))
    outcome = edge.fire("watch", {"temperature": 3.5})

    assert outcome.result == {"celsius": 3.5}
    assert outcome.data["app"] == {"name": "watch", "version": 1}
    [task] = edge.runtime.desk.tasks()
    assert (task["name"], task["engine"], task["grant"]["devices"]) == ("watch", "sandbox", ["fan"])


def test_an_app_runs_by_schedule_until_it_is_removed(edge):
    tick = SOURCE.replace('event.values["temperature"]', "1.0")
    send(edge, signed(tick, when={"cron": "* * * * *"}))
    edge.advance("5m")
    assert len(results(edge)) == 5

    edge.runtime.apphost.desk.remove("watch")
    edge.advance("5m")
    assert len(results(edge)) == 5


@pytest.mark.parametrize(
    "when",
    [
        {"every": None},
        {"cron": None},
        {"source": None},
        {"source": None, "channel": "temperature"},
        {"source": None, "equals": 3},
        {"every": "999999999999999d"},
        {"cron": "0 0 30 2 *"},
        {"source": "workshop", "channel": None, "above": 9e307, "for": "999999999999999d"},
    ],
    ids=str,
)
def test_a_trigger_that_never_fires_is_refused_or_waits_and_the_gateway_goes_on(edge, when):
    send(edge, signed(SOURCE, when=when))
    edge.advance("10s")
    assert audit(edge)[0][0] in ("install", "refuse")
    send(edge, signed(version=2))
    edge.advance("5s")
    assert results(edge)[-1] == {"celsius": 21.5}


def test_more_messages_than_can_be_vetted_are_refused_and_acknowledged(edge):
    for version in range(1, 21):
        edge.broker.publish("edge/bench/apps/watch/set", signed(version=version))
    edge.pump()

    assert edge.runtime.telemetry.counter("edge_apps_rejected_total", reason="busy").value > 0
    assert not edge.broker._clients["edge-bench"].unacknowledged
    assert len(edge.runtime.apphost.desk.list()) == 1


def test_an_expiring_app_waits_for_the_clock(edge):
    edge.clock.trust = "unset"
    send(edge, signed(expires="2030-01-01T00:00:00Z"))
    edge.advance("10s")
    assert standing(edge)["state"] == "waiting"
    assert results(edge) == []

    edge.clock.trust = "synced"
    edge.advance("20s")
    assert standing(edge)["state"] == "active"
    assert results(edge)


def test_a_thousand_names_that_nobody_signed_are_not_a_thousand_topics(edge):
    for number in range(200):
        send(edge, b"{}", name=f"name-{number}")
    topics = [topic for topic in edge.broker.retained if topic.startswith("edge/bench/apps/")]
    assert len(topics) == 64


def cut_off(edge, cut: int, payload: bytes) -> bool:
    """Send, and let the power go at that step; True where it did all that there is to do before."""
    edge.files.cut_at = edge.files.steps + cut
    try:
        send(edge, payload)
    except PowerCut:
        return False
    finally:
        edge.files.cut_at = None
    return True


@pytest.mark.parametrize("power", [True, False], ids=["power cut", "killed"])
def test_an_install_that_a_crash_interrupts_is_there_wholly_or_not_at_all_and_comes_again(
    edge_factory, tmp_path: Path, power: bool
):
    (tmp_path / "edge.yaml").write_text(CONFIG % public())
    seen = set()
    for cut in range(1000):
        edge = edge_factory(tmp_path / "edge.yaml")
        whole = cut_off(edge, cut, signed())
        edge.crash(power=power)
        edge.broker.online = False
        edge.restart()

        apps = edge.runtime.apphost.apps
        there = [(app.name, app.version, app.held) for app in apps.list()]
        assert there in ([], [("watch", 1, "")])
        assert [action for action, _ in audit(edge)] == ["install"] * len(there)
        assert set(edge.runtime.roster.tasks) == {name for name, *_ in there}
        seen.add(len(there))

        edge.broker.online = True
        edge.advance("10s")
        assert standing(edge) == {"version": 1, "state": "active", "reason": ""}
        assert audit(edge) == [("install", None)]
        assert results(edge)
        edge.close()
        if whole:
            break
    assert seen == {0, 1}


def test_a_crash_while_a_new_version_comes_leaves_one_of_both_running(edge_factory, tmp_path: Path):
    (tmp_path / "edge.yaml").write_text(CONFIG % public())
    seen = set()
    for cut in range(1000):
        edge = edge_factory(tmp_path / "edge.yaml")
        send(edge, signed())
        whole = cut_off(edge, cut, signed(version=2))
        edge.crash()
        edge.broker.online = False
        edge.restart()

        [app] = edge.runtime.apphost.apps.list()
        assert (app.version, app.state.value) in [(1, "active"), (2, "trial")]
        seen.add(app.version)
        edge.advance("10s")
        assert edge.outcomes[-1].data["app"]["version"] == app.version
        edge.close()
        if whole:
            break
    assert seen == {1, 2}


def test_promised_runs_of_an_app_run_again_after_a_crash_and_count(edge):
    send(edge, signed(life={"runs": 9}))
    edge.advance("2s")  # until the counts are written down
    before = len(edge.outcomes)
    edge.clock.advance(5)
    for part in edge.runtime.instruments.parts:
        part.turn(block=False)
    while edge.runtime.pipeline.step():
        pass
    edge.runtime.commit()  # promised, durable, not begun
    edge.crash()
    edge.restart()

    again, now = edge.outcomes[before:]
    assert (again.status, again.data["app"]["version"]) == (Status.SUCCESS, 1)
    assert again.event["time"] < now.event["time"]
    assert edge.runtime.apphost.apps.get("watch").left_runs == 9 - len(edge.outcomes)


def test_promised_runs_of_an_app_that_cannot_be_loaded_any_more_end_explained(edge, monkeypatch):
    send(edge, signed())
    before = len(edge.outcomes)
    edge.clock.advance(5)
    for part in edge.runtime.instruments.parts:
        part.turn(block=False)
    while edge.runtime.pipeline.step():
        pass
    edge.runtime.commit()
    edge.crash()

    def refuse(*_: object) -> None:
        raise TaskLoadError("engine sandbox needs pydantic-monty")

    monkeypatch.setattr("edge.runs.sandbox.engine.Sandbox.load_source", refuse)
    edge.restart()
    edge.advance("10s")

    [outcome] = edge.outcomes[before:]
    assert outcome.status is Status.CANCELLED
    assert "its task is not there any more" in outcome.error["message"]
    [part] = [part for part in edge.runtime.status() if part["kind"] == "app"]
    assert (part["state"], part["last_error"]) == ("degraded", "engine sandbox needs pydantic-monty")
    assert standing(edge)["state"] == "held"


def test_on_a_gateway_without_the_sandbox_nothing_is_installed(edge, monkeypatch):
    def refuse(*_: object) -> None:
        raise TaskLoadError("engine sandbox needs pydantic-monty")

    monkeypatch.setattr("edge.runs.sandbox.engine.Sandbox.load_source", refuse)
    send(edge, signed())

    assert audit(edge) == [("refuse", "types")]
    assert "needs pydantic-monty" in standing(edge)["reason"]


def test_a_disk_that_refuses_leaves_the_message_with_the_broker(edge):
    edge.files.fail("write", 28, times=10**9)
    send(edge, signed())
    assert edge.broker._clients["edge-bench"].unacknowledged

    edge.files.faults.clear()
    edge.advance("10s")
    assert not edge.broker._clients["edge-bench"].unacknowledged
    assert standing(edge)["state"] == "active"


def test_a_message_that_we_cannot_judge_is_refused_and_does_not_come_again(edge, monkeypatch):
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("our own fault")

    monkeypatch.setattr(edge.runtime.apphost.apps, "receive", stumble)
    send(edge, signed())

    assert "ZeroDivisionError" in standing(edge)["reason"]
    assert not edge.broker._clients["edge-bench"].unacknowledged


def test_an_app_whose_types_are_wrong_is_not_installed(edge):
    send(edge, signed(SOURCE.replace("event.values", "event.value")))

    assert audit(edge) == [("refuse", "types")]
    assert "watch.py:6: " in standing(edge)["reason"]
    assert "has no attribute `value`" in standing(edge)["reason"]


def test_a_result_that_is_not_what_the_manifest_wants_is_partial_and_counted(edge):
    send(edge, signed(check="result.celsius < 20"))
    edge.advance("5s")

    assert {outcome.status for outcome in edge.outcomes} == {Status.PARTIAL}
    missed = edge.runtime.telemetry.counter("edge_apps_goal_violations_total", app="watch").value
    assert missed == edge.runtime.apphost.apps.get("watch").goal_missed == len(edge.outcomes) > 0


def test_what_an_app_remembered_goes_with_it_and_its_life_begins_with_nothing(edge, monkeypatch):
    forgotten: list[str] = []
    monkeypatch.setattr(edge.runtime.stores.memories, "forget", forgotten.append)
    send(edge, signed())
    assert forgotten == ["watch"]
    forgotten.clear()
    send(edge, signed(version=2))
    edge.runtime.apphost.desk.rollback("watch")
    edge.advance("10s")
    assert forgotten == []

    edge.runtime.apphost.desk.remove("watch")
    edge.pump()
    assert forgotten == ["watch"]


def test_a_goal_that_cannot_be_read_is_refused(edge):
    send(edge, signed(check="result.celsius <"))
    assert audit(edge) == [("refuse", "check")]
