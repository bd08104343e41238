"""What a task in the sandbox sees as `ctx`: plain classes over one host function, with what its source mentions.

It stands *behind* the task's source, so that line numbers are the file's own and its names win over the task's. All
that crosses is the name of a method and its arguments as JSON text: a list that holds itself a million times is a few
bytes inside, and would be gigabytes to whoever walks through it.

It is compiled with every run, and whole it would cost as much as the run, so what is not mentioned is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

DATA = ("correlation_id", "config", "readings", "recalled", "resumed")
"""What a run is given as it is when it begins; the rest is asked for."""

_HIDDEN = frozenset(
    {"getattr", "hasattr", "dir", "eval", "exec", "locals"}
)  # a method may be meant without being mentioned
_OPERATIONS = ("get", "head", "post", "put", "patch", "delete", "set", "keys", "query", "execute", "run")

# Who returns nothing does not read what came back.
_ASK = "return _edge_json.loads(_edge_host({method!r}, _edge_json.dumps({arguments})))"
_TELL = "_edge_host({method!r}, _edge_json.dumps({arguments}))"


class _Call:
    """One method of a class of the prelude. `signature` is without self, `arguments` a tuple's text."""

    def __init__(self, signature: str, method: str, arguments: str, template: str = _ASK, then: str = "") -> None:
        self.signature = signature
        self.body = template.format(method=method, arguments=arguments)
        self.then = then

    def text(self, name: str) -> str:
        parameters = f"self, {self.signature}" if self.signature else "self"
        then = f"        {self.then}\n" if self.then else ""
        return f"    def {name}({parameters}):\n        {self.body}\n{then}"


_CONTEXT = {
    "device": _Call("name", "device", "(name,)", _TELL, "return _EdgeDevice(name)"),
    "tool": _Call("name", "tool", "(name,)", _TELL, "return _EdgeTool(name)"),
    "publish": _Call("topic, value", "publish", "(topic, value)", _TELL),
    "note": _Call("text, **fields", "note", "(str(text), fields)", _TELL),
    "partial": _Call("reason", "partial", "(str(reason),)", _TELL),
    "checkpoint": _Call("value", "checkpoint", "(value,)", _TELL),
    "remaining": _Call("", "remaining", "()"),
}
_DEVICE = {
    "on": _Call("", "device.set", "(self._name, True)", _TELL),
    "off": _Call("", "device.set", "(self._name, False)", _TELL),
    "set": _Call("value", "device.set", "(self._name, value)", _TELL),
    "read": _Call("", "device.read", "(self._name,)"),
}
_TOOL = {
    "call": _Call("_operation, *by, **named", "tool.call", "(self._name, _operation, by, named)"),
    **{name: _Call("*by, **named", "tool.call", f"(self._name, {name!r}, by, named)") for name in _OPERATIONS},
}
_MEMORY = {
    "append": _Call("value, ttl=None", "memory.append", "(value, ttl)", _TELL),
    "read": _Call("limit=100", "memory.read", "(limit,)"),
    "search": _Call("text, limit=100", "memory.search", "(text, limit)"),
}
_SCRATCH = {
    "get": _Call("key, default=None", "scratch.get", "(key, default)"),
    "put": _Call("key, value", "scratch.put", "(key, value)", _TELL),
}
_HELD = {"memory": ("_EdgeMemory", _MEMORY), "scratch": ("_EdgeScratch", _SCRATCH)}
_FETCHED = {"device": ("_EdgeDevice", _DEVICE), "tool": ("_EdgeTool", _TOOL)}
_NAMED = "    def __init__(self, name):\n        self._name = name\n"


class _All(frozenset[str]):
    """Everything is mentioned: the source may put names together."""

    def __contains__(self, name: object) -> bool:
        return True


def wanted(parameter: str, mentioned: Collection[str]) -> tuple[str, ...]:
    """Which of `DATA` a run must be given."""
    known = _seen(parameter, mentioned)
    return tuple(name for name in DATA if name in known)


def behind(function: str, parameter: str, mentioned: Collection[str]) -> str:
    """The text after the task's own; the value of its last line is the result. `parameter` is the task's name for
    its `ctx`, which it need not use at all."""
    known = _seen(parameter, mentioned)
    if not known:
        return f"{function}(_edge_event, None)\n"
    return "".join(_parts(known, wanted(parameter, mentioned))) + f"{function}(_edge_event, _EdgeContext())\n"


def _seen(parameter: str, mentioned: Collection[str]) -> Collection[str]:
    """What of `ctx` may be used: nothing where its name does not stand in the source."""
    if not _HIDDEN.isdisjoint(mentioned):
        return _All(("everything",))
    return mentioned if parameter in mentioned else ()


def _parts(known: Collection[str], data: Collection[str]) -> Iterator[str]:
    if any(name in known for name in (*_CONTEXT, *_HELD)):
        yield "import json as _edge_json\n"
    for word, (name, calls) in _FETCHED.items():
        if word in known:
            yield f"class {name}:\n{_NAMED}{_methods(calls, known)}"
    for word, (name, calls) in _HELD.items():
        if word in known:
            yield f"class {name}:\n    pass\n{_methods(calls, known)}"
    given = [f"        self.{name} = _edge_{name}\n" for name in data]
    given += [f"        self.{word} = {name}()\n" for word, (name, _) in _HELD.items() if word in known]
    made = ["    def __init__(self):\n", *given] if given else []
    yield "class _EdgeContext:\n" + ("".join(made) + _methods(_CONTEXT, known) or "    pass\n")


def _methods(calls: dict[str, _Call], known: Collection[str]) -> str:
    return "".join(call.text(name) for name, call in calls.items() if name in known)
