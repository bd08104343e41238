"""What a task in the sandbox sees as `event` and `ctx`: plain classes over one host function.

It stands *behind* the task's source, so that line numbers are the file's own and its names win over the task's. All
that crosses is the name of a method and its arguments as JSON text: a list that holds itself a million times is a few
bytes inside, and would be gigabytes to whoever walks through it.
"""

from __future__ import annotations

BEHIND = """
import json as _edge_json
class _EdgeEvent:
    def __init__(self, data):
        self.id = data["id"]
        self.source = data["source"]
        self.kind = data["kind"]
        self.values = data["values"]
        self.time = data["time"]
        self.quality = data["quality"]
        self.topic = data["topic"]
        self.payload = data["payload"]
        self.correlation_id = data["correlation_id"]
        self.hops = data["hops"]
def _edge_call(method, *arguments):
    return _edge_json.loads(_edge_host(method, _edge_json.dumps(arguments)))
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
class _EdgeContext:
    def __init__(self, correlation_id):
        self.correlation_id = correlation_id
    def device(self, name):
        _edge_call("device", name)
        return _EdgeDevice(name)
    def publish(self, topic, value):
        _edge_call("publish", topic, value)
    def note(self, text, **fields):
        _edge_call("note", text, fields)
    def partial(self, reason):
        _edge_call("partial", reason)
    def remaining(self):
        return _edge_call("remaining")
"""


def call(function: str) -> str:
    """The last line: its value is the result."""
    return f"{function}(_EdgeEvent(_edge_event), _EdgeContext(_edge_correlation_id))\n"
