"""Turns what pydantic finds into sentences, and makes the most of a configuration that is partly wrong.

`mend` takes out what is wrong, or puts a stand-in where the rest cannot do without, until the remainder validates:
so references can still be checked in the same go. `model_at` knows which keys may stand where.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, SecretStr, ValidationError

from edge.config.models import Config
from edge.config.report import Report, Steps, did_you_mean, kind_of, listed, shortened
from edge.config.units import parse_duration, show_duration, show_size

Say = Callable[[str, str], None]
"""Takes a message and a hint, about one place."""

_QOS_2 = "qos 2 is refused: its handshake would be done before the event is on disk, so a crash could lose it for good"
_NAME_HINT = "a lower-case letter, then letters, digits, - and _: `front-door`"

_NO_KIND, _WRONG_KIND = "union_tag_not_found", "union_tag_invalid"
_MISSING = ("missing", _NO_KIND)

_STAND_INS: dict[Steps, Any] = {("edge",): {"id": "unknown"}, ("edge", "id"): "unknown"}


def mend(data: dict[str, Any], report: Report, context: Mapping[str, Any]) -> Config | None:
    """The configuration without what is wrong in it; every mistake is reported once. `data` is changed.

    None when nothing can be made of it.
    """
    reported: set[Steps] = set()
    for _ in range(100):
        try:
            return Config.model_validate(data, context=context)
        except ValidationError as error:
            for mistake in error.errors(include_url=False):
                way = _way(mistake)
                steps = _written(way)
                if not any(known[: len(steps)] == steps for known in reported):  # else it is what taking out left
                    reported.add(steps)
                    _explain(way, mistake, partial(report.at, steps))
                _take_out(data, steps, missing=mistake["type"] in _MISSING or mistake["type"] == _WRONG_KIND)
    return None


def _way(mistake: Any) -> Steps:
    """pydantic's way, without what it adds for itself: `[key]`, and the members of a union of scalars. Which of several
    models stands at a place (`http` after `tools.weather`) stays in it."""
    kept: list[str | int] = []
    model: Any = Config
    for step in mistake["loc"]:
        if step == "[key]" or (typing.get_origin(model) is types.UnionType and not _kinds(model)):
            break
        kept.append(step)
        model = _inside(model, step)
    if mistake["type"] in (_NO_KIND, _WRONG_KIND):
        kept.append("kind")
    return tuple(kept)


def _written(way: Steps) -> Steps:
    """The way as it stands in the file: without the kind of the model between two keys."""
    kept: list[str | int] = []
    place: Any = Config
    for step in way:
        if step not in _kinds(place):
            kept.append(step)
        place = _inside(place, step)
    return tuple(kept)


def _kinds(place: Any) -> dict[str | int, type[BaseModel]]:
    """The models of which one may stand here, by what `kind:` calls them; none where that is no question."""
    members = typing.get_args(place) if typing.get_origin(place) is types.UnionType else ()
    fields = [getattr(member, "model_fields", {}).get("kind") for member in members]
    if not all(fields):
        return {}
    return {typing.get_args(info.annotation)[0]: member for info, member in zip(fields, members, strict=True) if info}


def _take_out(data: dict[str, Any], steps: Steps, *, missing: bool) -> None:
    if steps in _STAND_INS:
        parent = _get(data, steps[:-1])
        if isinstance(parent, dict):
            parent[steps[-1]] = _STAND_INS[steps]
            return
    if missing and steps[-1] == "broker":
        parent = _get(data, steps[:-1])
        if isinstance(parent, dict):
            parent["broker"] = "mqtt://unknown"
            return
    if missing:
        steps = steps[:-1]
    parent = _get(data, steps[:-1])
    if isinstance(parent, dict):
        parent.pop(steps[-1], None)
    elif isinstance(parent, list) and isinstance(steps[-1], int) and steps[-1] < len(parent):
        _take_out(data, steps[:-1], missing=False)


def _get(data: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def model_at(steps: Steps, whole: type[BaseModel] = Config) -> type[BaseModel] | None:
    """The model whose keys may stand at this place of the whole; None where there is none."""
    place = _place(steps, whole)
    return place if isinstance(place, type) and issubclass(place, BaseModel) else None


def _place(steps: Steps, whole: type[BaseModel] = Config) -> Any:
    place: Any = whole
    for step in steps:
        place = _inside(place, step)
    return place


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a model as they are written in the file -> their field."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def all_models(model: type[BaseModel] = Config) -> dict[str, type[BaseModel]]:
    """Every mapping of the file by the name of its type, that of the whole file first."""
    found = {model.__name__: model}
    for info in model.model_fields.values():
        for inner in _models_in(info.annotation):
            if inner.__name__ not in found:
                found |= all_models(inner)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)


def _inside(place: Any, step: str | int) -> Any:
    place = _bare(place)
    kinds = _kinds(place)
    if step in kinds:
        return kinds[step]
    if kinds:
        return _in_any(kinds, str(step))
    if isinstance(place, type) and issubclass(place, BaseModel):
        info = keys(place).get(str(step))
        return None if info is None else _bare(info.annotation)
    origin = typing.get_origin(place)
    if origin is dict:
        return _bare(typing.get_args(place)[1])
    return _bare(typing.get_args(place)[0]) if origin is list else None


def _in_any(kinds: Mapping[str | int, type[BaseModel]], key: str) -> Any:
    """What may stand at a key where the kind is not known."""
    if key == "kind":
        return Literal[tuple(kinds)]
    return next((_bare(keys(model)[key].annotation) for model in kinds.values() if key in keys(model)), None)


def _bare(annotation: Any) -> Any:
    """Without `Annotated`, and without `| None`."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def is_secret(steps: Steps) -> bool:
    """Whether the value at this place, or every item of it, must never be shown."""
    place = _place(steps)
    return SecretStr in (place, _inside(place, 0))


