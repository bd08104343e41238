"""An MQTT broker of our own on this machine, for the demo and for `edge collect --listen`: a child process.

Mosquitto where its program is found, else amqtt (the extra `broker`; only MQTT 3.1.1, and it forgets its sessions when
it stops). A process, not a thread: it can be taken away and given back like a real one, it does not share our
interpreter, and it ends with us: on Linux it is told when the thread that started it is gone.

    python -m edge.links.embedded HOST PORT      is the amqtt broker; the only place that imports amqtt
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from edge.config.models import Broker
from edge.errors import EdgeError

LOOPBACK = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # drawn from where none is asked for; below the ports that systems give to clients
_ATTEMPTS = 5  # somebody may take a port between our look and the broker's
_LOOK = 0.05  # seconds between two looks at a broker that is starting or stopping
_START_LOOKS, _STOP_LOOKS = 600, 200  # 30 s: a small board imports amqtt slowly; 10 s to end politely
_RUNNING = b" running\n"  # Mosquitto's own words once it listens; ours too
_ROOT = Path(__file__).parents[2]

# What makes Mosquitto keep sessions and messages of clients that are away, even when it is killed: with its
# defaults it forgets them, and queues only 1,000 messages for each.
MOSQUITTO_KEEPS = """\
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000
"""

# The same without its writing its whole memory to disk at every change, which makes it the slowest part by far of
# whatever is measured with it. A killed one forgets.
MOSQUITTO_HURRIES = """\
persistence true
persistence_location {folder}/
autosave_interval 1800
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
"""


class NoBroker(EdgeError):
    """There is no broker program on this machine, or it does not start; the message says what to do."""


def find_mosquitto() -> str | None:
    """Debian puts it where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


class EmbeddedBroker:
    """One broker on one address. `start` again after `stop`: the same address and, with Mosquitto, the same memory.

    folder   where it keeps its configuration, log and sessions; not removed here
    port     None: one that is free
    product  `mosquitto`, `amqtt`, or None for what is there
    mosquitto  what its configuration says about keeping things: MOSQUITTO_KEEPS or MOSQUITTO_HURRIES

    Not thread-safe; the thread that calls `start` must live as long as the broker is wanted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = LOOPBACK,
        port: int | None = None,
        product: str | None = None,
        mosquitto: str = MOSQUITTO_KEEPS,
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self.product = product or ("mosquitto" if find_mosquitto() else "amqtt")
        self._mosquitto = mosquitto
        self._log = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._seat: socket.socket | None = None
        self._trouble = ""

    @property
    def url(self) -> str:
        """`mqtt://127.0.0.1:18830`; the port is known once it was started."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def keeps_sessions(self) -> bool:
        """Whether a client that comes back after a restart finds what it missed."""
        return self.product == "mosquitto"

    @property
    def settings(self) -> Broker:
        """How our own links reach it: amqtt leaves a greeting in MQTT 5 with properties without any answer, and
        finding out that it means 3.1.1 takes a patient client 20 s."""
        return Broker(broker=self.url, version="auto" if self.keeps_sessions else "3.1.1")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when it takes connections; nothing happens if it runs. Raises `NoBroker`."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._give_up_seat()
        for port in random.SystemRandom().sample(_PORTS, _ATTEMPTS) if self.port is None else [self.port]:
            seat = _take_seat(self.host, port)
            if seat is None:
                self._trouble = f"port {port} of {self.host} is taken; stop what listens there, or use another port"
                continue
            seat.close()
            if self._launch(port):
                self.port = port
                return
            self._trouble = f"{self.product} does not start: {self._last_words()}"
        raise NoBroker(self._trouble)

    def stop(self, *, keep_seat: bool = False) -> None:
        """Ask it to end and wait until it did; idempotent.

        With `keep_seat` nobody else can listen on its address until `start` or `stop`: clients find nothing there,
        rather than a stranger's broker that takes what was meant for ours.
        """
        self._give_up_seat()
        process, self._process = self._process, None
        if process is not None:
            _end(process)
        if keep_seat and self.port is not None:
            self._seat = _take_seat(self.host, self.port)

    def _give_up_seat(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.close()

    def _launch(self, port: int) -> bool:
        """Start it and wait until it says that it runs; False when it ended instead."""
        command = self._command(port)
        if leash := shutil.which("setpriv"):
            command = [leash, "--pdeathsig", "TERM", "--", *command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,  # `python -m` looks here first: our own package, whatever else is called `edge`
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to answer: the broker goes last
            )
        for _ in range(_START_LOOKS):
            if _RUNNING in self._log.read_bytes():
                return True
            if self._process.poll() is not None:
                return False
            _pause()
        self.stop()
        raise NoBroker(f"{self.product} does not take connections after 30 s: {self._last_words()}")

    def _command(self, port: int) -> list[str]:
        if self.product == "mosquitto":
            program = find_mosquitto()
            if program is None:
                raise NoBroker("mosquitto is not installed: sudo apt install mosquitto")
            config = self.folder / "mosquitto.conf"
            config.write_text(_mosquitto_conf(self.folder, self.host, port, self._mosquitto), encoding="utf-8")
            return [program, "-c", str(config)]
        if importlib.util.find_spec("amqtt") is None:
            raise NoBroker(
                "no MQTT broker on this machine: sudo apt install mosquitto, or pip install 'edge-runtime[broker]'"
            )
        return [sys.executable, "-m", "edge.links.embedded", self.host, str(port)]

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"


def _mosquitto_conf(folder: Path, host: str, port: int, keeping: str) -> str:
    lines = f"listener {port} {host}\nallow_anonymous true\nlog_dest stderr\n"
    lines += "log_type error\nlog_type warning\nlog_type information\n"
    if os.geteuid() == 0:
        lines += "user root\n"  # else it becomes a user who may not write into our folder
    return lines + keeping.format(folder=folder)


def _take_seat(host: str, port: int) -> socket.socket | None:
    """Hold a port without listening on it, or None when somebody has it."""
    seat = socket.socket()
    try:
        # Reuse lets us in while connections of the broker that was here die out, ...
        seat.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        seat.bind((host, port))
        # ... and without it nobody comes in beside us: their `listen` fails.
        seat.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        seat.close()
        return None
    return seat


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    for _ in range(_STOP_LOOKS):
        if process.poll() is not None:
            return
        _pause()
    process.kill()
    process.wait()


def _pause() -> None:
    threading.Event().wait(_LOOK)


async def _serve(host: str, port: int) -> None:
    """amqtt until SIGTERM or SIGINT, without a word beyond what `EmbeddedBroker` waits for."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    print("amqtt running", flush=True)
    await over.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # it logs every client that hangs up as an error
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
