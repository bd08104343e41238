"""What goes wrong between a part and its pin, and that our debouncing makes one edge of a bouncing contact."""

import pytest

from drivers import World
from drivers.contact import Contact, SimContact
from drivers.gpio import SimulatedPins
from drivers.kit.decoders import Debounce
from drivers.relay import Relay, SimRelay
from drivers.servo import Servo, SimServo
from drivers.simulation.pin_faults import PinFaults
from tests.drivers.conftest import Now

Edges = list[tuple[float, bool]]


@pytest.fixture
def faults(world: World) -> PinFaults:
    return PinFaults(world, seed=3)


@pytest.fixture
def edges(world: World, pins: SimulatedPins, faults: PinFaults) -> Edges:
    """The raw levels of a contact on pin 17, with the times of their edges; high is open."""
    door = Contact(pins, 17)
    door.start()
    SimContact(world, "door").wire(faults.between(pins), door)
    seen: Edges = []
    door.watch(lambda role, level, at: seen.append((at, level)))
    return seen


def pass_until(world: World, now, end: float) -> None:  # type: ignore[no-untyped-def]
    while world.deadline is not None and world.deadline <= end:
        now.seconds = max(now.seconds, world.deadline)
        world.refresh()
    now.seconds = end
    world.refresh()


def test_without_faults_a_change_is_one_edge(world: World, edges: Edges, now) -> None:  # type: ignore[no-untyped-def]
    now.seconds = 5
    world["door.open"] = True

    assert edges == [(5, True)]


def test_a_bounce_chatters_for_milliseconds_and_ends_where_the_contact_is(  # type: ignore[no-untyped-def]
    world: World, faults: PinFaults, edges: Edges, now
) -> None:
    faults.plan("bounce", 17, seconds=60, by=4)
    now.seconds = 5
    world["door.open"] = True
    pass_until(world, now, 6)

    assert [level for _, level in edges] == [True, False] * 4 + [True]
    times = [at for at, _ in edges]
    assert times == sorted(times)
    assert 5 < times[-1] < 5 + 8 * 0.0015 + 1e-9
    settled = Debounce(0.05, False)
    for at, level in edges:
        settled.edge(level, at)
    assert [change.level for change in iter(lambda: settled.due(10), None)] == [True]


def test_a_glitch_is_a_short_pulse_that_nobody_made(world: World, faults: PinFaults, edges: Edges, now) -> None:  # type: ignore[no-untyped-def]
    faults.plan("glitch", 17, after=5, by=0.01)
    pass_until(world, now, 10)

    assert edges == [(5, True), (pytest.approx(5.01), False)]


def test_a_stuck_line_stays_and_shows_the_truth_afterwards(world: World, faults: PinFaults, edges: Edges, now) -> None:  # type: ignore[no-untyped-def]
    faults.plan("stuck", 17, seconds=60)
    now.seconds = 5
    world["door.open"] = True
    assert edges == []
    pass_until(world, now, 100)

    assert edges == [(60, True)]


def test_a_floating_line_shows_anything_and_the_truth_afterwards(  # type: ignore[no-untyped-def]
    world: World, pins: SimulatedPins, faults: PinFaults, edges: Edges, now
) -> None:
    faults.plan("floating", 17, seconds=60, by=0.1)
    now.seconds = 5
    world["door.open"] = True
    pass_until(world, now, 59.9)
    assert 200 < len(edges) < 400
    pass_until(world, now, 100)

    assert pins.level(17)
    assert edges[-1][0] <= 60


def test_the_same_seed_gives_the_same_edges(world: World, pins: SimulatedPins, now) -> None:  # type: ignore[no-untyped-def]
    seen: list[Edges] = []
    for seed, pin in ((1, 17), (1, 22), (2, 23)):
        now.seconds = 0
        faults = PinFaults(world, seed=seed)
        part = Contact(pins, pin)
        part.start()
        SimContact(world, f"d{pin}").wire(faults.between(pins), part)
        edges: Edges = []
        part.watch(lambda role, level, at, edges=edges: edges.append((at, level)))  # type: ignore[misc]
        faults.plan("floating", pin, seconds=10)
        pass_until(world, now, 20)
        seen.append(edges)

    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_an_unknown_fault_is_refused(faults: PinFaults) -> None:
    with pytest.raises(ValueError, match="no fault 'bonce' of a pin; there are bounce, glitch, stuck, floating"):
        faults.plan("bonce", 17)  # type: ignore[arg-type]


def test_a_welded_relay_stays_on_and_the_world_sees_it_let_go_at_last(
    world: World, pins: SimulatedPins, faults: PinFaults, now: Now
) -> None:
    heater = Relay(pins, 27)
    heater.start()
    SimRelay(world, "heater").wire(faults.between(pins), heater)
    world["room.temperature"] = world.response("heater.on", gain=10, seconds=1)
    heater.on()
    faults.plan("stuck", 27, seconds=60)
    now.seconds = 5
    heater.off()
    assert heater.read().values["on"] is False, "the pin is what it was told to be"
    assert world["heater.on"] is True
    pass_until(world, now, 59)
    assert world["room.temperature"] == pytest.approx(10)
    pass_until(world, now, 70)
    assert world["heater.on"] is False
    assert world["room.temperature"] < 0.001


def test_a_servo_whose_wire_is_off_does_not_move(
    world: World, pins: SimulatedPins, faults: PinFaults, now: Now
) -> None:
    with Servo(pins, 12) as servo:
        SimServo(world, "flap").wire(faults.between(pins), servo)
        faults.plan("stuck", 12, seconds=60)
        servo.set(90)
        now.seconds = 30
        assert world["flap.angle"] == 0
        pass_until(world, now, 70)
        assert world["flap.angle"] == 90


def test_the_weather_of_a_pin_comes_at_random_and_lasts_as_long_as_it_says(
    world: World, faults: PinFaults, edges: Edges, now: Now
) -> None:
    faults.weather(17, {"glitch": 60, "stuck": 6, "floating": 6, "bounce": 6})
    pass_until(world, now, 10 * 3600)

    seen = [fault.kind for fault in faults.history]
    assert 540 < seen.count("glitch") < 660
    for kind in ("stuck", "floating", "bounce"):
        assert 35 < seen.count(kind) < 85
    begins = [fault.begin for fault in faults.history]
    assert begins == sorted(begins)
    lengths = [fault.end - fault.begin for fault in faults.history if fault.kind == "stuck"]
    assert 5 < sum(lengths) / len(lengths) < 20
    assert len(edges) > 1000
    assert edges[-1][1] is False, "the contact was closed all the time"


def test_the_same_seed_is_the_same_weather_however_often_the_world_is_looked_at(pins: SimulatedPins) -> None:
    def storm(seed: int, pause: float) -> list[tuple[str, float]]:
        now = Now()
        world = World(now)
        faults = PinFaults(world, seed=seed)
        faults.weather(17, {"glitch": 60, "stuck": 6})
        while now.seconds < 3600:
            pass_until(world, now, now.seconds + pause)
        return [(fault.kind, fault.begin) for fault in faults.history]

    assert storm(1, 3600) == storm(1, 0.7)[: len(storm(1, 3600))]
    assert storm(1, 3600) != storm(2, 3600)


def test_an_unknown_kind_of_weather_is_refused(faults: PinFaults) -> None:
    with pytest.raises(ValueError, match="no fault 'nack' of a pin"):
        faults.weather(17, {"nack": 1})  # type: ignore[dict-item]
