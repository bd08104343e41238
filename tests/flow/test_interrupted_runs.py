"""A crash in the middle of a run: it goes on from its last checkpoint, or anew, under its id; and what was remembered
is remembered. The power goes at every single change of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.model import Outcome, RecordKind
from edge.testing.files import PowerCut
from edge.testing.harness import Harness
from tests.laws import balanced

CONFIG = Path(__file__).parent / "long" / "edge.yaml"
STEPS = 4


def interrupted(cut: int, *, power: bool = True) -> Harness | None:
    """A gateway that lost power, or was killed, at that change of a file after an order came in, and is up again;
    None where it was done before."""
    edge = Harness(CONFIG, seed=cut)
    edge.files.cut_at = edge.files.steps + cut
    try:
        edge.message("plant/order", {"n": 1})
    except PowerCut:
        edge.crash(power=power)
        edge.restart()
        edge.advance("10s")
        return edge
    edge.files.cut_at = None
    edge.close()
    return None


def every_crash(*, power: bool = True) -> Iterator[Harness]:
    cut = 0
    while (edge := interrupted(cut, power=power)) is not None:
        yield edge
        edge.close()
        cut += 1
    assert cut > 2 * STEPS, "the power never went in the middle of a run"


def of(edge: Harness, task: str) -> list[Outcome]:
    return [outcome for outcome in edge.outcomes if outcome.task == task]


@pytest.mark.parametrize("power", [True, False], ids=("power cut", "kill"))
def test_a_run_goes_on_from_its_last_checkpoint_wherever_it_was_interrupted(power: bool) -> None:
    began = set()
    for edge in every_crash(power=power):
        [outcome] = of(edge, "resumed")
        assert outcome.status == "success"
        assert (outcome.result["found"] or 0) == outcome.result["first"]
        began.add(outcome.result["first"])
        assert balanced(edge.journal.stats())

    assert began == set(range(STEPS + 1))


def test_without_resume_it_starts_anew_and_nothing_is_kept() -> None:
    for edge in every_crash():
        [outcome] = of(edge, "restarted")
        assert outcome.result == {"first": 0, "found": None}


def test_it_keeps_its_id() -> None:
    for edge in every_crash():
        promised = [stored.record.id for stored in edge.journal.records(RecordKind.ACCEPTED)]
        ended = [outcome.id for outcome in edge.outcomes if outcome.task != "restarted"]
        assert sorted(ended) == sorted(promised), "what needs no promise is `restarted` only"


def test_after_the_outcome_the_next_start_leaves_nothing_behind() -> None:
    for edge in every_crash():
        edge.restart()
        assert len(edge.journal.table("checkpoints")) == 0


def test_a_run_that_was_not_interrupted_resumes_nothing(edge_factory: Callable[..., Harness]) -> None:
    edge = edge_factory(CONFIG)
    edge.message("plant/order", {"n": 1})
    edge.message("plant/order", {"n": 2})

    assert [outcome.result for outcome in of(edge, "resumed")] == [{"first": 0, "found": None}] * 2
    assert len(edge.journal.table("checkpoints")) == 1  # that of the second: the third would remove it


def test_interrupted_twice_it_goes_on_twice() -> None:
    for cut in range(1, 40):
        edge = interrupted(cut)
        if edge is None:
            break
        edge.message("plant/order", {"n": 2})
        edge.files.cut_at = edge.files.steps + cut
        with suppress(PowerCut):
            edge.message("plant/order", {"n": 3})
        edge.crash()
        edge.files.cut_at = edge.files.steps + cut
        with suppress(PowerCut):
            edge.restart()
            edge.advance("10s")
        edge.crash()
        edge.restart()
        edge.advance("10s")
        assert [(outcome.status, outcome.event["values"]["n"]) for outcome in of(edge, "resumed")] == [
            ("success", 1),
            ("success", 2),
            ("success", 3),
        ]
        edge.close()


@pytest.mark.parametrize("power", [True, False], ids=("power cut", "kill"))
def test_what_a_task_remembered_is_there_wherever_the_power_went(power: bool) -> None:
    for edge in every_crash(power=power):
        [outcome] = of(edge, "diary")
        known = outcome.result["recalled"]
        assert known in ([], [1])  # [1]: it had remembered the order, and was interrupted before its outcome
        assert outcome.result["all"] == [1, *known]

        edge.message("plant/order", {"n": 2})
        assert of(edge, "diary")[-1].result["recalled"] == [1, *known]


def test_a_task_that_comes_back_finds_its_memory(edge_factory: Callable[..., Harness], tmp_path: Path) -> None:
    for name in ("edge.yaml", "tasks.py"):
        (tmp_path / name).write_text((CONFIG.parent / name).read_text())
    lines = (tmp_path / "edge.yaml").read_text().splitlines(keepends=True)
    (tmp_path / "without.yaml").write_text("".join(line for line in lines if "diary" not in line))
    edge = edge_factory(tmp_path / "edge.yaml")
    edge.message("plant/order", {"n": 1})
    edge.reconfigure("without.yaml")
    edge.message("plant/order", {"n": 2})
    edge.reconfigure("edge.yaml")
    edge.message("plant/order", {"n": 3})

    assert of(edge, "diary")[-1].result["all"] == [3, 1]
