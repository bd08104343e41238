"""When a new version counts as worse: seldom by chance, soon where it plainly is."""

from __future__ import annotations

import random

import pytest

from edge.apps.trial import Tally, chance, is_worse

GOOD = Tally(1000, 10)


def ends(rng: random.Random, rate: float, old: Tally, looks: int = 20) -> tuple[bool, int]:
    """A trial of a version that fails at that rate: whether it was called worse, and after how many runs."""
    new = Tally()
    for run in range(1, looks + 1):
        new += Tally(1, int(rng.random() < rate))
        if is_worse(new, old, looks=looks, last=run == looks):
            return True, run
    return False, looks


def test_the_chance_is_fishers() -> None:
    """Checked by hand: 3 of 4 fail against 1 of 4, (16 + 1) / 70."""
    assert chance(Tally(4, 3), Tally(4, 1)) == pytest.approx(17 / 70)
    assert chance(Tally(4, 0), Tally(4, 4)) == pytest.approx(1)
    assert chance(Tally(0, 0), Tally(4, 4)) == pytest.approx(1)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_a_version_as_good_as_the_old_one_is_called_worse_in_at_most_5_of_100_trials(rate: float) -> None:
    rng = random.Random(rate)
    old = Tally(500, round(500 * rate))
    wrong = sum(ends(rng, rate, old)[0] for _ in range(1000))
    assert wrong <= 60  # 50, and what chance does to 1,000 trials


def test_a_version_that_always_fails_goes_after_two_runs_where_the_old_one_never_did() -> None:
    assert ends(random.Random(1), 1.0, Tally(100)) == (True, 2)


def test_a_version_that_fails_in_half_of_its_runs_goes_before_the_end_of_its_trial() -> None:
    rng = random.Random(2)
    found = [ends(rng, 0.5, GOOD) for _ in range(100)]
    assert all(worse for worse, _ in found)
    assert sum(runs for _, runs in found) / 100 < 8


def test_no_failure_is_never_worse_and_a_single_one_not_either() -> None:
    assert not is_worse(Tally(20, 0), Tally(1000, 900), looks=20, last=True)
    assert not is_worse(Tally(20, 1), Tally(20, 0), looks=20, last=True)


def test_an_old_version_that_hardly_ran_counts_as_one_that_did_not_fail() -> None:
    assert is_worse(Tally(20, 8), Tally(0, 0), looks=20, last=True)
    assert not is_worse(Tally(20, 2), Tally(0, 0), looks=20, last=True)
    assert not is_worse(Tally(20, 8), Tally(5, 5), looks=20, last=True)


def test_what_missed_its_goal_did_not_fail() -> None:
    assert not is_worse(Tally(20, 0, 20), GOOD, looks=20, last=True)


def test_long_histories_cost_nothing() -> None:
    assert is_worse(Tally(1000, 500), Tally(10_000_000, 100_000), looks=1000, last=True)
