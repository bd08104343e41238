"""What must not be installed is refused with its reason, a sentence and a line in the audit, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.apps import Action, Parcel, Proving, Reason, admission, pack
from edge.apps.manifest import Manifest
from edge.config.on_the_fly import OnTheFly
from edge.config.tasks import RunsSection
from edge.model import Event, EventKind, Status
from tests.unit.apps.conftest import CEILING, OTHER_PRIVATE, PRIVATE, SOURCE, Gateway, manifest, parcel, signed


def refused(gateway: Gateway, parcel: Parcel, reason: Reason, words: str = "") -> None:
    """It is refused for that, audited, counted, and nothing else happened."""
    before, counted = gateway.versions(), gateway.telemetry.total("edge_apps_rejected_total")
    verdict = gateway.apps.install(parcel)
    assert (verdict.accepted, verdict.reason) == (False, reason), verdict
    assert words in verdict.message
    assert gateway.versions() == before
    assert gateway.telemetry.total("edge_apps_rejected_total") == counted + 1
    entry = gateway.apps.audit(1)[0]
    assert (entry.action, entry.reason, entry.message) == (Action.REFUSE, reason.value, verdict.message)


SAID: list[tuple[dict[str, Any], Reason, str]] = [
    ({"format": 2}, Reason.FIELDS, "format"),
    ({"surprise": 1}, Reason.FIELDS, "surprise"),
    ({"version": "2"}, Reason.FIELDS, "version"),
    ({"version": 0}, Reason.FIELDS, "version"),
    ({"version": True}, Reason.FIELDS, "version"),
    ({"name": "Look"}, Reason.FIELDS, "name"),
    ({"name": "../look"}, Reason.FIELDS, "name"),
    ({"when": None}, Reason.FIELDS, "when"),
    ({"when": {"source": "workshop", "until": 3}}, Reason.FIELDS, "until"),
    ({"sha256": "abc"}, Reason.FIELDS, "sha256"),
    ({"limits": {"time": 5}}, Reason.FIELDS, "unit"),
    ({"expires": "tomorrow"}, Reason.FIELDS, "expires"),
    ({"expires": "2026-12-01"}, Reason.FIELDS, "offset"),
    ({"expires": "0001-01-01T00:00:00+14:00"}, Reason.EXPIRED, "before"),
    ({"output": {"a": "colour"}}, Reason.FIELDS, "output"),
    ({"output": {"a": "any", "a?": "any"}}, Reason.FIELDS, "twice"),
    ({"edge": "another"}, Reason.EDGE_ID, "meant for gateway 'another'"),
    ({"sha256": "0" * 64}, Reason.SHA256, "sha256"),
    ({"expires": "2026-11-21T08:59:59Z"}, Reason.EXPIRED, "2026-11-21T08:59:59Z"),
    ({"name": "overheat"}, Reason.NAME, "overheat"),
    ({"name": "workshop"}, Reason.NAME, "workshop"),
    ({"name": "status"}, Reason.NAME, "status"),
    ({"when": {"source": "door"}}, Reason.SOURCES, "door"),
    ({"when": {"every": "1ms"}}, Reason.SCHEDULES, "at least 1s"),
    ({"grant": {"devices": ["fan", "pump"]}}, Reason.GRANT, "pump"),
    ({"grant": {"publish": ["#"]}}, Reason.GRANT, "'#'"),
    ({"grant": {"publish": ["+/fan"]}}, Reason.GRANT, "+/fan"),
    ({"grant": {"publish": ["plant/#/fan"]}}, Reason.GRANT, "last level"),
    ({"grant": {"tools": ["shell"]}}, Reason.GRANT, "shell"),
    ({"grant": {"tools": ["sql"]}}, Reason.GRANT, "sql"),
    ({"limits": {"time": "2s"}}, Reason.LIMITS, "time: 2s asked for, at most 1s"),
    ({"limits": {"calls": 51}}, Reason.LIMITS, "calls"),
    ({"limits": {"steps": 10_001}}, Reason.LIMITS, "steps"),
    ({"limits": {"memory": "17MB"}}, Reason.LIMITS, "memory: 17MB asked for, at most 16MB"),
    ({"limits": {"publishes": 101}}, Reason.LIMITS, "publishes"),
    ({"limits": {"publish_bytes": "2MB"}}, Reason.LIMITS, "publish_bytes"),
    ({"limits": {"output": "65KB"}}, Reason.LIMITS, "output"),
    ({"limits": {"notes": 101}}, Reason.LIMITS, "notes"),
    ({"limits": {"note_bytes": "17KB"}}, Reason.LIMITS, "note_bytes"),
    ({"limits": {"per_minute": 61}}, Reason.LIMITS, "per_minute"),
    ({"limits": {"tools": {"weather": 6}}}, Reason.LIMITS, "tools.weather: 6 asked for, at most 5"),
    ({"memory": {"entries": 101}}, Reason.MEMORY, "entries"),
    ({"memory": {"entries": 10, "size": "1MB"}}, Reason.MEMORY, "size"),
    ({"life": {"ttl": "25h"}}, Reason.TTL, "at most 1d"),
    ({"check": "./check.py:fine"}, Reason.CHECK, "expression"),
]


@pytest.mark.parametrize(("fields", "reason", "words"), SAID, ids=[str(fields) for fields, *_ in SAID])
def test_what_a_manifest_may_not_say(gateway: Gateway, fields: dict[str, Any], reason: Reason, words: str) -> None:
    refused(gateway, parcel(**fields), reason, words)
    if reason is not Reason.FIELDS:  # a signature makes nobody's wishes smaller
        refused(gateway, signed(**fields), reason, words)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":1' + b"0" * 5000 + b"}",
        b'{"a":"\xff"}',
        b"\xff\xfe{}",
        b"[" * 20_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
    ids=lambda data: str(data[:20]),
)
def test_what_is_not_json_in_the_strictest_sense(gateway: Gateway, data: bytes) -> None:
    refused(gateway, Parcel(data, SOURCE), Reason.NOT_JSON)


def test_what_is_too_large_is_not_looked_at(gateway: Gateway) -> None:
    refused(gateway, parcel(b"#" * 64_001), Reason.TOO_LARGE, "64001")
    refused(gateway, Parcel(b"{" * 64_001, SOURCE), Reason.TOO_LARGE)
    gateway.under(source="100B")
    refused(gateway, parcel(), Reason.TOO_LARGE, "100")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"def (", "not Python"),
        (b"\xff", "parsed"),
        (b"x = 1", "marked @task"),
        (SOURCE + b"def later():\n    yield 1\n", "generators"),
        (SOURCE + b"class A(B): ...\n", "base class"),
        (SOURCE.replace(b"dict[str, float]", b"Decimal"), "Decimal"),
    ],
)
def test_a_source_that_the_sandbox_cannot_run(gateway: Gateway, source: bytes, words: str) -> None:
    refused(gateway, parcel(source), Reason.SOURCE, words)


def test_without_the_section_nothing_is_installed(gateway: Gateway) -> None:
    gateway.ceiling = None
    gateway.restart()
    refused(gateway, parcel(), Reason.OFF, "on_the_fly")


def test_a_journal_without_room_for_it_says_so(gateway: Gateway) -> None:
    gateway.stop()
    gateway.table_size = 2000
    gateway.start()
    refused(gateway, parcel(SOURCE + b"#" * 1500), Reason.NO_ROOM, "table_size")
    assert gateway.apps.install(parcel()).accepted


def test_schedules_and_memory_must_be_allowed(gateway: Gateway) -> None:
    gateway.under(schedules=False, memory=None)
    refused(gateway, parcel(when={"every": "1m"}), Reason.SCHEDULES)
    refused(gateway, parcel(memory={}), Reason.MEMORY)


def test_there_are_no_more_apps_than_allowed_and_a_new_version_is_no_further_one(gateway: Gateway) -> None:
    for name in ("a", "b", "c"):
        assert gateway.apps.install(parcel(name=name)).accepted
    refused(gateway, parcel(name="d"), Reason.APPS, "3 apps")
    assert gateway.apps.install(parcel(name="c", version=2)).accepted
    gateway.apps.remove("a")
    assert gateway.apps.install(parcel(name="d")).accepted


def test_whoever_uses_up_the_names_does_so_for_keys_and_not_for_the_device(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MOST_NAMES", 3)
    for name in ("a", "b", "c"):
        gateway.apps.receive(name, pack(manifest(name=name), SOURCE, "ops", PRIVATE))
        gateway.apps.remove(name)
    verdict = gateway.apps.receive("d", pack(manifest(name="d"), SOURCE, "ops", PRIVATE))
    assert (verdict.reason, "install it on the device" in verdict.message) == (Reason.NO_ROOM, True)
    assert gateway.apps.install(parcel(name="d")).accepted


def test_what_the_rules_of_edge_yaml_say_of_its_trigger(gateway: Gateway) -> None:
    gateway.known = replace(gateway.known, settings=lambda name, settings: f"{name}: no such channel")
    gateway.restart()
    refused(gateway, parcel(), Reason.WHEN, "look: no such channel")


def test_what_the_type_checker_and_the_expression_say(gateway: Gateway) -> None:
    gateway.proving = Proving(
        types=lambda name, source: "line 6: no attribute 'sett'" if b"celsius" in source else "",
        expression=lambda text: "line 1: not an expression" if "=" in text else "",
    )
    gateway.restart()
    refused(gateway, parcel(check="x = 1"), Reason.CHECK, "check: line 1")
    refused(gateway, parcel(), Reason.TYPES, "line 6")


def test_a_dry_run_that_fails_and_one_that_says_nothing(gateway: Gateway) -> None:
    event = Event("e1", "workshop", EventKind.READING, {"temperature": 31.0}, 0.0, 0.0)
    said: list[str | None] = ["KeyError: 'temperature' (look.py:6)", None, ""]
    gateway.proving = Proving(event=lambda when: event, rehearse=lambda app, event: said.pop(0))
    gateway.restart()
    refused(gateway, parcel(), Reason.DRY_RUN, "KeyError: 'temperature' (look.py:6)")
    assert "could not be seen to its end" in gateway.apps.install(parcel()).message
    assert gateway.apps.install(parcel(version=2)).message == ""


def test_a_signed_message_that_failed_is_not_proved_again_and_again(gateway: Gateway) -> None:
    proved: list[str] = []
    gateway.proving = Proving(types=lambda name, source: proved.append(name) or "line 6: wrong")  # type: ignore[func-returns-value]
    gateway.restart()
    message = pack(manifest(), SOURCE, "ops", PRIVATE)
    said = set()
    for _ in range(120):
        said.add(str(gateway.apps.receive("look", message)))
        gateway.clock.advance(1)
    assert len(said) == 1
    assert len(proved) == 2
    gateway.apps.install(signed())
    gateway.apps.install(signed())
    assert len(proved) == 4  # who stands before the device knows what he does


def test_without_an_event_in_the_journal_the_dry_run_is_left_out_and_said(gateway: Gateway) -> None:
    verdict = gateway.apps.install(parcel())
    assert verdict.accepted
    assert "without a dry run" in verdict.message
    assert gateway.apps.audit(1)[0].message == verdict.message


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_version_that_was_here_is_not_taken_again(gateway: Gateway, version: int) -> None:
    gateway.apps.install(signed(version=3))
    refused(gateway, signed(version=version), Reason.VERSION, "higher than 3")
    gateway.apps.remove("look")
    refused(gateway, signed(version=version), Reason.VERSION, "higher than 3")
    gateway.restart()
    refused(gateway, signed(version=version), Reason.VERSION, "higher than 3")
    assert gateway.apps.install(signed(version=4)).accepted


def test_a_version_that_was_refused_may_come_again(gateway: Gateway) -> None:
    refused(gateway, signed(version=7, grant={"devices": ["pump"]}), Reason.GRANT)
    gateway.under(grant={"devices": ["pump"]})
    assert gateway.apps.install(signed(version=7, grant={"devices": ["pump"]})).accepted


# -- signatures -------------------------------------------------------------------------------------------------------


def send(gateway: Gateway, parcel: Parcel, name: str = "look") -> Reason | None:
    import base64

    texts = {
        "manifest": parcel.manifest.decode("latin-1"),
        "source": parcel.source.decode("latin-1"),
        "key": parcel.key,
        "signature": base64.b64encode(parcel.signature).decode(),
    }
    return gateway.apps.receive(name, json.dumps(texts).encode()).reason


def test_what_is_signed_comes_over_mqtt_and_says_who_sent_it(gateway: Gateway) -> None:
    assert gateway.apps.receive("look", pack(manifest(), SOURCE, "ops", PRIVATE)).accepted
    assert gateway.apps.get("look").provenance == "ops"
    assert gateway.apps.audit(1)[0].by == "ops"
    assert gateway.apps.manifest("look") == manifest()
    assert gateway.apps.source("look") == SOURCE


def test_a_manifest_with_any_byte_changed_is_refused(gateway: Gateway) -> None:
    good = signed(version=1)
    for place in range(0, len(good.manifest), 7):
        tampered = bytearray(good.manifest)
        tampered[place] ^= 1
        assert send(gateway, replace(good, manifest=bytes(tampered))) is Reason.SIGNATURE
    for changed in (good.manifest + b" ", good.manifest[:-1], b" " + good.manifest):
        assert send(gateway, replace(good, manifest=changed)) is Reason.SIGNATURE
    assert gateway.apps.list() == []


def test_a_signature_with_any_byte_changed_or_missing_is_refused(gateway: Gateway) -> None:
    good = signed()
    for place in range(64):
        tampered = bytearray(good.signature)
        tampered[place] ^= 0x80
        assert send(gateway, replace(good, signature=bytes(tampered))) is Reason.SIGNATURE
    assert send(gateway, replace(good, signature=good.signature[:-1])) is Reason.SIGNATURE
    assert send(gateway, replace(good, signature=bytes(64))) is Reason.SIGNATURE


def test_a_source_with_a_byte_changed_is_refused(gateway: Gateway) -> None:
    good = signed()
    assert send(gateway, replace(good, source=good.source + b"\n")) is Reason.SHA256
    assert send(gateway, replace(good, source=b"")) is Reason.SHA256
    assert send(gateway, good) is None


def test_another_keys_signature_and_a_key_that_nobody_knows(gateway: Gateway) -> None:
    assert send(gateway, signed(private=OTHER_PRIVATE)) is Reason.SIGNATURE
    assert send(gateway, signed(key="stranger")) is Reason.UNKNOWN_KEY
    gateway.under(keys={"ops": "not base64!"})
    assert send(gateway, signed()) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"[1]", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_JSON),
        (b"{}", Reason.UNSIGNED),
        (b'{"manifest":"{}","source":""}', Reason.UNSIGNED),
        (b'{"manifest":"{}","source":"","key":"ops"}', Reason.UNSIGNED),
        (b'{"manifest":"{}","source":"","signature":"AA=="}', Reason.UNSIGNED),
        (b'{"manifest":"{}","source":"","key":"ops","signature":"?"}', Reason.SIGNATURE),
        (b'{"manifest":{},"source":"","key":"ops","signature":"AA=="}', Reason.FIELDS),
        (b'{"manifest":"{}","source":"","key":"ops","signature":"AA==","more":1}', Reason.FIELDS),
        (b'{"key":"ops","signature":"AA=="}', Reason.FIELDS),
        (b" " * 1_000_000, Reason.TOO_LARGE),
    ],
    ids=lambda value: str(value)[:40],
)
def test_messages_that_are_no_parcel(gateway: Gateway, payload: bytes, reason: Reason) -> None:
    assert gateway.apps.receive("look", payload).reason is reason
    assert gateway.apps.audit(1)[0].by == "unknown"


def test_over_mqtt_nothing_comes_unless_it_is_switched_on(gateway: Gateway) -> None:
    gateway.under(remote=False)
    assert send(gateway, signed()) is Reason.OFF
    assert gateway.apps.install(signed()).accepted


def test_the_topic_and_the_manifest_name_the_same_app(gateway: Gateway) -> None:
    assert send(gateway, signed(), name="listen") is Reason.NAME


def test_a_message_that_is_not_read_is_counted_and_written_down(gateway: Gateway) -> None:
    verdict = gateway.apps.refuse("look", Reason.RETAINED, "retained messages are not read")
    assert (verdict.accepted, verdict.reason) == (False, Reason.RETAINED)
    assert gateway.apps.audit(1)[0].reason == "retained"


def test_the_highest_version_is_known_also_of_what_is_gone(gateway: Gateway) -> None:
    assert gateway.apps.highest("look") == 0
    gateway.apps.install(parcel(version=7))
    gateway.apps.remove("look")
    assert gateway.apps.highest("look") == 7


def test_an_app_belongs_to_who_sent_it(gateway: Gateway) -> None:
    gateway.apps.install(signed(version=1))
    assert send(gateway, signed(version=2, key="lab", private=OTHER_PRIVATE)) is Reason.NOT_OWNER
    gateway.apps.install(parcel(name="mine"))
    assert send(gateway, signed(name="mine", version=2), name="mine") is Reason.NOT_OWNER
    assert gateway.apps.install(parcel(version=2)).accepted  # the device's own owner may do everything
    assert send(gateway, signed(version=3)) is None
    assert gateway.apps.install(signed(version=4, key="lab", private=OTHER_PRIVATE)).accepted  # by hand, on the device
    assert gateway.apps.get("look").provenance == "lab"
    assert send(gateway, signed(version=5, key="lab", private=OTHER_PRIVATE)) is Reason.NOT_OWNER


# -- the clock --------------------------------------------------------------------------------------------------------

SOON = "2026-11-21T10:00:00+00:00"  # an hour after tests begin


def test_with_an_unset_clock_what_expires_waits_and_is_decided_once_the_clock_is_set(gateway: Gateway) -> None:
    gateway.clock.trust = "unset"
    verdict = gateway.apps.install(signed(expires=SOON))
    assert verdict.accepted
    assert verdict.state == "waiting"
    assert gateway.apps.running("look") is None
    assert gateway.apps.begin("look") is None
    gateway.crash()
    gateway.apps.tick()
    assert gateway.apps.get("look").state == "waiting"
    gateway.clock.trust = "estimated"
    gateway.apps.tick()
    assert gateway.apps.get("look").state == "active"
    assert gateway.changed == ["look", "look"]


def test_one_that_waited_too_long_is_refused_then_and_its_version_stays_known(gateway: Gateway) -> None:
    gateway.clock.trust = "unset"
    gateway.apps.install(signed(expires=SOON, version=5))
    gateway.clock.advance(3601)
    gateway.clock.trust = "synced"
    gateway.apps.tick()
    assert gateway.apps.list() == []
    entry = gateway.apps.audit(1)[0]
    assert (entry.reason, entry.by, entry.version) == ("expired", "ops", 5)
    refused(gateway, signed(version=5), Reason.VERSION)


def test_one_that_waited_is_judged_by_the_ceiling_of_the_day(gateway: Gateway) -> None:
    gateway.clock.trust = "unset"
    gateway.apps.install(signed(expires=SOON))
    gateway.under(sources=[])
    gateway.clock.trust = "synced"
    gateway.apps.tick()
    assert gateway.apps.list() == []
    assert gateway.apps.audit(1)[0].reason == "sources"


def test_what_waits_gives_way_to_a_newer_version_only(gateway: Gateway) -> None:
    gateway.clock.trust = "unset"
    gateway.apps.install(signed(expires=SOON, version=5))
    refused(gateway, signed(expires=SOON, version=5), Reason.VERSION)
    refused(gateway, signed(version=4), Reason.VERSION)
    gateway.apps.install(signed(expires=SOON, version=6))
    gateway.clock.trust = "synced"
    gateway.apps.tick()
    assert gateway.versions() == {"look": 6}


def test_a_new_version_that_waits_lets_the_old_one_run_meanwhile(gateway: Gateway) -> None:
    gateway.apps.install(signed(version=1))
    gateway.clock.trust = "unset"
    assert gateway.apps.install(signed(expires=SOON, version=2)).state == "waiting"
    assert gateway.run(Status.SUCCESS) == 1
    gateway.apps.remove("look")
    gateway.clock.trust = "synced"
    gateway.apps.tick()
    assert gateway.apps.list() == []  # removed is removed, waiting or not


def test_what_does_not_expire_does_not_wait_for_a_clock(gateway: Gateway) -> None:
    gateway.clock.trust = "unset"
    assert gateway.apps.install(signed()).state == "active"


# -- what it is given -------------------------------------------------------------------------------------------------


def test_what_was_not_asked_for_takes_its_default_or_the_ceiling(gateway: Gateway) -> None:
    gateway.apps.install(parcel(limits={"calls": 3}, grant={"tools": ["kv", "weather"], "publish": ["plant/{id}/+"]}))
    running = gateway.apps.running("look")
    assert running is not None
    limits, grant = running.settings.limits, running.settings.grant
    assert (limits.calls, limits.time, limits.per_minute, limits.steps) == (3, 1.0, 60, 10_000)
    assert limits.tools == {"weather": 5}
    assert (grant.publish, grant.devices, grant.deny_tools) == (["plant/box/+"], [], ["shell"])
    assert running.settings.engine == "sandbox"


def test_the_gateways_own_tasks_go_before_any_app_and_keep_their_room(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    gateway.apps.promote("look", "anna")
    running = gateway.apps.running("look")
    assert running is not None
    assert running.settings.priority == "low"
    most_apps, all_starts = 64, RunsSection().waiting
    assert running.settings.queue * most_apps < all_starts / 2


def test_every_number_of_limits_and_memory_has_a_ceiling() -> None:
    """A new key must not slip past: asking for more than any bound, one at a time, is refused."""
    ceiling = OnTheFly.model_validate({**CEILING, "limits": {"per_hour": 10, "per_minute": 5, "burst": 2}})
    from edge.apps.ceiling import settings_within
    from edge.apps.refusal import Refused

    for section, most in (("limits", ceiling.limits), ("memory", ceiling.memory)):
        assert most is not None
        for key in type(most).model_fields:
            bound = getattr(most, key)
            if key == "tools" or bound is None:
                continue
            asked = Manifest.parse(manifest(**{section: {}}), "box")
            greedy = getattr(asked, section).model_copy(update={key: bound + 1})
            with pytest.raises(Refused, match=key):
                settings_within(asked.model_copy(update={section: greedy}), ceiling, {})


@pytest.mark.parametrize(("most", "given"), [("8MB", 8_000_000), ("64MB", 16_000_000), (None, 16_000_000)])
def test_memory_that_was_not_asked_for_is_that_of_the_sandbox_or_less(most: str | None, given: int) -> None:
    from edge.apps.ceiling import settings_within

    ceiling = OnTheFly.model_validate({**CEILING, "limits": {"memory": most} if most else {}})

    assert settings_within(Manifest.parse(manifest(limits={}), "box"), ceiling, {}).heap == given


def test_a_name_that_edge_yaml_takes_later_holds_the_app_back(gateway: Gateway) -> None:
    gateway.apps.install(parcel())
    gateway.known = replace(gateway.known, tasks=frozenset({"look"}))
    gateway.restart()
    assert gateway.apps.running("look") is None
    assert gateway.apps.get("look").held.startswith("name")


@pytest.mark.parametrize(
    "change",
    [{"sources": []}, {"keys": {}}, {"limits": {"time": "1ms"}}, {"grant": {}}],
    ids=["sources", "keys", "limits", "grant"],
)
def test_an_app_that_a_lower_ceiling_does_not_allow_is_held_until_it_does(
    gateway: Gateway, change: dict[str, Any]
) -> None:
    gateway.apps.install(signed(limits={"time": "1s"}, grant={"devices": ["fan"]}))
    gateway.under(**change)
    assert gateway.apps.running("look") is None
    assert gateway.apps.begin("look") is None
    assert gateway.apps.get("look").held
    gateway.ceiling = None
    gateway.restart()
    assert gateway.apps.get("look").held.startswith("off")
    gateway.ceiling = CEILING
    gateway.restart()
    assert gateway.run(Status.SUCCESS) == 1
