"""Metrics and health over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from edge import serve
from edge.clock import SystemClock
from edge.serve import Health, ListenError, PageServer


@dataclass
class Pages:
    """A server on a free port, and what it tells."""

    health: Health = field(default_factory=lambda: Health(None, []))
    port: int = 0

    def get(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.getheader("Content-Type") or "", body


@pytest.fixture
def pages() -> Iterator[Pages]:
    told = Pages()
    server = PageServer("127.0.0.1:0", metrics=lambda: "edge_up 1\n", health=lambda: told.health, clock=SystemClock())
    told.port = server.address[1]
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield told
    server.close()
    thread.join(5)
    assert not thread.is_alive()


def test_metrics_are_prometheus_text(pages: Pages) -> None:
    assert pages.get("/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", b"edge_up 1\n")


@pytest.mark.parametrize(
    ("health", "status", "word"),
    [
        (Health(None, []), 200, "ok"),
        (Health(None, ["workshop does not answer"]), 200, "degraded"),  # a restart would not mend it
        (Health("4 runs are stuck", []), 503, "failing"),
    ],
)
def test_health_asks_for_a_restart_only_where_one_would_help(
    pages: Pages, health: Health, status: int, word: str
) -> None:
    pages.health = health
    code, kind, body = pages.get("/healthz")

    assert (code, kind) == (status, "application/json")
    assert json.loads(body) == {"status": word, "failing": health.failing, "degraded": health.degraded}


def test_head_has_no_body_and_other_pages_do_not_exist(pages: Pages) -> None:
    assert pages.get("/healthz", "HEAD")[::2] == (200, b"")
    assert pages.get("/metrics?x=1")[0] == 200
    assert pages.get("/")[0] == 404
    assert pages.get("/metrics", "DELETE")[0] == 501


def test_a_client_that_dribbles_does_not_keep_others_out(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PATIENCE", 0.05)
    with socket.create_connection(("127.0.0.1", pages.port), timeout=10) as slow:
        slow.sendall(b"GET /metr")

        assert pages.get("/metrics")[0] == 200


def test_a_client_that_hangs_up_leaves_no_trace(pages: Pages) -> None:
    for _ in range(3):
        socket.create_connection(("127.0.0.1", pages.port), timeout=10).close()

    assert pages.get("/metrics")[0] == 200


def test_a_port_in_use_is_named_with_its_remedy(pages: Pages) -> None:
    with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{pages.port}.*choose another port"):
        PageServer(f"127.0.0.1:{pages.port}", metrics=str, health=lambda: pages.health, clock=SystemClock())


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(ListenError, match=r"address:port"):
        PageServer(listen, metrics=str, health=lambda: Health(None, []), clock=SystemClock())
