"""An app as it lies on a person's disk: source and manifest, or the message that `apps pack` made of both."""

from __future__ import annotations

import base64
import binascii
from argparse import Namespace
from pathlib import Path
from typing import Any

import orjson

from edge.cli.arguments import Arguments
from edge.cli.exits import Stop
from edge.config.report import Report
from edge.config.source import read_mapping

_MANIFESTS = (".yaml", ".yml", ".json")


def read_program(name: str, arguments: Arguments, options: Namespace) -> dict[str, Any]:
    """What `AppDesk.install` takes, from what FILE names and flags say. Raises Stop for what cannot be read."""
    path = Path(name)
    given = _given(arguments, options)
    if path.suffix in _MANIFESTS and (packed := _packed(path)) is not None:
        if given:
            raise Stop(f"{path} is signed as it is; leave out --{', --'.join(given)}")
        return packed
    manifest, source = _pair(path)
    fields = {} if manifest is None else read_manifest(manifest)
    if manifest is None and "when" not in given:
        names = " or ".join(f"{source.stem}{suffix}" for suffix in _MANIFESTS)
        raise Stop(f"{source} has no manifest {names} beside it; write one, or say with --when what starts it")
    life, flags = fields.get("life"), given.pop("life", {})
    if flags:
        fields["life"] = {**life, **flags} if isinstance(life, dict) else flags
    fields = {"name": source.stem, **fields, **given}
    return {"manifest": fields, "source": read_source(source)}


def read_manifest(path: Path) -> dict[str, Any]:
    """The fields of a manifest as a person writes it, YAML or JSON. Raises Stop."""
    report = Report(str(path))
    fields = read_mapping(path, str(path), report)
    if report.problems:
        raise Stop("; ".join(map(str, report.problems)))
    return fields


def source_of(manifest: Path) -> Path:
    """The source beside a manifest. Raises Stop where there is none."""
    source = manifest.with_suffix(".py")
    if not source.is_file():
        raise Stop(f"{manifest} has no source {source.name} beside it")
    return source


def read_source(path: Path) -> str:
    """Raises Stop."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Stop(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Stop(f"{path} is not UTF-8 text") from error


def _given(arguments: Arguments, options: Namespace) -> dict[str, Any]:
    """The fields of a manifest that flags give."""
    fields: dict[str, Any] = {}
    for name in ("when", "grant"):
        text = getattr(options, name)
        if text is not None:
            try:
                fields[name] = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                arguments.error(f"--{name} is not JSON: {error}")
    life = {name: getattr(options, name) for name in ("ttl", "runs") if getattr(options, name) is not None}
    return {**fields, **({"life": life} if life else {})}


def _packed(path: Path) -> dict[str, Any] | None:
    """What `apps pack` wrote, if the file is that."""
    try:
        fields = orjson.loads(path.read_bytes())
        signature = base64.b64decode(fields["signature"], validate=True).hex()
        return {
            "manifest": fields["manifest"],
            "source": fields["source"],
            "key": fields["key"],
            "signature": signature,
        }
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, binascii.Error):
        return None


def _pair(path: Path) -> tuple[Path | None, Path]:
    """Manifest, if there is one, and source."""
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix == ".py")
        if len(found) != 1:
            raise Stop(f"{path} has {len(found)} Python files; an app is one, so name it")
        return _beside(found[0]), found[0]
    if not path.is_file():
        raise Stop(f"{path}: there is no such file")
    if path.suffix in _MANIFESTS:
        return path, source_of(path)
    return _beside(path), path


def _beside(source: Path) -> Path | None:
    return next((one for suffix in _MANIFESTS if (one := source.with_suffix(suffix)).is_file()), None)
