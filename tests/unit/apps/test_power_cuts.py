"""The power goes at every single call that changes a file: a change is there wholly or not at all, its line stands in
the audit exactly when it is, and no version is ever forgotten."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from edge.apps import Reason, Verdict
from edge.journal import JournalError
from edge.model import Status
from edge.testing.files import PowerCut
from tests.unit.apps.conftest import Gateway, parcel, signed

Step = Callable[[Gateway], object]


def snapshot(gateway: Gateway) -> object:
    """Everything that may be seen of the apps, but for times and counts."""
    seen = []
    for app in gateway.apps.list():
        running = gateway.apps.running(app.name)
        kept = (gateway.apps.manifest(app.name), gateway.apps.source(app.name))
        seen.append(
            (app.name, app.version, app.state, app.previous, app.persistent, app.owner, app.keys, kept, running)
        )
    changes = [(one.number, one.action, one.name, one.version) for one in gateway.apps.audit(5000)]
    programs = {(row["name"], row["version"]) for row in gateway.journal.table("app_programs").all()}
    return seen, changes, programs


def ready(gateway: Gateway) -> None:
    """An app with a version behind it, and another."""
    gateway.apps.install(signed(version=3))
    gateway.apps.install(signed(version=4))
    gateway.run(*[Status.SUCCESS] * 10)
    gateway.apps.install(parcel(name="other"))


STEPS: dict[str, tuple[Step, Step]] = {
    "install": (lambda gateway: None, lambda gateway: gateway.apps.install(signed(version=3))),
    "new version": (ready, lambda gateway: gateway.apps.install(signed(version=5))),
    "promote": (ready, lambda gateway: gateway.apps.promote("look", "anna")),
    "rollback": (ready, lambda gateway: gateway.apps.rollback("look")),
    "remove": (ready, lambda gateway: gateway.apps.remove("look")),
    "adopt": (
        lambda gateway: (ready(gateway), gateway.apps.install(signed(version=5)), gateway.clock.advance(3600)),
        lambda gateway: gateway.apps.tick(),
    ),
    "end": (
        lambda gateway: (ready(gateway), gateway.apps.promote("other", "anna"), gateway.clock.advance(90_000)),
        lambda gateway: gateway.apps.tick(),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_power_cut_at_any_call_leaves_all_of_a_change_or_nothing(name: str) -> None:
    prepare, change = STEPS[name]
    whole = Gateway()
    prepare(whole)
    before, first = snapshot(whole), whole.files.steps
    change(whole)
    after, last = snapshot(whole), whole.files.steps
    assert before != after
    seen = set()
    for cut in range(first, last):
        for seed in range(3):
            gateway = Gateway()
            prepare(gateway)
            gateway.files.cut_at = cut
            with pytest.raises(PowerCut):
                change(gateway)
            gateway.crash(seed)
            found = snapshot(gateway)
            assert found in (before, after), (cut, seed)
            seen.add(found == after)
            refused = gateway.apps.install(signed(version=3))
            assert refused.accepted == (name == "install" and found == before)
            if refused.accepted:
                assert snapshot(gateway) == after
            else:
                assert refused.reason is Reason.VERSION
    assert seen == {True, False}


def test_after_a_power_cut_what_was_answered_is_there() -> None:
    for seed in range(5):
        gateway = Gateway()
        ready(gateway)
        gateway.apps.promote("look", "anna")
        gateway.apps.remove("other")
        before = snapshot(gateway)
        gateway.crash(seed)
        assert snapshot(gateway) == before


@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("name", STEPS)
def test_a_disk_that_fails_at_any_call_is_answered_truly_and_the_next_change_succeeds(
    name: str, operation: str
) -> None:
    """What was said to be done is done; what raised is done or not; and either is durable with the next change."""
    prepare, change = STEPS[name]
    whole = Gateway()
    prepare(whole)
    before = snapshot(whole)
    change(whole)
    after = snapshot(whole)
    for skip in range(6):
        gateway = Gateway()
        prepare(gateway)
        gateway.files.fail(operation, errno.EIO, skip=skip)
        raised = refused = False
        try:
            answer = change(gateway)
            refused = isinstance(answer, Verdict) and answer.reason is Reason.NO_ROOM
        except JournalError:
            raised = True
        gateway.files.faults.clear()
        assert apps(snapshot(gateway)) in ([apps(before)] if refused else [apps(before), apps(after)])
        assert raised or refused or apps(snapshot(gateway)) == apps(after)
        assert gateway.apps.install(parcel(name="next")).accepted
        found = snapshot(gateway)
        gateway.crash(skip)
        assert apps(snapshot(gateway)) == apps(found)
        assert gateway.apps.install(signed(version=2)).accepted == (name == "install" and apps(found) == [])


def apps(seen: object) -> list[object]:
    """Of a snapshot, the apps that the steps are about."""
    assert isinstance(seen, tuple)
    return [app for app in seen[0] if app[0] != "next"]
