"""A serial port without hardware: a pseudo-terminal of the kernel, with a simulated part at its other end."""

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.simulation.uart import SimTalker


class Terminal:
    """`path` is what a driver opens. `pull()` is the adapter being pulled."""

    def __init__(self, part: SimTalker) -> None:
        self._part = part
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in ready:
                return
            self._part.hear(os.read(self._master, 4096))
            # whatever the part says later it says now: the kernel keeps it until it is read
            self._part.elapse(60.0)
            os.write(self._master, self._part.spoken())

    def pull(self) -> None:
        if self._thread.is_alive():
            os.write(self._stopping, b".")
            self._thread.join()
            for end in (self._master, self._slave, self._stop, self._stopping):
                os.close(end)


@contextmanager
def terminal(part: SimTalker) -> Iterator[Terminal]:
    """The part behind a port, until the end of the block."""
    end = Terminal(part)
    try:
        yield end
    finally:
        end.pull()
