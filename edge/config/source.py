"""Reads a YAML 1.2 file into plain values that know their line. The one importer of ruamel.yaml.

Only the parser's events are used: no constructor runs, so no tag can build an object, and size, depth, aliases and
duplicate keys are decided here. Scalars follow the core schema (yaml.org/spec/1.2.2, section 10.3.2): `on`, `off`,
`yes` and `no` are text. `!secret name` becomes a `SecretRef`; every other tag but `!!str` is refused.

Bounds: 512 KiB of file, 32 levels, 20,000 values counted after aliases are expanded.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from edge.config.report import Report, Steps, kind_of, shortened

MAX_BYTES = 512 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000
_STR_TAGS = ("!", "tag:yaml.org,2002:str")

_NULL = re.compile(r"(null|Null|NULL|~|)")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o[0-7]{1,300}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`!secret name`, not yet looked up."""

    name: str


def scalar(text: str) -> str | int | float | bool | None:
    """A plain (unquoted) scalar by the core schema of YAML 1.2. Never raises."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def read_mapping(path: Path, shown: str, report: Report) -> dict[str, Any]:
    """The mapping in the file at `path`, its lines noted in `report`; what is wrong is reported, never raised.

    What cannot be read to its end gives an empty mapping, and `report.broken` is set.
    """
    text = _text(path, shown, report)
    if text is None:
        return {}
    builder = _Builder(report)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reused anchor is the later one; nothing to tell anybody
            for event in _events(text):
                builder.take(event)
    except YAMLError as error:
        _syntax(error, text, report)
    except _TooMuch as error:
        report.broken = True
        report.at_line(error.line, str(error), error.advice)
    if report.broken:
        return {}
    if isinstance(builder.root, dict):
        return builder.root
    found = "it is empty" if builder.root is None else f"it is {kind_of(builder.root)}"
    report.at_line(1, f"the file must hold keys and values, but {found}", "start with `edge: {id: my-gateway}`")
    report.broken = True
    return {}


def _text(path: Path, shown: str, report: Report) -> str | None:
    report.file = shown
    report.broken = True
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        report.at_line(0, "there is no such file", "`edge init DIR` writes a starter folder")
    except OSError as error:
        report.at_line(0, f"the file cannot be read: {error.strerror}", "look at its owner and mode")
    else:
        if len(content) > MAX_BYTES:
            report.at_line(0, f"the file has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            report.at_line(line, "this line is not UTF-8 text", "save the file as UTF-8")
        else:
            report.broken = False
            return text
    return None


def _events(text: str) -> Iterator[Any]:
    return iter(YAML(typ="safe", pure=True).parse(text))


def _syntax(error: YAMLError, text: str, report: Report) -> None:
    report.broken = True
    lines = text.splitlines() or [""]
    if not isinstance(error, MarkedYAMLError):  # the reader's: a character YAML does not allow
        character = getattr(error, "character", "?")
        character = chr(character) if isinstance(character, int) else str(character)
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        report.at_line(line, f"the character {character!r} may not stand in YAML", "delete it")
        return
    problem = str(error.problem or error.context or "it cannot be read")
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and "end of stream" in problem:
        mark = error.context_mark  # where the quote or bracket opens says more than the end of the file
    number = min(mark.line, len(lines) - 1) if mark is not None else 0
    meaning, advice = _explained(problem, lines[number])
    report.at_line(number + 1, f"this is not YAML: {meaning}: {_shown(lines[number])}", advice)


def _explained(problem: str, line: str) -> tuple[str, str]:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab", "indent with spaces, never with tabs"
    for part, meaning, advice in (
        ("end of stream", "a quote that opens here is never closed", "close it"),
        ("<stream end>", "a bracket is never closed", "close it with ] or }"),
        (
            "mapping values are not allowed",
            "a second `: ` where a value was begun",
            'put text with a colon in quotes: "..."',
        ),
        ("cannot start any token", "a value cannot begin like this", 'put it in quotes: "..."'),
        ("<block", "the indentation does not fit the lines above", "keys of one level start in the same column"),
        ("could not find expected ':'", "a key without its colon", "write `key: value`"),
    ):
        if part in problem:
            return meaning, advice
    return problem.replace("'\\x00'", "the end of the file"), "look for a missing quote, bracket or colon"


def _shown(line: str) -> str:
    """The offending text, without what might be a password."""
    text = line.strip()
    text = re.sub(r"(?i)((?:password|secret|token|passwd|key)[\w-]*[\"']?\s*:\s*).*", r"\1...", text)
    text = re.sub(r"//[^/\s]*@", "//...@", text)
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _TooMuch(Exception):
    """A bound was reached; `line` says where."""

    def __init__(self, line: int, message: str, advice: str = "make this part flatter and smaller") -> None:
        self.line = line
        self.advice = advice
        super().__init__(message)


@dataclass(slots=True)
class _Frame:
    """An open mapping or list. `key` is set between a mapping's key and its value."""

    value: dict[str, Any] | list[Any]
    steps: Steps
    anchor: str | None
    before: int
    height: int = 1
    key: str | None = None
    keep: bool = True
    is_key: bool = False
    first: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What `&name` marked, with what repeating it costs."""

    value: Any
    weight: int = 1
    height: int = 0


class _Builder:
    """Builds the value from events with a stack of its own, so that depth is ours to bound."""

    def __init__(self, report: Report) -> None:
        self.root: Any = None
        self._report = report
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(event, line)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close(line)
        elif isinstance(event, AliasEvent):
            self._alias(event.anchor, line)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _TooMuch(line, "a second document starts here: one file is one", "delete --- and what follows")
            if event.version and tuple(event.version) != (1, 2):
                self._report.at_line(line, "this file is read as YAML 1.2", "delete the %YAML line")

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _scalar(self, event: Any, line: int) -> None:
        if self._expects_key():
            self._key(event.value, line)
            return
        value: Any = event.value
        if event.tag == "!secret":
            value = SecretRef(event.value)
        elif event.tag is not None and event.tag not in _STR_TAGS:
            self._unknown_tag(event.tag, line)
        elif event.tag is None and event.implicit[0]:
            value = scalar(event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value)
        self._add(value, line)

    def _unknown_tag(self, tag: str, line: int) -> None:
        self._report.at_line(line, f"the tag {shortened(tag)} is not known here", "the only tag is `!secret name`")

    def _key(self, key: str, line: int) -> None:
        frame = self._stack[-1]
        path = (*frame.steps, key)
        frame.key = key
        frame.keep = key not in frame.first and key != "<<"
        if key == "<<":
            self._report.at_line(line, "merge keys (<<) are not part of YAML 1.2", "write the keys out", path)
        elif not frame.keep:
            message = f"{shortened(key)} stands here twice: first on line {frame.first[key]}, again on line {line}"
            self._report.at_line(line, message, "delete one of the two", path)
        else:
            frame.first[key] = line
            self._report.lines[path] = line

    def _alias(self, name: str, line: int) -> None:
        anchored = self._anchors.get(name)
        if self._expects_key():
            self._report.at_line(line, "an alias cannot be a key", "write the key out")
            self._stack[-1].key, self._stack[-1].keep = "", False
            return
        if anchored is None:
            self._report.at_line(line, f"*{name} stands for nothing: no &{name} before it", "write the value out")
            if self._stack:
                self._stack[-1].keep = False
            anchored = _Anchored("")
        elif len(self._stack) + anchored.height > MAX_DEPTH:
            raise _TooMuch(line, f"more than {MAX_DEPTH} levels of nesting, counting what aliases repeat")
        if self._stack:
            self._stack[-1].height = max(self._stack[-1].height, anchored.height + 1)
        self._bound(anchored.weight, line)
        # A copy: an override of one place must not change the other.
        self._add(copy.deepcopy(anchored.value), line, weight=0)

    def _open(self, event: Any, line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _TooMuch(line, f"more than {MAX_DEPTH} levels of nesting")
        is_key = self._expects_key()
        if is_key:
            self._report.at_line(line, "a key must be a single word, not a mapping or a list", "check { } and [ ]")
        if event.tag is not None:
            self._unknown_tag(event.tag, line)
        self._bound(1, line)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        steps = self._steps()
        self._report.lines.setdefault(steps, line)
        self._stack.append(_Frame(value, steps, event.anchor, self._count, is_key=is_key))

    def _close(self, line: int) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(frame.value, self._count - frame.before + 1, frame.height)
        if self._stack:
            self._stack[-1].height = max(self._stack[-1].height, frame.height + 1)
        if frame.is_key:
            self._stack[-1].key, self._stack[-1].keep = "", False
        else:
            self._add(frame.value, line, weight=0)

    def _steps(self) -> Steps:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        return (*frame.steps, len(frame.value) if isinstance(frame.value, list) else frame.key or "")

    def _bound(self, weight: int, line: int) -> None:
        self._count += weight
        if self._count > MAX_VALUES:
            raise _TooMuch(line, f"more than {MAX_VALUES:,} values, counting what aliases repeat")

    def _add(self, value: Any, line: int, weight: int = 1) -> None:
        self._bound(weight, line)
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        if isinstance(frame.value, list):
            self._report.lines.setdefault(self._steps(), line)
            frame.value.append(value)
        else:
            if frame.keep:
                frame.value[str(frame.key)] = value
            frame.key = None
