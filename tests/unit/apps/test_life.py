"""What becomes of an app: it ends, stays, is tried, is rolled back, is removed; and what is remembered of it."""

from __future__ import annotations

import pytest

from edge.apps import Action, NoSuchApp, Reason, Refused, State, pack
from edge.model import Status
from tests.unit.apps.conftest import OTHER_PRIVATE, PRIVATE, SOURCE, Gateway, manifest, parcel, signed

GOOD, BAD = Status.SUCCESS, Status.FAILURE


def actions(gateway: Gateway) -> list[str]:
    return [f"{entry.action} {entry.version} {entry.by}" for entry in reversed(gateway.apps.audit())]


def test_a_life_begins_with_an_empty_memory_and_a_new_version_is_no_new_life(gateway: Gateway) -> None:
    gateway.apps.install(parcel(memory={}))
    gateway.apps.install(parcel(memory={}, version=2))
    gateway.apps.rollback("look")
    gateway.restart()
    assert gateway.forgotten == ["look"]
    gateway.apps.remove("look")
    gateway.apps.receive("look", pack(manifest(version=3, memory={}), SOURCE, "lab", OTHER_PRIVATE))
    assert gateway.forgotten == ["look", "look"]


# -- an end -----------------------------------------------------------------------------------------------------------


def test_an_app_ends_after_its_runs_and_leaves_only_its_version(gateway: Gateway) -> None:
    gateway.apps.install(parcel(life={"runs": 3}))
    assert gateway.run(GOOD, BAD, GOOD, GOOD) == 3
    assert gateway.apps.list() == []
    assert gateway.apps.running("look") is None
    assert actions(gateway) == ["install 1 local", "end 1 runtime"]
    assert gateway.journal.table("app_programs").all() == []
    assert gateway.apps.install(parcel()).reason is Reason.VERSION


def test_runs_that_are_on_their_way_count_and_what_never_ran_is_given_back(gateway: Gateway) -> None:
    gateway.apps.install(parcel(life={"runs": 2}))
    first, second = gateway.apps.begin("look"), gateway.apps.begin("look")
    assert first is not None
    assert second is not None
    assert gateway.apps.begin("look") is None
    gateway.apps.finished(first, Status.REJECTED)
    third = gateway.apps.begin("look")
    assert third is not None
    gateway.apps.finished(second, Status.CANCELLED)
    gateway.apps.finished(third, GOOD)
    gateway.apps.tick()
    assert gateway.apps.get("look").left_runs == 1


def test_an_app_ends_with_its_time_whatever_the_wall_clock_does(gateway: Gateway) -> None:
    gateway.apps.install(parcel(life={"ttl": "2h"}))
    gateway.clock.advance(3600)
    gateway.clock.step_wall(10 * 365 * 86_400)
    gateway.apps.tick()
    assert gateway.apps.get("look").left_seconds == 3600
    gateway.clock.advance(3599)
    gateway.clock.step_wall(-20 * 365 * 86_400)
    assert gateway.run(GOOD) == 1
    gateway.clock.advance(1)
    assert gateway.apps.begin("look") is None  # also before the next tick
    gateway.apps.tick()
    assert gateway.apps.list() == []


