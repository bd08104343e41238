"""Environment variables over the file: `EDGE__MQTT__BROKER=mqtt://other` replaces `mqtt.broker`.

Two underscores part the steps, case does not matter, and a `_` also finds a `-` in a name
(`EDGE__DEVICES__FRONT_DOOR__PIN` -> `devices.front-door.pin`). Values are single: read like an unquoted YAML value,
or in quotes as text. An override reaches every key of the file's sections and of entries that the file has; it
never makes a new device, task, source or upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.config.report import Report, Steps, did_you_mean, listed
from edge.config.schema import keys, model_at
from edge.config.source import scalar

PREFIX = "EDGE__"


def override(data: dict[str, Any], environ: Mapping[str, str], report: Report) -> None:
    """Change `data` by the variables of `environ`; one that hits nothing is a problem that names it."""
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            _override(data, variable, environ[variable], report)


def _override(data: dict[str, Any], variable: str, text: str, report: Report) -> None:
    words = variable.removeprefix(PREFIX).lower().split("__")
    if words[0] == "upstream" and ("upstream", "default") in report.aliases and words[1:2] != ["default"]:
        words.insert(1, "default")
    steps: Steps = ()
    place: Any = data
    for number, word in enumerate(words):
        key, known = _find(place, steps, word)
        if key is None:
            report.origins[(*steps, word)] = variable
            report.at((*steps, word), f"this variable hits nothing: there is no {word!r} here",
                      did_you_mean(word, known, f"known here: {listed(known)}"))  # fmt: skip
            return
        steps = (*steps, key)
        if number < len(words) - 1:
            inner = place[key] = {} if place.get(key) is None else place[key]
            if not isinstance(inner, dict):
                report.origins[steps] = variable
                report.at(steps, "this variable hits nothing: there are no keys below this one", "shorten its name")
                return
            place = inner
    place[steps[-1]] = _value(text)
    report.origins[steps] = variable


def _find(place: dict[str, Any], steps: Steps, word: str) -> tuple[str | None, list[str]]:
    """The key that `word` means here, and what could have been meant."""
    kind = place.get("kind")
    model = model_at(steps) or (model_at((*steps, kind)) if isinstance(kind, str) else None)
    known = list(place) if model is None else [*keys(model), *(key for key in place if key not in keys(model))]
    exact = [key for key in known if key == word]
    near = [key for key in known if key.lower().replace("-", "_") == word]
    return next(iter(exact + near), None), known


def _value(text: str) -> Any:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return scalar(text)
