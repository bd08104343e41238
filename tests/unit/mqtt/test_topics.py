"""Topic filters: matching, covering, and which subscriptions are worth making."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ingest import topics
from edge.ingest.topics import Topics, covering, covers, matches, overlap

levels = st.sampled_from(["a", "b", "", "+"])
filters = st.builds(
    lambda head, tail: "/".join([*head, *tail]), st.lists(levels, max_size=3), st.sampled_from([["#"], ["a"], ["+"]])
)
names = st.lists(st.sampled_from(["a", "b", "", "$SYS"]), min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("filter", "topic", "expected"),
    [
        ("plant/+/vibration", "plant/press/vibration", True),
        ("plant/+/vibration", "plant/press/2/vibration", False),
        ("plant/#", "plant", True),
        ("plant/#", "plant/a/b/c", True),
        ("plant/#", "plants", False),
        ("+", "a", True),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("a", "a/", False),
        ("$share/group/plant/#", "plant/a", True),
    ],
)
def test_a_filter_matches_as_the_standard_says(filter, topic, expected):
    assert matches(filter, topic) is expected


@given(filters, filters, names)
@settings(deadline=None, max_examples=400)
def test_a_filter_that_covers_another_matches_all_that_the_other_matches(wide, narrow, topic):
    if covers(wide, narrow) and matches(narrow, topic):
        assert matches(wide, topic)


@given(st.dictionaries(filters, st.integers(0, 1), max_size=6), names)
@settings(deadline=None, max_examples=300)
def test_fewer_subscriptions_lose_no_topic_and_no_quality(wanted, topic):
    kept = covering(wanted)

    assert not any(covers(one, other) for one in kept for other in kept if one != other)
    best = max((qos for filter, qos in wanted.items() if matches(filter, topic)), default=None)
    if best is not None:
        assert max(qos for filter, qos in kept.items() if matches(filter, topic)) >= best
    else:
        assert not any(matches(filter, topic) for filter in kept)


@given(filters, filters, names)
@settings(deadline=None, max_examples=400)
def test_filters_that_match_one_topic_overlap(one, other, topic):
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)
        assert overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a/c"), ("a/+", "b/#"), ("a", "a/b"), ("a/+/c", "a/b"), ("a", "a/b/#")]
)
def test_filters_without_a_common_topic_do_not_overlap(one, other):
    assert not overlap(one, other)


def test_a_stream_of_ever_new_topics_does_not_fill_the_memory():
    found = Topics({"plant/#": ("plant",)})
    for number in range(3 * topics._REMEMBERED):
        assert found.find(f"plant/{number}") == ("plant",)

    assert len(found._known) <= topics._REMEMBERED