def _explain(way: Steps, mistake: Any, say: Say) -> None:
    kind, value = mistake["type"], mistake["input"]
    if kind == "extra_forbidden":
        _unknown_key(way, say)
    elif kind in _MISSING:
        say(f"{way[-1]} is missing", _missing_hint(way))
    elif isinstance(value, SecretStr) and not is_secret(way):
        say(
            "a secret cannot stand here: it would show in logs",
            "secrets are for `password`, the `headers` of tools and the keys of `journal.encrypt`",
        )
    elif kind == "literal_error":
        _wrong_choice(way, value, say)
    elif kind == _WRONG_KIND:
        _wrong_choice(way, value.get("kind"), say)
    elif kind == "string_pattern_mismatch":
        _wrong_text(way, value, say)
    elif kind == "value_error":
        message, _, hint = str(mistake["ctx"]["error"]).partition("; ")
        say(message, hint)
    else:
        found = "" if is_secret(way) else f", not {kind_of(value)}"
        say(f"this must be {_wanted(mistake)}{found}", _type_hint(kind, value, way))


def _wanted(mistake: Any) -> str:
    context = mistake.get("ctx", {})
    words = {
        "string_type": "text",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "list_type": "a list, such as [a, b]",
        "finite_number": "a finite number",
        "dict_type": "a mapping of keys and values",
        "model_type": "a mapping of keys and values",
        "model_attributes_type": "a mapping of keys and values",
        "too_short": "not empty",
        "string_too_long": f"at most {context.get('max_length')} characters",
        "greater_than": f"more than {_bound(context.get('gt'), mistake['input'])}",
        "greater_than_equal": f"at least {_bound(context.get('ge'), mistake['input'])}",
        "less_than_equal": f"at most {_bound(context.get('le'), mistake['input'])}",
    }
    if len(mistake["loc"]) > 1 and mistake["loc"][-2] == "equals":
        return "text, a number, or true or false"
    return words.get(mistake["type"]) or str(mistake["msg"]).removeprefix("Input should be ")


def _bound(limit: Any, value: Any) -> str:
    """A limit in the unit that the value was written in."""
    if limit is None or not isinstance(value, str):
        return str(limit)
    try:
        parse_duration(value)
    except ValueError:
        return show_size(limit)
    return show_duration(limit)


def _type_hint(kind: str, value: Any, steps: Steps) -> str:
    if (gpio := re.fullmatch(r"(?i)(?:gpio|bcm)[ _]?(\d+)", str(value))) and {"pin", "pins"} & set(steps):
        return f"write the number alone: {gpio[1]}"
    if steps[-1] == "pins" and kind != "int_type":
        return "write what each wire is: pins: {a: 17, b: 27}; `edge devices kinds KIND` names them"
    if steps[-1] == "bus":
        return "write the kind of the bus and its number: i2c-1, spi-0"
    if kind == "string_type" and isinstance(value, bool | int | float) and not is_secret(steps):
        text = str(value).lower() if isinstance(value, bool) else value
        return f'write it in quotes: "{text}"'
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "write it in quotes, or better: `!secret name`"
    if kind == "bool_type" and str(value).lower() in ("yes", "on", "no", "off"):
        meant = "true" if str(value).lower() in ("yes", "on") else "false"
        return f"yes, no, on and off are text in YAML 1.2: write {meant}"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        return "without quotes, and without a unit"
    if kind == "list_type" and is_secret(steps):
        return "write [!secret name]"
    if kind == "list_type" and isinstance(value, str):
        return f"write [{value[:40]}]"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{steps[-1]}: {{key: value}}, or its keys on the lines below, further in"
    if kind == "bool_type":
        return "write true or false"
    return _default(steps)


