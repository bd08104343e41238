"""The options of one verb: argparse with our sentences, an example, and the two options nearly every verb has."""

from __future__ import annotations

import argparse
from typing import NoReturn

from edge.cli.exits import USAGE, Stop


class Arguments(argparse.ArgumentParser):
    """`edge VERB`. A wrong command line raises Stop with exit code 2."""

    def __init__(self, verb: str, summary: str, *, examples: tuple[str, ...]) -> None:
        shown = "\n".join(f"  edge {example}" for example in examples)
        super().__init__(
            prog=f"edge {verb}",
            description=summary,
            epilog=f"example{'s' if len(examples) > 1 else ''}:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def with_config(self) -> Arguments:
        """Add `-c FILE`."""
        self.add_argument(
            "-c",
            "--config",
            metavar="FILE",
            help="configuration (default: $EDGE_CONFIG, ./edge.yaml or /etc/edge/edge.yaml)",
        )
        return self

    def with_json(self, shape: str) -> Arguments:
        """Add `--json`; `shape` says what it prints."""
        self.add_argument("--json", action="store_true", help=f"print JSON: {shape}")
        return self

    def error(self, message: str) -> NoReturn:
        raise Stop(f"{message}; `{self.prog} --help` explains", USAGE)
