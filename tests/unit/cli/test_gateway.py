"""A command finds its gateway's configuration, also where it may not read the secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli.gateway import Gateway
from edge.errors import ConfigError

CONFIG = """
edge: {id: pi}
journal: {path: ./journal}
upstream: {kind: mqtt, broker: mqtt://cloud.example, user: pi, password: !secret upstream_password}
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    file = tmp_path / "edge.yaml"
    file.write_text(CONFIG)
    return Gateway(str(file))


def test_a_command_that_connects_to_nothing_needs_no_secret(gateway):
    assert gateway.config.journal.path == str(gateway.file.parent / "journal")


def test_what_is_to_run_needs_every_secret_and_says_where_it_looked(gateway):
    with pytest.raises(ConfigError, match="upstream_password"):
        _ = gateway.full