def _default(steps: Steps) -> str:
    """What stands there when nothing is written: a good value to start from."""
    model = model_at(steps[:-1])
    info = keys(model).get(str(steps[-1])) if model is not None else None
    if model is None or info is None or info.is_required():
        return "write another value"
    if info.default is None:
        return "leave it out, or write another value"
    shown = model.model_construct().model_dump(mode="json", by_alias=True, include={str(steps[-1])})
    return f"the default is {next(iter(shown.values()), info.default)}"


def _unknown_key(way: Steps, say: Say) -> None:
    key, parent = str(way[-1]), way[:-1]
    model = model_at(parent)
    known = list(keys(model)) if model else []
    hint = (
        _of_another_kind(key, parent)
        or did_you_mean(key, known)
        or _elsewhere(key, way)
        or f"known here: {listed(known)}"
    )
    say(f"there is no key {shortened(key)} here", hint)


def _of_another_kind(key: str, parent: Steps) -> str:
    owners = [str(kind) for kind, model in _kinds(_place(parent[:-1])).items() if key in keys(model)]
    return f"{key} belongs to kind: {listed(owners)}" if owners else ""


def _elsewhere(key: str, steps: Steps) -> str:
    """Where the key does stand, looking outward and then one level in."""
    for depth in range(len(steps) - 2, -1, -1):
        model = model_at(steps[:depth])
        if model is not None and key in keys(model):
            place = ".".join(str(step) for step in _written(steps[:depth])) or "the top level"
            return f"{key} belongs to {place}"
    model = model_at(steps[:-1])
    for name in keys(model) if model else ():
        inner = model_at((*steps[:-1], name))
        if inner is not None and key in keys(inner):
            return f"{key} belongs inside {name}:"
    return ""


def _missing_hint(way: Steps) -> str:
    hints = {
        "id": "name this gateway: `edge: {id: workshop-pi}`",
        "edge": "name this gateway: `edge: {id: workshop-pi}`",
        "broker": "such as mqtt://localhost:1883",
        "driver": "such as tmp102, contact or relay",
        "topic": "such as plant/+/vibration",
        "when": "say what starts the task: `when: {source: ...}` or `when: {every: 1m}`",
        "hosts": "the servers it may ask: [api.example]",
        "commands": "what it may start: `commands: {uptime: [uptime]}`",
        "file": "such as ./workshop.db",
    }
    if way[-1] == "kind":
        return f"write `kind: {' or '.join(map(str, _choices(way)))}`"
    return hints.get(str(way[-1]), "")


def _wrong_choice(way: Steps, value: Any, say: Say) -> None:
    choices = [str(choice) for choice in _choices(way)]
    shown = listed(choices)
    if way[-1] == "qos" and value == 2:
        say(_QOS_2, "write qos: 1; a repeated message is recognised")
    elif len(choices) == 1:
        say(f"{way[-1]} can only be {shown} in this version, not {kind_of(value)}", f"write {shown}")
    else:
        hint = (
            f'write it in quotes: "{value}"'
            if str(value) in choices
            else did_you_mean(value, choices, "write one of them")
        )
        say(f"{kind_of(value)} is not one of {shown}", hint)


def _choices(way: Steps) -> tuple[Any, ...]:
    return typing.get_args(_place(way))


def _wrong_text(way: Steps, value: Any, say: Say) -> None:
    if way[-1] == "bus":
        say(f"{shortened(value)} is not a bus", _bus_hint(str(value)))
    elif way[-1] == "port":
        say(f"{shortened(value)} cannot be a serial port", "`ls /dev/serial/by-id /dev/tty*` shows what there is")
    elif way[-1] == "id" and way[0] == "devices":
        say(f"{shortened(value)} cannot be the name of a part in the kernel",
            "the folder's name alone, such as 28-00000a1b2c3d or iio:device0")  # fmt: skip
    elif way[-1] == "id":
        say(f"{shortened(value)} cannot be a gateway's id",
            "letters, digits, `.`, `-` and `_`, beginning with a letter or digit")  # fmt: skip
    else:
        say(f"{shortened(value)} cannot be a name", f"{_NAME_HINT}{_suggested(value)}")


def _bus_hint(value: str) -> str:
    if near := re.fullmatch(r"(?:/dev/)?i2c[-_ ]?(\d+)", value.lower()):
        return f"write i2c-{near[1]}"
    if re.fullmatch(r"(?:/dev/)?spi(?:dev|[-_ ])?0(?:\.\d)?", value.lower()):
        return "write spi-0, and its chip select as select: 0 or 1"
    if re.fullmatch(r"[^/]+/\d+", value):
        return "a multiplexer has the channels 0 to 7: mux/3 is channel 3 of the device mux"
    return "write i2c-1 for /dev/i2c-1, spi-0 for /dev/spidev0.*, mux/3 for channel 3 of the multiplexer mux"


def _suggested(value: Any) -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in str(value).lower()).strip("-")
    return f"; perhaps `{name}`" if name[:1].isalpha() and name != value else ""
