"""Versions and refusals of MQTT brokers: what does not need a connection to be decided."""

from __future__ import annotations

UNKNOWN_VERSION = 0x84
_REMEDIES = {
    UNKNOWN_VERSION: "set version: auto",
    0x85: "the broker does not accept the client id {client_id}: change edge.id",
    0x86: "check user: and password:",
    0x87: "let user {user} with client id {client_id} connect in the broker's access rules",
    0x8A: "the broker has banned {client_id}: ask its owner",
    0x8C: "check how the broker wants its clients to authenticate",
    0x8E: "another client has the id {client_id}: give every gateway an edge.id of its own",
}


def remedy(code: int, *, client_id: str, user: str | None) -> str | None:
    """What a person has to do about this refusal; None for one that may pass by itself."""
    text = _REMEDIES.get(code)
    return None if text is None else text.format(client_id=client_id, user=user or "(none)")


class Dialect:
    """Which version of MQTT to speak next.

    `auto` speaks MQTT 5 first. A broker that says it does not know it is spoken to in 3.1.1. So is one that hangs up
    twice without a word (once, it may have been restarting), or that does not answer at all (amqtt, to a greeting
    with a last will). The version that worked is kept.
    """

    def __init__(self, setting: str) -> None:
        self._auto = setting == "auto"
        self._known = None if self._auto else setting
        self._trying = "5"
        self._silences = 0

    @property
    def version(self) -> str:
        """`5` or `3.1.1`."""
        return self._known or self._trying

    @property
    def patience(self) -> float:
        """Seconds a broker may take to answer a greeting."""
        return 3.0 if self._known is None and self._trying == "5" else 10.0

    def accepted(self) -> None:
        """The broker speaks it."""
        self._known = self.version

    def refused(self) -> bool:
        """The broker does not know this version; True when another is to be tried at once."""
        if not self._auto:
            return False
        other = self.version == "5"
        self._known, self._trying = None, "3.1.1" if other else "5"
        return other

    def silent(self, *, mute: bool) -> bool:
        """The broker hung up without a word, or stayed `mute`; True when another version is to be tried at once."""
        if self._known is not None:
            return False
        self._silences += 2 if mute else 1
        other = self._trying == "5" and self._silences >= 2
        if other or self._trying == "3.1.1":
            self._silences = 0
            self._trying = "3.1.1" if other else "5"
        return other
