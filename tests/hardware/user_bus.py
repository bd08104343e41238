"""Simulated chips behind a real I2C adapter: answers what the kernel module i2c-user asks."""

from __future__ import annotations

import errno
import os
import select
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from drivers import ArbitrationLost, BusError, BusTimeout, Nack, SimBus

NODE = "/dev/i2c-user"
READ = 1
ERRNO: dict[type[BusError], int] = {
    # as the adapter of a Raspberry Pi says it
    Nack: errno.EREMOTEIO,
    BusTimeout: errno.ETIMEDOUT,
    ArbitrationLost: errno.EAGAIN,
}


@dataclass(frozen=True)
class Message:
    """One message of a transfer; `data` is what is written, `length` what is to be read."""

    address: int
    reads: bool
    length: int
    data: bytes = b""


class UserBus:
    """A thread between the kernel and `sim`.

    mute       take questions and leave them without an answer
    byte_time  seconds that the wire takes for a byte: 90 us at 100 kHz
    questions  the transfers as the kernel handed them over
    """

    def __init__(self, sim: SimBus) -> None:
        self.sim = sim
        self.mute = False
        self.byte_time = 0.0
        self.questions: list[list[Message]] = []
        self._node = os.open(NODE, os.O_RDWR)
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="i2c-user")
        self._thread.start()

    def close(self) -> None:
        os.close(self._stop)
        self._thread.join()
        os.close(self._wake)
        os.close(self._node)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._node, self._wake], [], [])
            if self._wake in ready:
                return
            question = os.read(self._node, 8192)
            serial, messages = question[:4], list(_messages(question[4:]))
            self.questions.append(messages)
            if self.mute:
                continue
            try:
                answer = serial + struct.pack("=i", 0) + self._transfers(messages)
            except BusError as error:
                answer = serial + struct.pack("=i", -ERRNO[type(error)])
            os.write(self._node, answer)

    def _transfers(self, messages: list[Message]) -> bytes:
        if self.byte_time:
            time.sleep(self.byte_time * sum(1 + message.length for message in messages))
        answers = b""
        waiting: Message | None = None
        for message in messages:
            if message.reads:
                written = waiting.data if waiting else b""
                answers += self.sim.transfer(message.address, written, message.length)
                waiting = None
                continue
            if waiting is not None:
                self.sim.transfer(waiting.address, waiting.data)
            waiting = message
        if waiting is not None:
            self.sim.transfer(waiting.address, waiting.data)
        return answers


def _messages(question: bytes) -> Iterator[Message]:
    while question:
        address, flags, length = struct.unpack_from("=HHH", question)
        reads = bool(flags & READ)
        end = 6 if reads else 6 + length
        yield Message(address, reads, length, question[6:end])
        question = question[end:]
