"""For a real board: reads the chips that you name, and only those.

EDGE_HARDWARE_BUS=i2c-1 EDGE_HARDWARE_CHIPS="bme280@0x76 tmp102@0x48" .venv/bin/pytest -s -m hardware \
    tests/hardware/test_board.py

A driver's `start()` writes the settings of its chip; nothing else is written, no other address is spoken to, and no pin
is touched. What was read is printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from drivers import Driver, Output, SimBus, World, find
from drivers.bme280 import SimBME280
from drivers.bus import SMBusBus
from tests.hardware.interfaces import Adapter

pytestmark = pytest.mark.hardware

BUS = os.environ.get("EDGE_HARDWARE_BUS", "")
CHIPS = os.environ.get("EDGE_HARDWARE_CHIPS", "").split()
READINGS = 5


@pytest.fixture
def bus() -> Iterator[SMBusBus]:
    if not (BUS and CHIPS):
        pytest.skip("no board is named: EDGE_HARDWARE_BUS=i2c-1 EDGE_HARDWARE_CHIPS='bme280@0x76'")
    opened = SMBusBus(BUS, wait=time.sleep)
    yield opened
    opened.close()


@pytest.mark.parametrize("chip", CHIPS or ["none"])
def test_a_named_chip_gives_five_readings_that_fit_together(bus: SMBusBus, chip: str) -> None:
    kind, _, address = chip.partition("@")
    entry = find(kind)
    assert issubclass(entry.driver, Driver), f"{kind} is not on an I2C bus"
    assert not issubclass(entry.driver, Output), f"{kind} drives what is connected to it: not in a test"
    readings = []
    with entry.build(bus, int(address, 0) if address else None) as device:
        for _ in range(READINGS):
            began = time.monotonic()
            readings.append(device.read().values)
            print(f"{BUS} {chip}: {dict(readings[-1])} in {(time.monotonic() - began) * 1000:.1f} ms")
            time.sleep(0.5)

    for channel, (low, high) in entry.driver.ranges.items():
        values = [reading[channel] for reading in readings if channel in reading]
        assert max(values, default=low) - min(values, default=low) < (high - low) / 10, f"{channel} jumps: {values}"


def test_the_self_test_takes_a_board_with_the_chip_and_refuses_one_without(
    user: Adapter, sim: SimBus, world: World
) -> None:
    world["it.temperature"] = 23.5
    sim.attach(0x76, SimBME280(world, "it"))

    good, bad = self_test(user, "bme280@0x76"), self_test(user, "bme280@0x76 tmp102@0x48")

    assert good.returncode == 0, good.stdout
    assert good.stdout.count("'temperature': 23.5") == READINGS
    assert bad.returncode == 1
    assert "0x48: no answer: check wiring, power and address" in bad.stdout


def self_test(user: Adapter, chips: str) -> subprocess.CompletedProcess[str]:
    named = {**os.environ, "EDGE_HARDWARE_BUS": user.name, "EDGE_HARDWARE_CHIPS": chips}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-p",
        "no:cacheprovider",
        "-m",
        "hardware",
        "-k",
        "named",
        __file__,
    ]
    return subprocess.run(command, env=named, capture_output=True, text=True, timeout=60, check=False)
