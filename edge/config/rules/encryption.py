"""`journal.encrypt`: keys that are keys, and the library that takes them."""

from __future__ import annotations

import importlib.util

from pydantic import SecretStr

from edge.config.keys import parse_key
from edge.config.report import Steps
from edge.config.rules.survey import Survey
from edge.config.secrets import STAND_IN

_MAKE_ONE = "head -c 32 /dev/urandom | base64"


def check_encryption(survey: Survey) -> None:
    """Every key is one; no key twice; the library is installed."""
    encrypt, report = survey.config.journal.encrypt, survey.report
    if encrypt is None:
        return
    steps: Steps = ("journal", "encrypt")
    seen: set[bytes] = set()
    given = [((*steps, "old_keys", index), secret) for index, secret in enumerate(encrypt.old_keys)]
    if encrypt.key is not None:
        given.insert(0, ((*steps, "key"), encrypt.key))
    for place, secret in given:
        if not report.lost(place):
            _check_key(place, secret, seen, survey)
    if not given and not report.spoiled(steps):
        report.at(steps, "encryption needs a key", f"key: !secret journal_key; `{_MAKE_ONE}` makes one")
    if importlib.util.find_spec("cryptography") is None:
        report.at(steps, "the library for encryption is not installed", "pip install 'edge-runtime[encryption]'")


def _check_key(place: Steps, secret: SecretStr, seen: set[bytes], survey: Survey) -> None:
    text = secret.get_secret_value()
    if survey.simulated and text == STAND_IN:
        return
    try:
        key = parse_key(text)
    except ValueError as error:
        survey.report.at(place, str(error), f"`{_MAKE_ONE}` makes a key")
        return
    if key in seen:
        survey.report.at(place, "this key is named twice", "delete one")
    seen.add(key)
