"""The greenhouse is a function of time: the same day every day, and every kind of trouble once a day."""

from __future__ import annotations

from drivers import World
from edge.demo.world import Greenhouse, clock_face

DAY = 54.0


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_day() -> tuple[Hand, Greenhouse]:
    hand = Hand()
    return hand, Greenhouse(World(hand), begin=hand.now, day=DAY)


def test_a_day_has_frost_heat_and_a_door_left_open() -> None:
    hand, greenhouse = a_day()
    seen = []
    for tenth in range(int(DAY * 10)):
        hand.now = 1000.0 + tenth / 10
        seen.append({name: float(greenhouse.world[name]) for name in greenhouse.world})
    temperatures = [moment["climate.temperature"] for moment in seen]

    assert min(temperatures) < 3
    assert max(temperatures) > 32
    longest_open = max(map(len, "".join("o" if moment["door.open"] else " " for moment in seen).split()))
    assert longest_open / 10 > 2
    above = sum(moment["pump.rms"] > 4.5 for moment in seen) / len(seen)
    assert 0.1 < above < 0.5


def test_a_quiet_greenhouse_gives_no_task_a_reason_to_run() -> None:
    hand, greenhouse = a_day()
    hand.now += DAY / 2
    greenhouse.rest()

    assert 5 < greenhouse.world["climate.temperature"] < 30
    assert not greenhouse.world["door.open"]
    assert greenhouse.world["pump.rms"] < 4.5


def test_the_clock_of_the_greenhouse_starts_at_midnight_and_comes_round() -> None:
    hand, greenhouse = a_day()
    faces = []
    for part in (0.0, 0.25, 0.5, 1.25):
        hand.now = 1000.0 + DAY * part
        faces.append(clock_face(greenhouse.hour()))

    assert faces == ["00:00", "06:00", "12:00", "06:00"]
