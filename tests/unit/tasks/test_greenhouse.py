"""The packaged micro-apps as the greenhouse's configuration starts them: real triggers, drivers, journal and sync."""

from __future__ import annotations

import json

import pytest

from edge.demo.stage import CONFIG


@pytest.fixture
def edge(edge_factory):
    edge = edge_factory(CONFIG)
    edge.world["climate.temperature"] = 15.0
    edge.advance("5s")
    return edge


def states(edge) -> list[tuple[str, str]]:
    return [(o.task, o.result["state"]) for o in edge.outcomes if o.task.startswith(("frost", "heat"))]


def test_frost_and_heat_drive_the_alarm_in_and_out(edge) -> None:
    """The first reading says that all is well, once for frost and once for heat."""
    assert states(edge) == [("frost_over", "ok"), ("heat_over", "ok")]

    seen = []
    for celsius in (2.0, 4.0, 6.0, 33.0, 31.0, 29.0):
        edge.world["climate.temperature"] = celsius
        edge.advance("5s")
        seen.append(bool(edge.world["alarm.on"]))

    assert seen == [True, True, False, True, True, False]
    assert states(edge)[2:] == [("frost", "frost"), ("frost_over", "ok"), ("heat", "heat"), ("heat_over", "ok")]


def test_a_door_that_is_closed_in_time_starts_nothing(edge) -> None:
    for _ in range(3):
        edge.world["door.open"] = True
        edge.advance("1s")
        edge.world["door.open"] = False
        edge.advance("10s")

    assert [o for o in edge.outcomes if o.task == "door_open"] == []


def test_a_door_left_open_is_noticed_once_on_the_plants_broker(edge) -> None:
    edge.world["door.open"] = True
    edge.advance("60s")

    [outcome] = [o for o in edge.outcomes if o.task == "door_open"]
    assert outcome.result == {"door": "door", "text": "door was left open"}
    notices = [message for message in edge.broker.messages if message.topic == "plant/notices"]
    assert [json.loads(message.payload) for message in notices] == [outcome.result]


def test_every_reading_above_the_limit_is_judged_and_none_below(edge) -> None:
    for rms in (2.0, 5.0, 4.5, 8.0):
        edge.message("plant/pump/vibration", {"rms": rms})
        edge.advance("1s")

    checks = [o for o in edge.outcomes if o.task == "vibration_check"]
    assert [o.result for o in checks] == [
        {"machine": "pump", "rms": 5.0, "advice": "plan maintenance"},
        {"machine": "pump", "rms": 8.0, "advice": "stop"},
    ]
    assert [note["text"] for o in checks for note in o.data.get("notes", ())] == ["above the limit of operation"]


def test_all_of_it_reaches_the_upstream_after_a_crash_while_that_was_away(edge) -> None:
    edge.upstream.online = False
    edge.world["climate.temperature"] = 1.0
    edge.message("plant/pump/vibration", {"rms": 9.0})
    edge.advance("10s")
    accepted = [o.id for o in edge.outcomes]
    edge.crash()
    edge.restart()
    edge.upstream.online = True
    edge.advance("120s")

    assert set(accepted) <= {o.id for o in edge.upstream.received}