def test_without_a_time_of_its_own_it_lives_as_long_as_edge_yaml_allows(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    assert gateway.apps.get("look").left_seconds == 86_400


@pytest.mark.parametrize(("before", "after", "left"), [("synced", "synced", 1800), ("unset", "unset", 5400)])
def test_time_that_it_was_off_counts_where_the_clock_is_synced(
    gateway: Gateway, before: str, after: str, left: float
) -> None:
    gateway.clock.trust = before  # type: ignore[assignment]
    gateway.apps.install(parcel(life={"ttl": "2h"}))
    gateway.clock.advance(1800)
    gateway.stop()
    gateway.clock.advance(3600)
    gateway.clock.trust = after  # type: ignore[assignment]
    gateway.start()
    assert gateway.apps.get("look").left_seconds == left


def test_time_that_it_was_off_counts_as_soon_as_the_clock_is_synced_again(gateway: Gateway) -> None:
    gateway.apps.install(parcel(life={"ttl": "2h"}))
    gateway.clock.advance(1800)
    gateway.stop()
    gateway.clock.advance(3600)
    gateway.clock.trust = "unset"
    gateway.start()
    gateway.clock.advance(60)
    assert gateway.apps.get("look").left_seconds == 5340
    gateway.restart()  # still nobody knows how long it was off
    gateway.clock.advance(60)
    gateway.clock.trust = "synced"
    gateway.apps.tick()
    assert gateway.apps.get("look").left_seconds == 1680


def test_a_power_cut_costs_no_time_where_the_clock_is_synced_and_ten_minutes_at_most_elsewhere(
    gateway: Gateway,
) -> None:
    gateway.apps.install(parcel(life={"ttl": "2h"}))
    gateway.clock.advance(500)
    gateway.apps.tick()
    gateway.crash()
    assert gateway.apps.get("look").left_seconds == 6700
    gateway.clock.trust = "unset"
    for _ in range(61):
        gateway.clock.advance(10)
        gateway.apps.tick()
    gateway.clock.advance(500)
    gateway.crash()
    left = gateway.apps.get("look").left_seconds
    assert left is not None
    assert 6700 - 610 - 500 <= left <= 6700 - 600


# -- promotion --------------------------------------------------------------------------------------------------------


def test_a_promoted_app_stays_belongs_to_somebody_and_still_runs_in_the_sandbox(gateway: Gateway) -> None:
    gateway.apps.install(signed(life={"runs": 1, "ttl": "1m"}))
    app = gateway.apps.promote("look", "anna")
    assert (app.persistent, app.owner, app.keys, app.left_runs, app.left_seconds) == (
        True,
        "anna",
        ("ops",),
        None,
        None,
    )
    gateway.clock.advance(1e6)
    gateway.crash()
    assert gateway.run(GOOD, GOOD) == 2
    running = gateway.apps.running("look")
    assert running is not None
    assert running.settings.engine == "sandbox"
    assert actions(gateway)[-1] == "promote 1 local"


def test_who_may_send_new_versions_is_said_at_promotion(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    with pytest.raises(Refused, match="nobody"):
        gateway.apps.promote("look", "anna", keys=["nobody"])
    gateway.apps.promote("look", "anna", keys=["lab"])
    assert gateway.apps.receive("look", pack(manifest(version=2), SOURCE, "ops", PRIVATE)).reason is Reason.NOT_OWNER
    assert gateway.apps.receive("look", pack(manifest(version=2), SOURCE, "lab", OTHER_PRIVATE)).accepted
    assert gateway.apps.get("look").persistent


def test_one_on_trial_cannot_be_promoted_nor_one_that_is_not_there(gateway: Gateway) -> None:
    with pytest.raises(NoSuchApp, match="no app called 'look' is installed"):
        gateway.apps.promote("look", "anna")
    gateway.apps.install(parcel())
    gateway.apps.install(parcel(version=2))
    with pytest.raises(Refused, match="trial"):
        gateway.apps.promote("look", "anna")


# -- trials -----------------------------------------------------------------------------------------------------------


def tried(gateway: Gateway, *old: Status) -> None:
    gateway.apps.install(parcel(version=1))
    gateway.run(*old)
    assert gateway.apps.install(parcel(version=2)).state is State.TRIAL


def test_a_new_version_runs_marked_as_a_trial_and_becomes_the_version_when_it_is_as_good(gateway: Gateway) -> None:
    tried(gateway, *[GOOD] * 20)
    leave = gateway.apps.begin("look")
    assert leave is not None
    assert gateway.apps.running("look").mark == {"name": "look", "version": 2, "trial": True}
    gateway.apps.finished(leave, GOOD)
    gateway.run(*[GOOD] * 8)
    assert gateway.apps.get("look").state is State.TRIAL
    gateway.run(GOOD)
    app = gateway.apps.get("look")
    assert (app.version, app.state, app.previous) == (2, State.ACTIVE, 1)
    leave = gateway.apps.begin("look")
    assert leave is not None
    gateway.apps.finished(leave, GOOD)
    assert gateway.apps.running("look").mark == {"name": "look", "version": 2}
    assert actions(gateway)[-1] == "adopt 2 runtime"


def test_a_new_version_that_always_fails_is_rolled_back_long_before_its_end(gateway: Gateway) -> None:
    tried(gateway, *[GOOD] * 50)
    gateway.run(BAD, Status.TIMEOUT)
    app = gateway.apps.get("look")
    assert (app.version, app.state, app.runs) == (1, State.ACTIVE, 50)
    entry = gateway.apps.audit(1)[0]
    assert (entry.action, entry.by, entry.version) == (Action.ROLLBACK, "runtime", 2)
    assert "worse than version 1" in entry.message
    assert gateway.telemetry.total("edge_apps_rolled_back_total") == 1
    assert gateway.apps.install(parcel(version=2)).reason is Reason.VERSION


def test_a_failure_or_two_are_no_reason_where_the_old_version_failed_as_often(gateway: Gateway) -> None:
    tried(gateway, *[GOOD, GOOD, GOOD, BAD] * 5)
    gateway.run(*[BAD, GOOD, BAD, GOOD, BAD], *[GOOD] * 5)
    assert gateway.versions() == {"look": 2}


def test_partial_is_no_failure_and_what_never_ran_proves_nothing(gateway: Gateway) -> None:
    tried(gateway, *[GOOD] * 50)
    gateway.run(*[Status.REJECTED, Status.CANCELLED] * 20)
    assert gateway.apps.get("look").state is State.TRIAL
    gateway.run(*[Status.PARTIAL] * 10)
    assert gateway.apps.get("look").state is State.ACTIVE
    assert gateway.versions() == {"look": 2}


def test_a_trial_ends_with_its_time(gateway: Gateway) -> None:
    tried(gateway, GOOD)
    gateway.run(GOOD)
    gateway.clock.advance(3600)
    gateway.apps.tick()
    assert gateway.apps.get("look").state is State.ACTIVE
    assert gateway.versions() == {"look": 2}


def test_a_trial_survives_a_power_cut_with_what_it_has_shown(gateway: Gateway) -> None:
    tried(gateway, *[GOOD] * 50)
    gateway.run(BAD, GOOD)
    gateway.crash()
    app = gateway.apps.get("look")
    assert (app.state, app.runs, app.failed) == (State.TRIAL, 2, 1)


def test_a_newer_version_takes_the_place_of_one_on_trial(gateway: Gateway) -> None:
    tried(gateway, GOOD)
    gateway.apps.install(parcel(version=3))
    app = gateway.apps.get("look")
    assert (app.version, app.previous, app.state) == (3, 1, State.TRIAL)
    assert {row["version"] for row in gateway.journal.table("app_programs").all()} == {1, 3}


def test_a_trial_of_something_that_may_run_thrice_is_judged_after_three(gateway: Gateway) -> None:
    gateway.apps.install(parcel(version=1))
    gateway.run(*[GOOD] * 20)
    gateway.apps.install(parcel(version=2, life={"runs": 3}))
    assert gateway.run(GOOD, GOOD, GOOD) == 3
    assert actions(gateway)[-2:] == ["adopt 2 runtime", "end 2 runtime"]


def test_runs_of_the_old_version_that_end_during_the_trial_are_the_old_versions(gateway: Gateway) -> None:
    gateway.apps.install(parcel(version=1))
    old = gateway.apps.begin("look")
    assert old is not None
    gateway.apps.install(parcel(version=2))
    gateway.apps.finished(old, BAD)
    gateway.apps.tick()
    assert gateway.apps.get("look").runs == 0
    gateway.apps.rollback("look")
    app = gateway.apps.get("look")
    assert (app.version, app.runs, app.failed) == (1, 1, 1)


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_the_owner_rolls_back_a_trial_and_one_adopted_version_and_no_further(gateway: Gateway) -> None:
    tried(gateway, GOOD)
    assert gateway.apps.rollback("look").version == 1
    with pytest.raises(Refused, match="no version"):
        gateway.apps.rollback("look")
    gateway.apps.install(parcel(version=3))
    gateway.run(*[GOOD] * 10)
    assert gateway.versions() == {"look": 3}
    assert gateway.apps.rollback("look").version == 1
    assert gateway.apps.source("look") == SOURCE
    with pytest.raises(Refused):
        gateway.apps.rollback("look")
    assert gateway.apps.install(parcel(version=3)).reason is Reason.VERSION


def test_removing_ends_it_at_once_and_says_who_did_it(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    leave = gateway.apps.begin("look")
    assert leave is not None
    entry = gateway.apps.remove("look", by="local")
    assert (entry.action, entry.version, entry.by) == (Action.REMOVE, 1, "local")
    assert gateway.apps.begin("look") is None
    gateway.apps.finished(leave, GOOD)  # a run that was on its way
    gateway.apps.tick()
    with pytest.raises(NoSuchApp):
        gateway.apps.remove("look")
    with pytest.raises(NoSuchApp):
        gateway.apps.get("look")


def test_who_is_told_of_a_change_may_ask_what_runs_now(gateway: Gateway) -> None:
    gateway.apps.install(parcel(life={"runs": 1}))
    gateway.run(GOOD)
    assert gateway.changed == ["look", "look"]


# -- counters and the audit -------------------------------------------------------------------------------------------


def test_guardrails_are_counted(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    gateway.run(GOOD, BAD, Status.TIMEOUT, Status.REJECTED)
    gateway.run(Status.PARTIAL, goal_missed=True)
    gateway.apps.install(parcel())
    text = gateway.telemetry.render()
    for line in (
        "edge_apps_created_total 1",
        'edge_apps_iterations_total{app="look"} 4',
        'edge_apps_killed_total{app="look"} 1',
        'edge_apps_goal_violations_total{app="look"} 1',
        'edge_apps_rejected_total{reason="version"} 1',
        "edge_apps_installed 1",
    ):
        assert line in text.splitlines()
    app = gateway.apps.get("look")
    assert (app.runs, app.failed, app.goal_missed) == (4, 2, 1)


def test_counts_that_decide_nothing_are_written_seldom_and_when_it_stops(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    written = gateway.files.written
    gateway.run(*[GOOD] * 100)
    assert gateway.files.written == written
    gateway.restart()
    assert gateway.apps.get("look").runs == 100
    gateway.run(GOOD)
    gateway.clock.advance(600)
    gateway.apps.tick()
    gateway.crash()
    assert gateway.apps.get("look").runs == 101


def test_the_audit_keeps_the_last_thousand(gateway: Gateway) -> None:
    gateway.apps.install(parcel(version=5000))
    for _ in range(1010):
        gateway.apps.install(parcel(version=1))
    entries = gateway.apps.audit(limit=5000)
    assert len(entries) == 1000
    assert [entry.number for entry in entries] == list(range(1011, 11, -1))
    gateway.crash()
    assert gateway.apps.audit(limit=5000) == entries


def test_strangers_cannot_fill_the_audit_nor_wear_the_disk(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    for number in range(1000):
        gateway.apps.receive(f"n{number}", b"{}")
        gateway.clock.advance(1)
    strangers = [entry for entry in gateway.apps.audit(5000) if entry.by == "unknown"]
    assert len(strangers) == 17
    assert sum(entry.count for entry in strangers) == 961  # the last minute's stand in the next one
    for number in range(200):
        gateway.apps.receive(f"n{number}", b"{}")
        gateway.clock.advance(60)
    assert len(gateway.apps.audit(5000)) == 101
    assert gateway.apps.audit(5000)[-1].action is Action.INSTALL


def test_a_signed_message_that_somebody_caught_cannot_fill_the_audit_either(gateway: Gateway) -> None:
    caught = pack(manifest(), SOURCE, "ops", PRIVATE)
    assert gateway.apps.receive("look", caught).accepted
    gateway.apps.install(parcel(name="other"))
    for second in range(600):
        gateway.apps.receive("look", caught)
        gateway.apps.receive(f"n{second}", caught)  # nobody signed the topic
        gateway.clock.advance(1)
    refused = [entry for entry in gateway.apps.audit(5000) if entry.action is Action.REFUSE]
    assert len(refused) == 20
    assert {(entry.by, entry.reason) for entry in refused} == {("ops", "version"), ("unknown", "name")}
    assert sum(entry.count for entry in refused) == 1082  # those of the last minute stand in the next one
    for _ in range(200):
        gateway.apps.receive("look", caught)
        gateway.clock.advance(60)
    assert [entry.name for entry in gateway.apps.audit(5000) if entry.action is Action.INSTALL] == ["other", "look"]
    assert len(gateway.apps.audit(5000)) == 102


def test_the_audit_of_one_app(gateway: Gateway) -> None:
    gateway.apps.install(parcel(name="a"))
    gateway.apps.install(parcel(name="b"))
    assert [entry.name for entry in gateway.apps.audit(name="a")] == ["a"]
    assert gateway.apps.audit(1)[0].data()["action"] == "install"
