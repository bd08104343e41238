"""The life of an app's task, as the pipeline asks for it: leave for every run, given back with how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.apps import Apps, Pass, Running
from edge.model import Status


class Tenure:
    """Of one version. Any thread. `stirred` is called after a run: the app's life, or its trial, may be over."""

    def __init__(self, apps: Apps, running: Running, stirred: Callable[[], None]) -> None:
        self.mark: Mapping[str, Any] = running.mark
        self._apps = apps
        self._name = running.name
        self._stirred = stirred
        self._leave: dict[str, Pass] = {}

    def begin(self, run: str) -> bool:
        leave = self._apps.begin(self._name)
        if leave is None:
            return False
        self._leave[run] = leave
        return True

    def ended(self, run: str, status: Status, missed: bool = False) -> None:
        leave = self._leave.pop(run, None)
        if leave is not None:
            self._apps.finished(leave, status, missed)
            self._stirred()
