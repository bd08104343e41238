"""What may be asked for from outside, how often, and what is told of an error."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from edge.errors import LimitExceeded, NotGranted, RunCancelled, RunTimeout, ToolError
from edge.runs.bridge import METHODS, Bridge
from edge.runs.calls import CallLate, Calls


class Ctx:
    """A context whose devices do what they are told, or raise."""

    def __init__(self) -> None:
        self.left = 10.0
        self.raises: BaseException | None = None
        self.done: list[Any] = []

    def remaining(self) -> float:
        return self.left

    def note(self, text: str, **fields: Any) -> None:
        if self.raises is not None:
            raise self.raises
        self.done.append(text)

    def device(self, name: str) -> Ctx:
        return self

    def set(self, value: Any) -> None:
        self.done.append(value)

    def read(self) -> dict[str, bool]:
        return {"state": True}

    @property
    def memory(self) -> Ctx:
        return self

    def append(self, value: Any, ttl: float | None) -> None:
        self.done.append((value, ttl))


class Late(Calls):
    """Every call takes too long; `left` is what the run's clock shows afterwards."""

    def __init__(self, ctx: Ctx, left: float) -> None:
        super().__init__()
        self.asked: list[float] = []
        self._ctx, self._left = ctx, left

    def make(self, call: Any, seconds: float) -> Any:
        self.asked.append(seconds)
        self._ctx.left = self._left
        raise CallLate("it took longer")


@pytest.fixture
def ctx() -> Ctx:
    return Ctx()


def ask(bridge: Bridge, method: str, *arguments: Any) -> str:
    return bridge(method, orjson.dumps(arguments).decode())


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (NotGranted("no"), PermissionError, "no"),
        (RunTimeout("over"), TimeoutError, "over"),
        (ToolError("broken"), NotImplementedError, "broken"),
        (LimitExceeded("calls: 1"), Exception, "calls: 1"),
        (RunCancelled("told"), Exception, "told"),
        (ValueError("odd"), ValueError, "odd"),
        (TypeError("odd"), TypeError, "odd"),
        (OSError("/dev/i2c-1: gone"), OSError, "note failed: OSError"),
        (TimeoutError("/dev/i2c-1: slow"), OSError, "note failed: TimeoutError"),
        (RuntimeError("10.0.0.1 refused"), RuntimeError, "note failed: RuntimeError"),
    ],
)
def test_an_error_goes_out_as_a_builtin_one_that_says_nothing_of_the_machine(
    error: Exception, kind: type[Exception], message: str, ctx: Ctx
) -> None:
    ctx.raises = error
    bridge = Bridge(ctx)  # type: ignore[arg-type]

    with pytest.raises(Exception, match=r".") as told:
        ask(bridge, "note", "a", {})

    assert (type(told.value), str(told.value)) == (kind, message)
    assert isinstance(error, ValueError | TypeError) or bridge.told[message] is type(error)


@pytest.mark.parametrize(
    ("method", "arguments", "says"),
    [
        ("nothing", "[]", "no 'nothing'"),
        ("__class__", "[]", "no '__class__'"),
        ("note", "[1, {}]", "takes str, not int"),
        ("note", '["a", []]', "takes dict, not list"),
        ("note", '["a"]', "takes 2 arguments"),
        ("note", '{"text": "a", "fields": {}}', "takes 2 arguments"),
        ("memory.read", "[true]", "takes int, not bool"),
        ("memory.append", '[1, "long"]', "takes NoneType or float or int, not str"),
        ("tool.call", '["a", "get", {}, {}]', "takes list, not dict"),
        ("note", "[NaN, {}]", "must be JSON"),
        ("note", "[", "must be JSON"),
        ("note", '["' + "a" * 300_000 + '", {}]', "at most 256000 go through"),
    ],
)
def test_arguments_are_what_the_table_says_or_nothing_is_done(method: str, arguments: str, says: str, ctx: Ctx) -> None:
    with pytest.raises((TypeError, ValueError), match=r".") as refused:
        Bridge(ctx)(method, arguments)  # type: ignore[arg-type]

    assert says in str(refused.value)
    assert not ctx.done


@pytest.mark.parametrize("arguments", [(), ("note",), ("note", 1), (b"note", "[]"), ("note", "[]", "[]")])
def test_it_is_called_with_two_texts_or_not_at_all(arguments: tuple[Any, ...], ctx: Ctx) -> None:
    with pytest.raises(TypeError, match="the name of a method"):
        Bridge(ctx)(*arguments)  # type: ignore[arg-type]


def test_a_method_is_done_so_often_in_a_second_and_then_refused(ctx: Ctx) -> None:
    bridge, most = Bridge(ctx), METHODS["memory.append"].per_second  # type: ignore[arg-type]
    for number in range(most):
        ask(bridge, "memory.append", number, None)

    with pytest.raises(Exception, match=f"{most} calls within a second, at most {most} are made") as refused:
        ask(bridge, "memory.append", 1, None)

    assert bridge.told[str(refused.value)] is LimitExceeded
    assert len(ctx.done) == most
    ctx.left -= 1.0
    ask(bridge, "memory.append", 1, None)
    assert len(ctx.done) == most + 1


def test_only_what_may_block_has_a_thread_and_a_longest_time(ctx: Ctx) -> None:
    late = Late(ctx, 4.0)
    bridge = Bridge(ctx, late)  # type: ignore[arg-type]

    ask(bridge, "note", "a", {})
    assert not late.asked
    with pytest.raises(TimeoutError, match=r"device\.read: it took longer"):
        ask(bridge, "device.read", "fan")
    assert late.asked == [METHODS["device.read"].seconds]
    ctx.left = 0.5
    with pytest.raises(TimeoutError):
        ask(bridge, "device.read", "fan")
    assert late.asked[1] == 0.5


def test_a_call_that_outlasts_the_run_is_the_runs_timeout(ctx: Ctx) -> None:
    bridge = Bridge(ctx, Late(ctx, 0.0))  # type: ignore[arg-type]

    with pytest.raises(TimeoutError) as over:
        ask(bridge, "device.set", "fan", 1)

    assert bridge.told[str(over.value)] is RunTimeout


def test_what_may_block_or_act_says_so() -> None:
    blocks = {name for name, method in METHODS.items() if method.seconds}
    acts = {name for name, method in METHODS.items() if method.acts}

    assert blocks == {"device.set", "device.read", "tool.call", "checkpoint", "memory.append", "memory.read",
                      "memory.search"}  # fmt: skip
    assert acts == {"device.set", "tool.call", "publish", "checkpoint", "memory.append"}


def test_a_call_that_fails_all_the_time_fills_neither_the_log_nor_the_memory(
    ctx: Ctx, caplog: pytest.LogCaptureFixture
) -> None:
    bridge, ctx.raises = Bridge(ctx), OSError("/dev/i2c-1: gone")
    for _ in range(1000):
        with pytest.raises(OSError, match="note failed"):
            bridge("note", '["x", {}]')
    assert len(caplog.records) == 10

    ctx.raises = NotGranted("x" * 1_000_000)
    with pytest.raises(PermissionError) as refused:
        bridge("note", '["x", {}]')
    assert len(str(refused.value)) == 2000
    assert bridge.told[str(refused.value)] is NotGranted
