"""Mosquitto as a child process, with the settings that keep what it promised, and people who talk to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

BINARY = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

LINES = """\
listener {port} 127.0.0.1
user {user}
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(done: Callable[[], object], seconds: float = 20.0, every: float = 0.01) -> None:
    """Wait for another process or thread; fails the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(every)


class Mosquitto:
    """One broker on a free port of 127.0.0.1. `start` and `kill` as often as wanted: it keeps its folder."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> None:
        assert BINARY is not None, "mosquitto is not installed: apt install mosquitto"
        self.folder = folder
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        own = LINES.format(port=self.port, folder=folder, user=user)
        self.config.write_text(own + "\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(BINARY), "-v", "-c", str(self.config)], stdout=log, stderr=log)
        until(self._answers)

    def stop(self) -> None:
        """As a service manager does: it says goodbye and saves."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`: what it had not yet saved is gone. It saves after every change."""
        self._end(signal.SIGKILL)

    def hang(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class Someone:
    """Another client of the broker: publishes, and remembers what it hears."""

    def __init__(self, port: int, *subscribe: str, client_id: str = "someone", version: int = 5) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.details: list[dict[str, object]] = []
        self._waiting = 0
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion(version))
        self.client = client
        client.max_inflight_messages_set(500)
        client.on_message = self._on_message
        client.connect("127.0.0.1", port)
        client.loop_start()
        until(client.is_connected)
        for filter in subscribe:
            granted: list[object] = []
            client.on_subscribe = lambda *args, granted=granted: granted.append(args)
            client.subscribe(filter, 1)
            until(lambda granted=granted: granted)

    def _on_message(self, client: Client, data: object, message: object) -> None:
        self.heard.append((message.topic, bytes(message.payload)))  # type: ignore[attr-defined]
        properties = getattr(message, "properties", None)
        self.details.append(
            {
                "retain": message.retain,  # type: ignore[attr-defined]
                "content_type": getattr(properties, "ContentType", ""),
                "properties": dict(getattr(properties, "UserProperty", ())),
            }
        )

    def say(self, topic: str, *payloads: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish, and return when the broker has it all."""
        sent = [self.client.publish(topic, payload, qos, retain) for payload in payloads]
        for info in sent:
            info.wait_for_publish(30)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Someone:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()
