"""Units are written out as they are read; filters overlap exactly when a topic lies in both; addresses are strict."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Address, filter_problem, overlap, parse_broker, topic_problem
from edge.config.units import parse_duration, parse_size, show_duration, show_size
from edge.ingest.topics import matches


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250us", 0.00025), ("500ms", 0.5), ("1h 30m", 5400), ("1.5s", 1.5), (" 2d ", 172800), ("0s", 0)],
)
def test_durations_are_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "count"), [("64KB", 64_000), ("1MiB", 1_048_576), ("7B", 7), ("1.5GB", 1_500_000_000)]
)
def test_sizes_are_numbers_with_units(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("wrong", [5, 0, 1.5, True, None, "", "5", "s", "-5s", "5 parsecs", "5s!", "٣s", [], {}])
def test_anything_else_is_refused_with_what_to_write(wrong: object) -> None:
    for parse in (parse_duration, parse_size):
        with pytest.raises(ValueError, match="; write a number and its unit"):
            parse(wrong)


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_a_size_and_a_duration_written_out_read_the_same(count: int) -> None:
    assert parse_size(show_size(count)) == count
    for seconds in (count, count / 1000, count / 7e6):
        assert parse_duration(show_duration(seconds)) == pytest.approx(seconds, rel=1e-6)


LEVELS = ("a", "b", "$x")
TOPICS = ["/".join(topic) for n in (1, 2, 3) for topic in itertools.product((*LEVELS, ""), repeat=n)]
FILTERS = st.lists(st.sampled_from([*LEVELS, "", "+", "#"]), min_size=1, max_size=3).map("/".join)


@settings(deadline=None, max_examples=300)
@given(
    one=FILTERS.filter(lambda text: not filter_problem(text)),
    other=FILTERS.filter(lambda text: not filter_problem(text)),
)
def test_filters_overlap_exactly_when_some_topic_lies_in_both(one: str, other: str) -> None:
    assert overlap(one, other) == any(matches(one, topic) and matches(other, topic) for topic in TOPICS)


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "+a/b", "a/{name}", "a/{", "a\0b", "x" * 65_536])
def test_these_are_no_filters(text: str) -> None:
    assert filter_problem(text)


@pytest.mark.parametrize("text", ["a", "a/b", "+", "#", "a/+/b/#", "/", "$SYS/#", "edge/{id}/x", "plänt/1"])
def test_these_are_filters_and_without_wildcards_topics(text: str) -> None:
    assert not filter_problem(text)
    assert bool(topic_problem(text)) == ("+" in text or "#" in text)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://localhost", Address("localhost", 1883, False)),
        ("mqtts://cloud.example", Address("cloud.example", 8883, True)),
        ("MQTT://10.0.0.1:1884/", Address("10.0.0.1", 1884, False)),
        ("mqtt://[::1]:1883", Address("::1", 1883, False)),
        ("mqtt://my_broker:65535", Address("my_broker", 65535, False)),
    ],
)
def test_a_brokers_address_is_scheme_host_and_perhaps_port(url: str, address: Address) -> None:
    assert parse_broker(url) == address


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=20) | st.text(max_size=12).map(lambda rest: f"mqtt://{rest}"))
def test_any_other_text_is_refused_with_a_reason(text: str) -> None:
    try:
        address = parse_broker(text)
    except ValueError as error:
        told = str(error)
    else:
        told = address.host
        assert 1 <= address.port <= 65535

    assert told
