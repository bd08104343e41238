"""`edge run` as a process to be killed, who feeds it, who receives what it delivers, and what must hold of all that."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.control import ControlError, ask
from edge.envelope import unpack
from edge.errors import RuntimeUnreachable
from edge.journal import read_journal
from edge.model import Outcome
from tests.broker.mosquitto import until
from tests.laws import balanced

EDGE = shutil.which("edge", path=str(Path(sys.executable).parent)) or "edge is not installed beside this Python"


class EdgeProcess:
    """The installed command in a folder of its own. `start` as often as wanted: journal and log stay.

    While it runs, another thread looks at its counts all the time; `stop` and `close` fail the test for a look at
    which they did not add up.
    """

    def __init__(self, folder: Path, config: str, tasks: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.journal = str(folder / "journal")
        self.configure(config)
        (folder / "tasks.py").write_text(HEAD + textwrap.dedent(tasks))
        self.looks = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._wrong: list[dict[str, Any]] = []
        self._looking = threading.Event()

    def configure(self, config: str) -> None:
        (self.folder / "edge.yaml").write_text(textwrap.dedent(config))

    # -- the process --------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Comes back when it answers on its control socket."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([EDGE, "run", "-c", "edge.yaml"], cwd=self.folder, stdout=log, stderr=log)
        until(self._answers, 60)
        self._looking.set()
        self._eye = threading.Thread(target=self._look, name="conservation")
        self._eye.start()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`: no goodbye, nothing flushed."""
        self._looking.clear()
        self.signal(signal.SIGKILL)
        self._ended()

    def terminate(self) -> None:
        """SIGTERM, without waiting for what it does."""
        self.signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self._looking.clear()
        self.terminate()
        return self._ended()

    def wait(self, seconds: float = 60.0) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        self._process.wait(seconds)
        self._looking.clear()
        return self._ended()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Whatever the test left running; then what is true of every test's process."""
        if self.running:
            self.kill()
        self._looking.clear()
        assert self._wrong == [], "conservation did not hold while it ran"
        assert "Traceback" not in self.log, self.log

    def _ended(self) -> int:
        assert self._process is not None
        code = self._process.wait(60)
        self._eye.join()
        assert balanced(self.stats_on_disk()), "conservation does not hold on the disk"
        return code

    def _answers(self) -> bool:
        assert self.running, self.log
        with contextlib.suppress(RuntimeUnreachable, ControlError):
            self.ask("status")
            return True
        return False

    # -- what it says -------------------------------------------------------------------------------------------------

    def ask(self, verb: str, **args: Any) -> Any:
        return ask(Path(self.journal + ".sock"), verb, args, journal=self.journal, timeout=20)

    @property
    def events(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.ask("journal_stats")["events"]
        return counts

    def connected(self, part: str = "mqtt") -> bool:
        return any(one["name"] == part and one["state"] == "connected" for one in self.ask("status")["parts"])

    @property
    def pending(self) -> int:
        return int(self.ask("journal_stats")["upstreams"]["default"]["pending"])

    def until_delivered(self, seconds: float = 120.0) -> None:
        """Until nothing is pending. The link's back-off may be half a minute after the other side was away."""
        until(lambda: self.pending == 0, seconds, every=0.05)

    def _look(self) -> None:
        while self._looking.is_set():
            try:
                stats = self.ask("journal_stats")
            except (RuntimeUnreachable, ControlError):
                pass  # it is being killed
            else:
                self.looks += 1
                if not balanced(stats):
                    self._wrong.append(stats)
            time.sleep(0.05)

    # -- what it left on the disk -------------------------------------------------------------------------------------

    def stats_on_disk(self) -> dict[str, Any]:
        return read_journal(self.journal).stats()

    def outcomes(self) -> list[Outcome]:
        """Every outcome in its journal, oldest first. Not while it runs."""
        records = read_journal(self.journal).records()
        return [Outcome.from_envelope(orjson.loads(stored.record.body)) for stored in records]


HEAD = "from edge import Context, Event, task\n"


class Speaker:
    """Publishes numbered messages at a rate, in a thread of its own, QoS 1. `said` of them the broker has confirmed.

    `rest` waits until all that was sent is confirmed and sends no more until `go_on`: a broker that is stopped in
    between would otherwise get messages twice, which no receiver could tell from two equal ones.
    """

    def __init__(self, port: int, topic: Callable[[int], str], total: int, rate: float) -> None:
        self._topic = topic
        self._total = total
        self._pause = 1 / rate
        self._may = threading.Event()
        self._may.set()
        self._resting = threading.Event()
        self.sent = self.said = 0
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="speaker", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.max_inflight_messages_set(500)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = lambda *args: self._confirm()
        self.client.connect("127.0.0.1", port, clean_start=True)
        self.client.loop_start()
        until(self.client.is_connected)
        self._thread = threading.Thread(target=self._speak, name="speaker")
        self._thread.start()

    def _confirm(self) -> None:
        self.said += 1

    def _speak(self) -> None:
        due = time.monotonic()
        for number in range(self._total):
            if not self._may.is_set():
                self._resting.set()
                self._may.wait()
                self._resting.clear()
                due = time.monotonic()
            self.client.publish(self._topic(number), b'{"n":%d}' % number, 1)
            self.sent += 1
            due += self._pause
            time.sleep(max(0.0, due - time.monotonic()))
        self._resting.set()

    def has_said(self, count: int) -> None:
        until(lambda: self.said >= count, 300)

    def rest(self) -> int:
        """How many it has said so far."""
        self._may.clear()
        assert self._resting.wait(30)
        until(lambda: self.said == self.sent, 60)
        return self.said

    def go_on(self) -> None:
        until(self.client.is_connected, 60)
        self._may.set()

    def leave(self) -> None:
        self._may.set()
        self._thread.join()
        self.client.disconnect()
        self.client.loop_stop()


class Consumer:
    """The upstream's reader: a session that outlives the broker, and every outcome by id as often as it came."""

    def __init__(self, port: int, topic: str = "edge/+/outcomes") -> None:
        self.copies: dict[str, int] = defaultdict(int)
        self.envelopes: dict[str, dict[str, Any]] = {}
        self._topic = topic
        self._subscribed = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id="consumer", protocol=MQTTProtocolVersion.MQTTv5)
        self.client = client
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *args: client.subscribe(topic, 1)
        client.on_subscribe = lambda *args: self._subscribed.set()
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        client.loop_start()
        assert self._subscribed.wait(30)

    def _on_message(self, client: Client, data: object, message: Any) -> None:
        for envelope in unpack(message.payload):
            self.copies[envelope["id"]] += 1
            self.envelopes[envelope["id"]] = envelope

    def outcomes(self, task: str | None = None) -> list[dict[str, Any]]:
        """What the outcomes say, in the order of their first coming."""
        found = [envelope["data"] for envelope in tuple(self.envelopes.values())]
        return found if task is None else [data for data in found if data["task"] == task]

    def numbers(self) -> dict[int, list[str]]:
        """Message number -> the ids of its outcomes."""
        found: dict[int, list[str]] = defaultdict(list)
        for id, envelope in tuple(self.envelopes.items()):
            found[envelope["data"]["event"]["values"]["n"]].append(id)
        return found

    @property
    def repeats(self) -> int:
        return sum(self.copies.values()) - len(self.copies)

    def until_all(self, numbers: Iterable[int], seconds: float = 180.0) -> None:
        """Until an outcome of every message has come."""
        wanted = set(numbers)
        count = len(wanted)
        until(lambda: len(self.envelopes) >= count and wanted <= self.numbers().keys(), seconds, every=0.1)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def assert_each_once(numbers: Iterable[int], found: dict[int, list[str]]) -> None:
    """Every message has exactly one outcome id, and nothing else is there."""
    wanted = set(numbers)
    lost = sorted(wanted - found.keys())
    twice = {number: ids for number, ids in found.items() if len(set(ids)) > 1}
    assert not lost, f"{len(lost)} of {len(wanted)} lost: {lost[:20]}"
    assert not twice, f"{len(twice)} with more than one id: {dict(list(twice.items())[:10])}"
    assert found.keys() == wanted
