"""What tasks remember lies in state tables of the journal: whether there is room for all of it, before any is kept."""

from __future__ import annotations

from edge.config.report import Steps
from edge.config.rules.survey import Survey
from edge.config.tasks import MemorySection
from edge.config.units import show_size

ENTRY = 80  # bytes that an entry takes beside its JSON, at most
OWN = 8  # tables of the runtime's own, or a few more than there are
SHARE = 8  # all state tables together may take this part of the journal


def check_memory(survey: Survey) -> None:
    """Every memory fits a table, all of them fit the journal, and there are tables for all."""
    report = survey.report
    found = {
        name: task.memory
        for name, task in survey.config.tasks.items()
        if task.memory is not None and not report.spoiled(("tasks", name, "memory"))
    }
    for name, memory in found.items():
        _check_one(("tasks", name, "memory"), memory, survey)
    if found and not report.spoiled(("journal",)):
        _check_all(list(found.values()), survey)


def _check_one(steps: Steps, memory: MemorySection, survey: Survey) -> None:
    report, table = survey.report, survey.config.journal.table_size
    if memory.recall > memory.entries:
        message = f"recall wants {memory.recall} entries and the memory keeps {memory.entries}"
        report.at((*steps, "recall"), message, f"recall: {memory.entries}, or more entries")
    if _room(memory) > table and not report.spoiled(("journal", "table_size")):
        message = f"with {memory.entries} entries this takes up to {_shown(_room(memory))} of a table, "
        message += f"and journal.table_size is {show_size(table)}"
        report.at(steps, message, "a smaller size, fewer entries, or a larger journal.table_size")


def _check_all(memories: list[MemorySection], survey: Survey) -> None:
    report, journal = survey.report, survey.config.journal
    total = sum(map(_room, memories))
    if total > journal.max_size // SHARE:
        message = f"what all tasks may remember takes up to {_shown(total)}, and state tables an eighth of max_size: "
        message += show_size(journal.max_size // SHARE)
        report.at(
            ("journal", "max_size"), message, f"max_size: {_shown(total * SHARE)}, or a smaller memory.size of tasks"
        )
    wanted = len(memories) + sum(tool.kind == "kv" for tool in survey.config.tools.values())
    if wanted + OWN > journal.tables:
        message = f"{wanted} memories and kv tools need a table each, and the runtime up to {OWN} of its own"
        report.at(("journal", "tables"), message, f"tables: {wanted + OWN}")


def _room(memory: MemorySection) -> int:
    return memory.size + memory.entries * ENTRY


def _shown(size: int) -> str:
    """Rounded up, so that writing it helps."""
    unit = 10_000 if size < 1_000_000 else 100_000
    return show_size(-(-size // unit) * unit)
