"""What a task in the sandbox sees as `ctx`: a plain class over one host function, with the methods its source mentions.

It stands *behind* the task's source, so that line numbers are the file's own and its names win over the task's. All
that crosses is the name of a method and its arguments as JSON text: a list that holds itself a million times is a few
bytes inside, and would be gigabytes to whoever walks through it.

It is compiled with every run, and whole it would cost as much as the run, so what is not mentioned is left out.
"""

from __future__ import annotations

from collections.abc import Collection

_CONTEXT = """
class _EdgeContext:
    def __init__(self, correlation_id):
        self.correlation_id = correlation_id
"""
_CALLS = """
import json as _edge_json
def _edge_call(method, *arguments):
    return _edge_json.loads(_edge_host(method, _edge_json.dumps(arguments)))
"""
_DEVICE = """
class _EdgeDevice:
    def __init__(self, name):
        self._name = name
    def on(self):
        _edge_call("device.set", self._name, True)
    def off(self):
        _edge_call("device.set", self._name, False)
    def set(self, value):
        _edge_call("device.set", self._name, value)
    def read(self):
        return _edge_call("device.read", self._name)
"""
_METHODS = {
    "device": """\
    def device(self, name):
        _edge_call("device", name)
        return _EdgeDevice(name)
""",
    "publish": """\
    def publish(self, topic, value):
        _edge_call("publish", topic, value)
""",
    "note": """\
    def note(self, text, **fields):
        _edge_call("note", text, fields)
""",
    "partial": """\
    def partial(self, reason):
        _edge_call("partial", reason)
""",
    "remaining": """\
    def remaining(self):
        return _edge_call("remaining")
""",
}
_HIDDEN = frozenset(
    {"getattr", "hasattr", "dir", "eval", "exec", "locals"}
)  # a method may be meant without being mentioned


def behind(function: str, parameter: str, mentioned: Collection[str]) -> str:
    """The text after the task's own; the value of its last line is the result. `parameter` is the task's name for
    its `ctx`, which it need not use at all."""
    everything = not _HIDDEN.isdisjoint(mentioned)
    if not everything and parameter not in mentioned:
        return f"{function}(_edge_event, None)\n"
    methods = [name for name in _METHODS if everything or name in mentioned]
    parts = [_CALLS] if methods else []
    parts += [_DEVICE] if "device" in methods else []
    parts += [_CONTEXT, *(_METHODS[name] for name in methods)]
    return "".join(parts) + f"{function}(_edge_event, _EdgeContext(_edge_correlation_id))\n"
