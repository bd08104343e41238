"""Threads that interrupt each other as often as the interpreter can."""

import sys
import threading
from collections.abc import Callable


def race(*runners: Callable[[], object]) -> None:
    """Run all of them at once, each in a thread, and wait until they are done."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=runner) for runner in runners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
