"""Devices on a real Mosquitto: they tell, are told, go with a last will and come back; the gateway too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.errors import EdgeError
from tests.broker.mosquitto import Mosquitto, until
from tests.broker.process import EDGE, EdgeProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

CONFIG = """
    edge: {{id: pi}}
    mqtt: {{broker: "{broker}", version: "{version}"}}
    devices:
      plug: {{driver: tasmota, topic: plug1, channels: "on power", safe: "off"}}
      tank: {{driver: esphome, topic: tank-node, channels: "sensor/level=mm"}}
    tasks:
      overload:
        run: "./tasks.py:overload"
        when: {{source: plug, channel: power, above: 2000}}
        grant: {{devices: [plug]}}
    journal: {{path: ./journal}}
"""
TASKS = """
    @task
    def overload(event: Event, ctx: Context) -> float:
        ctx.device("plug").off()
        return event.values["power"]
"""


class Plug:
    """A client that speaks as a Tasmota plug does: retained birth and will, QoS 0 telemetry."""

    def __init__(self, broker: Mosquitto) -> None:
        self.on = True
        self.told: list[tuple[str, int, bool]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="DVES_1")
        self.client.will_set("tele/plug1/LWT", "Offline", qos=1, retain=True)
        self.client.on_message = self._heard
        self.client.connect("127.0.0.1", broker.port, keepalive=5)
        self.client.loop_start()
        until(self.client.is_connected)
        self.client.subscribe("cmnd/plug1/#", 1)
        self.client.publish("tele/plug1/LWT", "Online", qos=1, retain=True)

    def _heard(self, client: Client, data: object, message: object) -> None:
        topic, payload = message.topic, message.payload  # type: ignore[attr-defined]
        self.told.append((topic, message.qos, message.retain))  # type: ignore[attr-defined]
        if topic.endswith("/POWER"):
            self.on = payload == b"ON"
            client.publish("stat/plug1/POWER", payload)

    def measure(self, watts: float) -> None:
        self.client.publish("tele/plug1/SENSOR", f'{{"ENERGY":{{"Power":{watts}}}}}')

    def vanish(self) -> None:
        """As when its power goes: no goodbye, so the broker tells its will."""
        self.client.loop_stop()
        self.client.socket().close()


@pytest.fixture(params=["5", "3.1.1"])
def site(request, start_mosquitto, edge_process) -> Iterator[tuple[Mosquitto, Plug, EdgeProcess]]:
    broker = start_mosquitto()
    plug = Plug(broker)
    edge: EdgeProcess = edge_process(CONFIG.format(broker=broker.url, version=request.param), TASKS)
    edge.start()
    yield broker, plug, edge
    plug.client.loop_stop()


def state(edge: EdgeProcess, name: str) -> str:
    [found] = [part["state"] for part in edge.ask("status")["parts"] if part["name"] == name]
    return str(found)


def command(edge: EdgeProcess, *words: str) -> str:
    done = subprocess.run([EDGE, *words], cwd=edge.folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plug_is_switched_by_a_task_goes_comes_back_and_is_safe_at_the_end(site):
    broker, plug, edge = site
    until(lambda: state(edge, "plug") == "ok")
    until(lambda: not plug.on)  # its safe state, when the gateway starts
    edge.ask("set", device="plug", value="on")
    assert plug.on

    plug.measure(2500)
    until(lambda: not plug.on)
    assert {(qos, kept) for _, qos, kept in plug.told} == {(1, False)}

    plug.vanish()
    until(lambda: state(edge, "plug") == "failed", 30)
    with pytest.raises(EdgeError, match="it is offline"):
        edge.ask("read", device="plug")
    again = Plug(broker)
    until(lambda: state(edge, "plug") == "ok")
    edge.ask("set", device="plug", value="on")
    until(lambda: again.on)

    edge.stop()
    until(lambda: not again.on)
    again.client.loop_stop()


def test_what_the_broker_keeps_is_known_after_a_restart_of_the_gateway_and_of_the_broker(site):
    broker, plug, edge = site
    plug.client.publish("tank-node/status", "online", qos=1, retain=True)
    plug.client.publish("tank-node/sensor/level/state", "812.5", qos=1, retain=True)
    until(lambda: state(edge, "tank") == "ok")

    edge.kill()
    edge.start()
    until(lambda: state(edge, "tank") == "ok")
    assert edge.ask("read", device="tank")["values"] == {"level": 812.5}

    broker.stop()
    until(lambda: state(edge, "tank") == "degraded", 30)
    with pytest.raises(EdgeError, match="there is no connection to the broker"):
        edge.ask("set", device="plug", value="on")
    broker.start()
    until(lambda: state(edge, "tank") == "ok", 60)
    assert edge.ask("read", device="tank")["values"] == {"level": 812.5}
    edge.stop()


def test_the_command_line_reads_and_makes_safe_without_a_runtime(site):
    _, plug, edge = site
    plug.client.publish("tank-node/status", "online", qos=1, retain=True)
    plug.client.publish("tank-node/sensor/level/state", "812.5", qos=1, retain=True)
    until(lambda: state(edge, "tank") == "ok")
    edge.stop()

    assert "level  812.5 mm" in command(edge, "read", "tank")
    plug.on = True
    command(edge, "outputs", "safe")
    until(lambda: not plug.on)
