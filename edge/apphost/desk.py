"""What a person, or a command for them, may ask of the apps and do to them. Any thread; plain data in and out.

A no is an `AppsError` with its reason, except of `install`, whose answer is a verdict either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from edge.apps import App, Apps, Entry, NoSuchApp, Parcel, complete

_ENTRIES = 20


class AppDesk:
    """`apps` gives them, `follow` waits until what runs has followed a change, `broken` says which cannot run here."""

    VERBS = ("install", "list", "show", "remove", "promote", "rollback")

    def __init__(
        self,
        edge_id: str,
        apps: Callable[[], Apps],
        *,
        follow: Callable[[str], None] = lambda name: None,
        broken: Mapping[str, str] | None = None,
    ) -> None:
        self._edge_id = edge_id
        self._apps = apps
        self._follow = follow
        self._broken: Mapping[str, str] = {} if broken is None else broken

    def install(
        self, manifest: Mapping[str, Any] | str, source: str, key: str = "", signature: str = ""
    ) -> dict[str, Any]:
        """The verdict. `manifest`: what a person wrote, to be completed; or, as text, the bytes that `key` signed."""
        apps, code = self._apps(), source.encode()
        if isinstance(manifest, str):
            parcel = Parcel(manifest.encode(), code, key, bytes.fromhex(signature))
        else:
            version = {"version": apps.highest(str(manifest.get("name", ""))) + 1}
            parcel = Parcel(complete({**version, **manifest}, code, self._edge_id), code)
        verdict = apps.install(parcel)
        if verdict.accepted:
            self._follow(verdict.name)
        return {**verdict.data(), "held": self._held(apps.get(verdict.name)) if verdict.accepted else ""}

    def list(self) -> list[dict[str, Any]]:
        """Every app that is installed or waits, by name."""
        return [self._app(app) for app in self._apps().list()]

    def show(self, name: str) -> dict[str, Any]:
        """One of them: what it asks for, what it has, how it does, and who did what to it. Raises NoSuchApp, with what
        was done last to one that is gone or was refused."""
        apps = self._apps()
        try:
            app = apps.get(name)
        except NoSuchApp as error:
            raise NoSuchApp("; ".join([str(error), *map(_told, apps.audit(1, name))])) from None
        running = apps.running(name)
        shown = {"when", "grant", "limits", "memory", "config", "check"}
        return {
            **self._app(app),
            "manifest": orjson.loads(apps.manifest(name)),
            "settings": None
            if running is None
            else running.settings.model_dump(mode="json", by_alias=True, exclude_none=True, include=shown),
            "source": apps.source(name).decode(),
            "audit": [entry.data() for entry in apps.audit(_ENTRIES, name)],
        }

    def remove(self, name: str) -> dict[str, Any]:
        """The audit's entry. Raises NoSuchApp."""
        entry = self._apps().remove(name)
        self._follow(name)
        return entry.data()

    def promote(self, name: str, owner: str, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """The app as it is now. Raises NoSuchApp, Refused."""
        return self._app(self._apps().promote(name, owner, keys))

    def rollback(self, name: str) -> dict[str, Any]:
        """The app as it is now. Raises NoSuchApp, Refused."""
        app = self._apps().rollback(name)
        self._follow(name)
        return self._app(app)

    def _app(self, app: App) -> dict[str, Any]:
        return {**app.data(), "held": self._held(app)}

    def _held(self, app: App) -> str:
        return app.held or self._broken.get(app.name, "")


def _told(entry: Entry) -> str:
    """What somebody did last."""
    data = entry.data()
    version = "" if data["version"] is None else f", version {data['version']}"
    why = data["message"] or data["reason"]
    return f"last: {data['action']} by {data['by']} at {data['time']}{version}{': ' + why if why else ''}"
