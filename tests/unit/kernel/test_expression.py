"""Expressions say what is true of plain data, and can do nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from edge.errors import ExpressionError
from edge.expression import LENGTH, PARTS, Expression

FIELDS = {"result": None, "event": ("id", "values")}
VALUES: dict[str, Any] = {
    "result": {"celsius": 92, "name": "oven", "list": [3, 1, 2], "deep": {"a b": 1.5}, "none": None, "huge": 2**200},
    "event": {"id": "e1", "values": {"x": 4}},
}


def value(text: str) -> Any:
    return Expression(text, FIELDS)(VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("result.celsius < 80", False),
        ('event.values["x"] > 0 and result.celsius >= 92', True),
        ("80 < result.celsius < 100", True),
        ("not result.celsius == 92 or event.id != 'e1'", False),
        ("result.celsius * 1.8 + 32", 197.6),
        ("(result.celsius - 2) // 4 % 7 / 2 + -1", -0.0 + (90 // 4 % 7) / 2 - 1),
        ('result.deep["a b"]', 1.5),
        ("result.list[-1] + result['list'][0]", 5),
        ("max(result.list) - min(1, 2) + len(result.name) + abs(-3) + round(2.5678, 2)", 11.57),
        ("result.name in ('oven', 'kiln')", True),
        ("'ov' in result.name and 'zz' not in result", True),
        ("result.none is None and result.celsius is not None", True),
        ("result.list == [3, 1, 2]", True),
        ("'a' < result.name", True),
        ("'missing' in result and result.missing > 3", False),
        ("  result.celsius\n", 92),
    ],
)
def test_what_an_expression_may_say(text: str, expected: Any) -> None:
    assert value(text) == pytest.approx(expected) if isinstance(expected, float) else value(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("result.celsius <", "this is no expression"),
        ("result = 3", "this is no expression"),
        ("", "this is no expression"),
        ("reslt.celsius < 80", "no 'reslt' here; did you mean 'result'?"),
        ("event.vales['x']", "event has no 'vales'; did you mean 'values'?"),
        ("2 ** 9", "'2 ** 9' may not stand"),
        ("1 << 9", "may not stand"),
        ("lambda: 1", "may not stand"),
        ("[x for x in result]", "may not stand"),
        ("open('/etc/passwd')", "may not stand"),
        ("result.name.upper()", "may not stand"),
        ("len(result, key=1)", "may not stand"),
        ("f'{result}'", "may not stand"),
        ("result[0:9]", "may not stand"),
        ("b'x' == result", "may not stand"),
        ("{'a': 1}", "may not stand"),
        ("(y := 3) > 2", "may not stand"),
        ("1 if result else 2", "may not stand"),
        ("result is 3", "`is` compares with None only"),
        ("abs()", "abs() takes 1 to 1 arguments"),
        (str(10**40), "beyond 64 bits"),
        ("1e999 > 3", "not finite"),
        ("1 + " * (PARTS // 2) + "1", f"at most {PARTS}"),
        ("1 " + " " * LENGTH, f"at most {LENGTH}"),
        ("(" * 240 + "1" + ")" * 240, "this is no expression"),
        ("-" * 300 + "1", f"at most {PARTS}"),
        ("'\0'", "this is no expression"),
    ],
)
def test_what_may_not_stand_in_one_is_said_when_it_is_read(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as told:
        Expression(text, FIELDS)
    assert reason in str(told.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("result.fahrenheit < 80", "result has no 'fahrenheit'; it has celsius, name, list"),
        ("result.celsius.x", "result.celsius is 92, which has no 'x'"),
        ("result.list[3]", "result.list is a list of 3, and has no 3"),
        ("result.list[True]", "has no true"),
        ("result.name[0]", "result.name is 'oven', which has no 0"),
        ("result.name < 80", "result.name is 'oven', which is neither more nor less than 80"),
        ("result.list < 80", "a list of 3"),
        ("result.none > 1", "result.none is nothing"),
        ("'ab' * 1000", "arithmetic takes numbers, not 'ab'"),
        ("result.list * 9", "takes numbers"),
        ("'a' + 'b'", "takes numbers"),
        ("result.name % 3", "takes numbers"),
        ("result.huge + 1", "beyond 64 bits"),
        ("9000000000000000000 * 9", "beyond 64 bits"),
        ("1e308 * 10", "not finite"),
        ("round(1e300)", "beyond 64 bits"),
        ("1 / (result.celsius - 92)", "division by zero"),
        ("len(3)", "len() takes a text, a list or a mapping"),
        ("max('a', 3)", "max() takes numbers, not 'a'"),
        ("min([])", "min() of an empty list"),
        ("round(2.5, 99)", "0 to 15 digits"),
        ("3 in 4", "not into 4"),
    ],
)
def test_values_that_do_not_go_together_are_named(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as told:
        value(text)
    assert reason in str(told.value)


def test_attributes_of_python_objects_are_out_of_reach() -> None:
    for text in ("result.__class__", "event.values.keys", "result.name.__len__", "result.list.append"):
        with pytest.raises(ExpressionError):
            value(text)


def test_what_should_be_true_or_false_must_be() -> None:
    assert Expression("result.celsius > 3", FIELDS).holds(VALUES)
    with pytest.raises(ExpressionError, match="true or false, and is 92"):
        Expression("result.celsius", FIELDS).holds(VALUES)


def test_what_stood_in_it_is_told_once_each_in_order() -> None:
    text = 'len(result.list) > 3 or result.celsius < 80 or result.celsius > 99 and event.values["y"] == 1'

    found = Expression(text, FIELDS).found(VALUES)

    assert found == "result.list is a list of 3, result.celsius is 92, event.values has no 'y'; it has x"
