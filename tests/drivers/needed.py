"""What a kind cannot be built without, for the tests that go through all kinds."""

from __future__ import annotations

from typing import Any

from drivers import Device, Driver, SimBus, SimChip, World, find, kinds

NEEDED: dict[str, dict[str, Any]] = {
    "circuitpython": {
        "module": "adafruit_bme280.basic",
        "class": "Adafruit_BME280_I2C",
        "channels": "temperature=degC relative_humidity:humidity=% pressure=hPa",
        "sim": "bme280",
    },
    "zigbee2mqtt": {"channels": "temperature humidity"},
    "esphome": {"channels": "sensor/level=mm switch/valve"},
}
BUS_KINDS = [kind for kind in kinds() if issubclass(find(kind).driver, Driver)]
CHIPS = [kind for kind in BUS_KINDS if kind not in NEEDED]
"""Those that stand for one part each."""


def address_of(kind: str) -> int:
    address = getattr(find(kind).driver, "address", None)
    return 0x77 if address is None else int(address)


def build(kind: str, bus: Any) -> Device:
    return find(kind).build(bus, address_of(kind), **NEEDED.get(kind, {}))


def chip(kind: str, world: World | None = None) -> SimChip:
    simulated: Any = find(kind).simulated(NEEDED.get(kind, {}))
    made = simulated(world or World(), "it")
    assert isinstance(made, SimChip)
    return made


def bus_with(kind: str) -> SimBus:
    return SimBus({address_of(kind): chip(kind)})
