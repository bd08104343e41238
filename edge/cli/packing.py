"""`edge apps keygen` and `pack`: what a person needs to sign an app, on whatever machine they do that."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import Any

from edge.apps import Manifest, Refused, complete
from edge.apps import pack as packed
from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, Stop
from edge.cli.output import note, say, say_json
from edge.cli.programs import read_manifest, read_source, source_of

_MARK = "edge-ed25519-private"  # so that no other file is taken for one


def keygen(words: list[str]) -> int:
    """The private half never leaves the file."""
    arguments = Arguments(
        "apps keygen",
        "Make a key that signs apps. The private half goes into FILE, which only you can read; the public half is for "
        "`on_the_fly.keys` in edge.yaml.",
        examples=("apps keygen factory.key",),
    )
    arguments.add_argument("file", metavar="FILE", help="new file for the private half; keep it off the gateways")
    options = arguments.with_json("{name, public, file}").parse_args(words)
    crypto = _crypto()
    private, public = crypto.generate()
    path, shown = Path(options.file), base64.b64encode(public).decode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Stop(f"{path} exists; a key that is overwritten is lost, so name a new file") from None
    except OSError as error:
        raise Stop(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{_MARK} {base64.b64encode(private).decode()}\n")
        file.flush()
        os.fsync(file.fileno())
    if options.json:
        say_json({"name": path.stem, "public": shown, "file": str(path)})
    else:
        note(f"the private half is in {path}; this is for edge.yaml on every gateway that shall trust it")
        say(f"on_the_fly: {{keys: {{{path.stem}: {shown}}}}}")
    return FINE


def pack(words: list[str]) -> int:
    """To stdout, nothing else: `edge apps pack ... | mosquitto_pub -q 1 -t edge/ID/apps/NAME/set -s`."""
    arguments = Arguments(
        "apps pack",
        "Sign an app: prints the message for `edge/<id>/apps/<name>/set` (QoS 1, not retained).",
        examples=(
            "apps pack watch.yaml --key factory.key",
            "apps pack watch.yaml --key factory.key | mosquitto_pub -q 1 -t edge/workshop-pi/apps/watch/set -s",
        ),
    )
    arguments.add_argument("manifest", metavar="MANIFEST", help="YAML or JSON; NAME.py stands beside NAME.yaml")
    arguments.add_argument("--key", metavar="FILE", required=True, help="private key, as `apps keygen` wrote it")
    arguments.add_argument("--as", dest="name", metavar="NAME", help="its name in on_the_fly.keys (default: FILE's)")
    options = arguments.parse_args(words)
    path = Path(options.manifest)
    fields, source = read_manifest(path), read_source(source_of(path)).encode()
    manifest = _complete({"name": path.stem, **fields}, source, path)
    payload = packed(manifest, source, options.name or Path(options.key).stem, _private(options.key))
    sys.stdout.write(payload.decode() + ("\n" if sys.stdout.isatty() else ""))
    return FINE


def _complete(fields: dict[str, Any], source: bytes, path: Path) -> bytes:
    """The bytes to sign. Raises Stop for what any gateway would refuse: better now than out there."""
    for field, why in (("edge", "the `edge.id` of the gateway it is for"), ("version", "higher than the one before")):
        if field not in fields:
            raise Stop(f"{path}: add `{field}:`, {why}; it is part of what is signed")
    manifest = complete(fields, source, str(fields["edge"]))
    try:
        Manifest.parse(manifest, str(fields["edge"]))
    except Refused as refused:
        raise Stop(f"{path}: {refused}") from refused
    return manifest


def _private(name: str) -> bytes:
    try:
        mark, _, text = Path(name).read_text(encoding="ascii").strip().partition(" ")
        if mark == _MARK:
            return base64.b64decode(text, validate=True)
    except OSError as error:
        raise Stop(f"{name} cannot be read: {error.strerror}") from error
    except ValueError:
        pass
    raise Stop(f"{name} is no private key of `edge apps keygen`")


def _crypto() -> Any:
    try:
        from edge import crypto
    except ImportError as error:
        raise Stop("signing needs the library cryptography: pip install 'edge-runtime[encryption]'") from error
    return crypto
