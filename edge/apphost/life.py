"""The life of an app's task, as the pipeline asks for it: a permit for every run, given back with how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.apps import Apps, Permit, Running
from edge.model import Status


class AppLife:
    """Of one version. Any thread. `stirred` is called after a run: the app's life, or its trial, may be over."""

    def __init__(self, apps: Apps, running: Running, stirred: Callable[[], None]) -> None:
        self.mark: Mapping[str, Any] = running.mark
        self._apps = apps
        self._name = running.name
        self._stirred = stirred
        self._permits: dict[str, Permit] = {}

    def begin(self, run: str) -> bool:
        permit = self._apps.begin(self._name)
        if permit is None:
            return False
        self._permits[run] = permit
        return True

    def ended(self, run: str, status: Status, missed: bool = False) -> None:
        permit = self._permits.pop(run, None)
        if permit is not None:
            self._apps.finished(permit, status, missed)
            self._stirred()
