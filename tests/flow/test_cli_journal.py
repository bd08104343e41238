"""The tools of the journal beside a gateway that runs, and after it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.flow.test_cli_run import Gateway, gateway, stopped

__all__ = ["gateway"]


def test_a_running_gateway_is_exported_and_only_a_stopped_one_is_changed(gateway: Gateway, tmp_path: Path) -> None:
    process = gateway.start()
    envelope = gateway.json("fire", "overheat", "--event", '{"temperature": 31.5}')

    [line] = gateway.edge("journal", "export").splitlines()
    assert json.loads(line) == envelope
    Path(tmp_path / "out.jsonl").write_text(line + "\n")
    for words in (("repair",), ("import", "out.jsonl")):
        gateway.edge("journal", *words, code=1)
    assert gateway.json("journal", "stats")["accepted"] == 1

    assert stopped(process)[0] == 0
    assert "nothing to repair" in gateway.edge("journal", "repair")
    assert "0 outcomes taken in, 1 passed over" in gateway.edge("journal", "import", "out.jsonl")
