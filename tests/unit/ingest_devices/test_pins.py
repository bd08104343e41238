"""What a pin does becomes events: settled, in order, with the time at which it happened."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drivers import PinInUse
from drivers.base import Decoder
from edge.config.tasks import TaskSettings
from edge.ingest.pins import QUEUE, RESTART, PinWatch, Watching
from edge.model import Event, EventKind, Start
from edge.triggers import Triggers
from tests.unit.ingest_devices.conftest import Bench, Named


def door(bench: Bench, *, debounce: float = 0.05, is_open: bool = False) -> tuple[PinWatch, Named]:
    contact = bench.contact(17, "door")
    watch = bench.watch(Watching(sensor=contact, debounce=debounce))
    bench.pins.drive(17, is_open)
    watch.start()
    bench.solder(contact)
    bench.world["door.open"] = is_open
    bench.run(watch, 0)
    return watch, contact


def told(events: list[Event]) -> list[tuple[str, bool, float]]:
    return [(event.kind.value, event.values["open"], round(event.monotonic, 6)) for event in events]


@pytest.fixture(autouse=True)
def _pins_start_as_inputs(bench: Bench) -> None:
    bench.pins.input(17, pull="up").close()


def test_the_level_at_start_is_state_and_every_later_change_an_edge(bench: Bench) -> None:
    watch, _ = door(bench, is_open=True)
    bench.clock.advance(1)
    bench.world["door.open"] = False
    bench.run(watch, 1)
    assert told(bench.events) == [("reading", True, 0), ("edge", False, 1)]
    assert [reading.values["open"] for _, reading in bench.shown] == [True, False]
    assert watch.states["door"].state == "ok"


def test_an_edge_wakes_the_thread_that_settles_it(bench: Bench) -> None:
    watch, _ = door(bench)
    before = bench.wakes
    bench.world["door.open"] = True
    assert bench.wakes == before + 1
    assert len(bench.events) == 1, "the library's thread only queues"
    assert watch.step() == pytest.approx(0.05)


def test_an_event_has_the_time_of_its_edge(bench: Bench) -> None:
    watch, _ = door(bench)
    bench.clock.advance(2)
    bench.world["door.open"] = True
    bench.clock.advance(7)
    watch.step()
    event = bench.events[-1]
    assert (event.kind, event.monotonic) == (EventKind.EDGE, 2)
    assert event.time == bench.clock.wall() - 7


def test_chatter_is_one_edge(bench: Bench) -> None:
    watch, _ = door(bench)
    for level in (True, False, True, False, True):
        bench.world["door.open"] = level
        bench.run(watch, 0.004)
    bench.run(watch, 1)
    assert told(bench.events)[1:] == [("edge", True, 0.016)]


def test_without_debounce_every_edge_counts(bench: Bench) -> None:
    watch, _ = door(bench, debounce=0)
    for level in (True, False, True):
        bench.world["door.open"] = level
        bench.clock.advance(0.001)
    bench.run(watch, 1)
    assert told(bench.events)[1:] == [("edge", True, 0), ("edge", False, 0.001), ("edge", True, 0.002)]


def test_a_lost_edge_is_made_good_by_looking_at_the_pin(bench: Bench) -> None:
    watch, _ = door(bench)
    part = watch._parts[0]
    bench.world["door.open"] = True
    watch.step()
    # the pin goes back, but the kernel dropped that edge
    bench.world["door.open"] = False
    watch._edges.clear()
    bench.run(watch, 1)
    assert told(bench.events)[-1] == ("edge", False, 0.05)
    assert bench.errors("door") == {"missed_edge": 1}
    assert part.look_up is None
    assert watch.step() is None, "nothing is polled"


def test_pins_are_told_in_the_order_in_which_they_changed(bench: Bench) -> None:
    contacts = [bench.contact(pin, name) for pin, name in ((17, "a"), (22, "b"))]
    watch = bench.watch(*[Watching(sensor=contact, debounce=0.05) for contact in contacts])
    watch.start()
    for contact in contacts:
        bench.solder(contact)
    bench.run(watch, 1)
    bench.events.clear()
    bench.world["b.open"] = True
    bench.clock.advance(0.01)
    bench.world["a.open"] = True
    bench.clock.advance(1)
    watch.step()
    assert [event.source for event in bench.events] == ["b", "a"]


def test_a_pin_that_cannot_be_opened_leaves_the_others_alone_and_is_tried_again(bench: Bench) -> None:
    taken, free = bench.contact(17, "taken"), bench.contact(22, "free")
    holder = bench.pins.input(17, pull="up")
    watch = bench.watch(Watching(sensor=taken), Watching(sensor=free))
    watch.start()
    assert [event.source for event in bench.events] == ["free"]
    assert (watch.states["taken"].state, watch.states["free"].state) == ("failed", "ok")
    assert bench.errors("taken") == {PinInUse.kind: 1}
    holder.close()
    bench.run(watch, 31)
    assert watch.states["taken"].state == "ok"
    assert [event.source for event in bench.events] == ["free", "taken"]


def test_a_flood_of_edges_is_bounded_and_ends_with_the_right_level(bench: Bench) -> None:
    watch, contact = door(bench)
    part = watch._parts[0]
    for number in range(QUEUE + 11):
        watch.edge(part, "pin", number % 2 == 0, bench.clock.monotonic())
    assert bench.telemetry.total("edge_pin_edges_dropped_total") == 11
    bench.run(watch, 1)
    assert contact.sample().values == {"open": False}
    assert bench.events[-1].values == {"open": False}


def test_edges_may_come_from_any_thread_while_others_are_settled(bench: Bench) -> None:
    watch, _ = door(bench, debounce=0)
    part = watch._parts[0]

    def flood() -> None:
        for number in range(2000):
            watch.edge(part, "pin", number % 2 == 0, 0.0)

    thread = threading.Thread(target=flood)
    thread.start()
    while thread.is_alive():
        watch.step()
    thread.join()
    watch.step()
    assert len(bench.events) == 2001
    assert [event.values["open"] for event in bench.events[1:5]] == [True, False, True, False]


def test_a_door_that_stands_open_at_boot_is_noticed_but_is_no_edge(bench: Bench) -> None:
    tasks = {
        "left_open": {"when": {"source": "door", "equals": True, "for": "30s"}},
        "opened": {"when": {"source": "door", "edge": "rising"}},
    }
    triggers = Triggers(
        {name: TaskSettings.model_validate(task) for name, task in tasks.items()},
        clock=bench.clock,
        minter=bench.minter,
        telemetry=bench.telemetry,
    )
    watch, _ = door(bench, is_open=True)
    starts: list[Start] = [start for event in bench.events for start in triggers.match(event)[0]]
    bench.run(watch, 30)
    starts += triggers.due()
    assert [start.task for start in starts] == ["left_open"]
    bench.events.clear()
    for level in (False, True):
        bench.world["door.open"] = level
        bench.run(watch, 1)
    assert [start.task for event in bench.events for start in triggers.match(event)[0]] == ["opened"]


class Sick:
    """A decoder that fails, in one of its ways, as long as it is `ill`."""

    def __init__(self, real: Decoder, way: str, ill: list[bool]) -> None:
        self._real = real
        self._way = way
        self._ill = ill

    def __getattr__(self, name: str) -> Any:
        if name == self._way and self._ill:
            raise KeyError("a driver's bug")
        return getattr(self._real, name)


@pytest.mark.parametrize("way", ["edge", "due", "look"])
def test_a_decoder_that_fails_takes_no_other_part_with_it_and_is_begun_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    door, window = bench.contact(17, "door"), bench.contact(27, "window")
    watch = bench.watch(Watching(sensor=door), Watching(sensor=window))
    ill: list[bool] = []
    healthy = door.decoder
    monkeypatch.setattr(door, "decoder", lambda settle: Sick(healthy(settle), way, ill))
    watch.start()
    bench.events.clear()
    ill.append(True)

    def open_both(level: bool) -> None:
        for pin in (17, 27):
            bench.pins.drive(pin, level)
        bench.run(watch, 1.0)

    open_both(False)
    assert "window" in {event.source for event in bench.events}
    assert (watch.states["door"].state, watch.states["window"].state) == ("failed", "ok")
    assert bench.errors("door") == {"bug": 1}

    ill.clear()
    bench.run(watch, RESTART)
    assert watch.states["door"].state == "ok"
    bench.events.clear()
    open_both(True)
    assert sorted(event.source for event in bench.events) == ["door", "window"]


def test_a_line_that_never_falls_silent_does_not_keep_the_watch_from_telling(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = bench.contact(17, "door")
    watch = bench.watch(Watching(sensor=door))
    watch.start()
    healthy = door.decoder(0.0)
    healthy.begin({"pin": True}, 0.0)
    edges: list[bool] = []

    class Flooded(Sick):
        def edge(self, role: str, level: bool, at: float) -> None:
            edges.append(level)
            assert len(edges) < 1000, "the flood holds the watch"
            bench.pins.drive(17, not level)  # each edge is followed by the next before it is looked at

    monkeypatch.setattr(watch._parts[0], "decoder", Flooded(healthy, "", []))
    bench.pins.drive(17, not bench.pins.level(17))
    watch.step()
    watch.step()
    assert len(edges) == 2
