"""Marks say which records of a segment are settled; they are checked against a set."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.journal.marks import Marks, ranges


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 70), max_size=20), max_size=10))
def test_marks_are_a_set_of_ordinals(batches: list[list[int]]) -> None:
    marks, model = Marks(), set()
    for batch in batches:
        marks.add_all(batch)
        model.update(batch)
        marks = Marks.load(marks.dump())

        assert marks.count == len(model)
        assert {ordinal for ordinal in range(80) if ordinal in marks} == model


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 100)))
def test_ranges_say_the_same_ordinals_in_fewer_numbers(ordinals: set[int]) -> None:
    flat = ranges(ordinals)

    assert {i for first, last in zip(flat[::2], flat[1::2], strict=True) for i in range(first, last + 1)} == ordinals


def test_a_prefix_costs_one_number_however_it_came_about() -> None:
    marks = Marks()
    marks.add_all([5, 3, 4])
    marks.add_all([0, 2, 1])

    assert marks.dump() == [6]
