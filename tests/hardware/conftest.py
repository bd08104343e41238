"""Buses and pins of the kernel, and chips behind them. No adapter and no gpiochip with wires on it is touched here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from drivers import SimBus, World
from drivers.bus import SMBusBus
from tests.hardware.gpio_sim import GpioSim
from tests.hardware.interfaces import STUB, USER, Adapter, absent, adapter
from tests.hardware.user_bus import NODE, UserBus

STUB_CHIPS = "0x18,0x1c,0x48,0x49,0x4a,0x4f,0x53,0x68,0x76"


@pytest.fixture
def stub() -> Adapter:
    return adapter(STUB, f"sudo modprobe i2c-stub chip_addr={STUB_CHIPS}, or scripts/kernel-tests")


@pytest.fixture
def stub_bus(stub: Adapter) -> Iterator[SMBusBus]:
    bus = SMBusBus(stub.name, wait=time.sleep)
    yield bus
    bus.close()


@pytest.fixture
def world() -> World:
    return World(time.monotonic)


@pytest.fixture
def user() -> Adapter:
    found = adapter(USER, "only the kernel of scripts/kernel-tests has it")
    if not os.access(NODE, os.R_OK | os.W_OK):
        absent(f"no permission for {NODE}", "run the tests as root")
    return found


@pytest.fixture
def answering(user: Adapter) -> Iterator[UserBus]:
    bus = UserBus(SimBus(name="behind the kernel", now=time.monotonic))
    yield bus
    bus.close()


@pytest.fixture
def sim(answering: UserBus) -> SimBus:
    """Chips attached here answer on the adapter `user`."""
    return answering.sim


@pytest.fixture
def plain_bus(user: Adapter, answering: UserBus) -> Iterator[SMBusBus]:
    bus = SMBusBus(user.name, wait=time.sleep)
    yield bus
    bus.close()


@pytest.fixture
def gpio_sim() -> Iterator[GpioSim]:
    chip = GpioSim.make(label="edge-test-header", lines=54)
    yield chip
    chip.remove()
