"""What the sandbox's type checker knows of `edge`: its public names without their bodies, as a stub file.

A test derives the same text from `edge/context.py` and compares. A `kind` is text
in the sandbox, and what a channel holds, a number or yes and no, only its device knows.
"""

STUBS = """\
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, overload
Quality = Literal['synced', 'estimated', 'unset']
class NotGranted(PermissionError):
    ...
class ToolError(RuntimeError):
    ...
class Event(NamedTuple):
    id: str
    source: str
    kind: str
    values: Mapping[str, Any]
    time: float
    monotonic: float
    quality: Quality = 'estimated'
    topic: str | None = None
    payload: bytes | None = None
    correlation_id: str = ''
    hops: int = 0
    doubt: str = ''
F = TypeVar('F', bound=Callable[..., Any])
class Actuator(Protocol):

    def on(self) -> None:
        ...

    def off(self) -> None:
        ...

    def set(self, value: Any) -> None:
        ...

    def read(self) -> dict[str, Any]:
        ...
class Memory(Protocol):

    def append(self, value: Any, ttl: float | None=None) -> None:
        ...

    def read(self, limit: int=100) -> list[Any]:
        ...

    def search(self, text: str, limit: int=100) -> list[Any]:
        ...
class Scratch(Protocol):

    def get(self, key: str, default: Any=None) -> Any:
        ...

    def put(self, key: str, value: Any) -> None:
        ...
class Context(Protocol):

    @property
    def correlation_id(self) -> str:
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        ...

    @property
    def readings(self) -> Mapping[str, Mapping[str, Any]]:
        ...

    @property
    def recalled(self) -> Sequence[Any]:
        ...

    @property
    def resumed(self) -> Any:
        ...

    @property
    def scratch(self) -> Scratch:
        ...

    @property
    def memory(self) -> Memory:
        ...

    def tool(self, name: str) -> Any:
        ...

    def checkpoint(self, value: Any) -> None:
        ...

    def device(self, name: str) -> Actuator:
        ...

    def publish(self, topic: str, value: Any) -> None:
        ...

    def note(self, text: str, **fields: Any) -> None:
        ...

    def remaining(self) -> float:
        ...

    def partial(self, reason: str) -> None:
        ...
@overload
def task(function: F) -> F:
    ...
@overload
def task(*, raw: bool=False) -> Callable[[F], F]:
    ...
def task(function: F | None=None, *, raw: bool=False) -> F | Callable[[F], F]:
    ...
"""
