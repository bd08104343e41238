"""What the apps refuse, and why: one word from a closed list for counters, one sentence for people."""

from __future__ import annotations

from enum import StrEnum

from edge.errors import EdgeError


class Reason(StrEnum):
    """Why a manifest was refused."""

    OFF = "off"  # edge.yaml has no `on_the_fly:`, or none for MQTT
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    FIELDS = "fields"
    EDGE_ID = "edge_id"
    VERSION = "version"
    EXPIRED = "expired"
    SHA256 = "sha256"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    NOT_OWNER = "not_owner"
    NAME = "name"
    WHEN = "when"
    SOURCES = "sources"
    SCHEDULES = "schedules"
    GRANT = "grant"
    LIMITS = "limits"
    MEMORY = "memory"
    TTL = "ttl"
    APPS = "apps"
    SOURCE = "source"
    TYPES = "types"
    CHECK = "check"
    DRY_RUN = "dry_run"
    RETAINED = "retained"
    NO_ROOM = "no_room"
    STATE = "state"  # the app is not in a state in which that can be done


class AppsError(EdgeError):
    """An app cannot be installed or changed."""


class NoSuchApp(AppsError, KeyError):
    """No app of that name is installed or waits."""

    def __str__(self) -> str:  # KeyError shows the repr of its argument
        return str(self.args[0])


class Refused(AppsError, ValueError):
    """The answer is no, and nothing was changed. `by` is who is proved to have asked: a key's name or `local`."""

    def __init__(self, reason: Reason, message: str, by: str = "") -> None:
        self.reason = reason
        self.by = by
        super().__init__(message)
