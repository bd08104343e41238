"""Requests to servers on a list: none reaches another, none takes longer, and none brings back more than allowed."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import SystemClock
from edge.config.tools import HttpTool
from edge.errors import LimitExceeded, NotGranted, ToolError
from edge.links.http import Wire, trust
from edge.links.resolver import Resolver, is_public
from edge.runs.tools.http import Http, Reach
from edge.runs.tools.tool import GrantedTool
from tests.unit.runs.tools.conftest import Bench
from tests.unit.runs.tools.server import Connection, Server, authority, certificate

PORTS = {"http": 80, "https": 443}


@pytest.fixture(scope="module")
def everybody_s_server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def server(everybody_s_server: Server) -> Server:
    everybody_s_server.answers, everybody_s_server.seen = {}, []
    return everybody_s_server


@pytest.fixture
def other() -> Iterator[Server]:
    """One that may be made to speak TLS."""
    made = Server()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "api.example", signed_by="ca")
    return folder


@pytest.fixture
def api(bench: Bench, server: Server) -> GrantedTool:
    """`api.example`, plain, on this machine."""
    return reach(bench, server)


def reach(bench: Bench, server: Server, *, more: str = "timeout: 10s", left: float = 10.0) -> GrantedTool:
    bench.addresses["api.example"] = ["127.0.0.1"]
    hosts = "" if "hosts:" in more else f"hosts: ['api.example:{server.port}'], "
    return bench.tool(f"kind: http, {hosts}insecure: true, private: true, {more}", left=left)


def url(server: Server, path: str = "/", host: str = "api.example") -> str:
    return f"http://{host}:{server.port}{path}"


# -- what comes back --------------------------------------------------------------------------------------------------


def test_an_answer_is_status_a_few_headers_and_its_json(api, server):
    server.answers["/today"] = lambda connection: connection.give(
        b'{"celsius": 21.5}', content_type="application/json; charset=utf-8", etag='"7"', set_cookie="a=b", x_inner="1"
    )
    answer = api.get("/today")

    assert answer.pop("headers").keys() == {"content-type", "date", "etag"}
    assert answer == {"status": 200, "json": {"celsius": 21.5}}


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", "höher".encode(), "höher"),
        ("text/plain; charset=iso-8859-1", "höher".encode("latin-1"), "höher"),
        ("text/plain; charset=zlib", b"abc", "abc"),
        ("application/octet-stream", b"\xff\x00a", "\ufffd\x00a"),
        ("application/json", b"", ""),
    ],
)
def test_what_is_no_json_is_text(api, server, kind, body, text):
    server.answers["/"] = lambda connection: connection.give(body, content_type=kind)

    assert api.get("/")["text"] == text


def test_a_status_is_an_answer_not_an_error(api, bench):
    assert api.get("/nowhere")["status"] == 404
    assert bench.counts() == {"ok": 1}


def test_a_packed_answer_is_unpacked(api, server):
    server.answers["/"] = lambda connection: connection.give(gzip.compress(b"a" * 1000), content_encoding="gzip")

    assert api.get("/")["text"] == "a" * 1000


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_body_is_sent_as_json(bench, server, method):
    api = reach(bench, server, more="methods: [POST, PUT, PATCH, DELETE]")
    server.answers["/"] = lambda connection: connection.give(connection.body(), content_type="application/json")
    answer = getattr(api, method)("/", json={"on": True}, query={"a": 1})

    assert answer["json"] == {"on": True}
    assert server.seen[0].command == method.upper()
    assert server.seen[0].headers["content-type"] == "application/json"
    assert server.seen[0].path == "/?a=1"


def test_head_asks_for_the_head(bench, server):
    server.answers["/"] = lambda connection: connection.give(content_length="1000000", content_type="text/plain")
    answer = reach(bench, server, more="methods: [HEAD]").head("/")

    assert (answer["status"], answer["text"]) == (200, "")


def test_only_the_methods_of_the_list_are_there(api):
    with pytest.raises(TypeError, match="tool part has no 'post'; it has get"):
        api.post("/", {})


def test_a_query_is_encoded(api, server):
    api.get("/?z=0", {"name": "a b&c", "list": [1, 2.5], "on": True})

    assert server.seen[0].path == "/?z=0&name=a+b%26c&list=1&list=2.5&on=true"


def test_headers_of_the_configuration_are_sent_and_win(bench, server):
    more = "headers: {Authorization: !secret token}"
    (bench.folder / "secrets.yaml").write_text("token: Bearer hush\n")
    (bench.folder / "secrets.yaml").chmod(0o600)
    reach(bench, server, more=more).get("/", headers={"X-Mine": "1", "authorization": "mine"})

    assert server.seen[0].headers["authorization"] == "Bearer hush"
    assert server.seen[0].headers["x-mine"] == "1"
    assert server.seen[0].headers["host"] == f"api.example:{server.port}"


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "connection", "cookie", "a b", "a:", ""]
)
def test_headers_that_decide_where_a_request_ends_are_not_a_task_s(api, server, name):
    with pytest.raises(ValueError, match="header"):
        api.get("/", headers={name: "1"})

    assert not server.seen


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\nb", "\0", "ü", " a"])
def test_a_header_is_one_line(api, server, value):
    with pytest.raises(ValueError, match="on one line"):
        api.get("/", headers={"x": value})

    assert not server.seen


def test_nothing_of_one_request_stays_for_the_next(api, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers["/"] = lambda connection: connection.give(set_cookie="session=1; Path=/")
    api.get("/")
    api.get("/")

    assert [seen.headers["cookie"] for seen in server.seen] == [None, None]
    assert server.seen[0].client_address != server.seen[1].client_address


# -- where a request may go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["http://API.Example:{}/", "http://api.example.:{}/", "HTTP://api.example:{}/#here",
                                     "http://api.example:{}?a=1", "http://api.example:{}"])  # fmt: skip
def test_the_same_server_in_another_spelling_is_the_same(api, server, written):
    assert api.get(written.format(server.port))["status"] == 404
    assert len(server.seen) == 1


ELSEWHERE = [
    "http://evil.example:{}/",
    "http://api.example.evil.example:{}/",
    "http://evil-api.example:{}/",
    "http://127.0.0.1:{}/",
    "http://localhost:{}/",
    "http://[::ffff:127.0.0.1]:{}/",
    "http://api.example/",
    "http://api.example:1/",
    "https://api.example/",
    "http://xn--api-0ra.example:{}/",
]
UNREADABLE = [
    "http://api.example:{}@evil.example/",
    "http://api.example@evil.example:{}/",
    "http://me:secret@api.example:{}/",
    "http://evil.example\\@api.example:{}/",
    "http://api.example:{}\\.evil.example/",
    "http://api%2eexample:{}/",
    "http://evil.example%23@api.example:{}/",
    "http://аpi.example:{}/",
    "http://api。example:{}/",
    "http://api.example:{} .evil.example/",
    "http://api.example:{}\r\nHost: evil.example/",
    "http://api.example:{}/a b",
    "http://api.example:{}/a\tb",
    "http://api.example..:{}/",
    "http://:{}/",
    "http:///x",
    "http:api.example/",
    "//evil.example:{}/",
    "/\\evil.example/",
    "file:///etc/passwd",
    "ftp://api.example:{}/",
    "javascript:alert(1)",
    "today",
    "",
    "http://2130706433:{}/",
    "http://0x7f.0.0.1:{}/",
    "http://127.1:{}/",
    "http://0177.0.0.1:{}/",
    "http://[::1%25lo]:{}/",
    "http://[::1]evil:{}/",
    "http://api.example:99999/",
    "http://api.example:0x50/",
    "http://api.example:{}/" + "x" * 4000,
]


@pytest.mark.parametrize("written", ELSEWHERE)
def test_no_other_server_is_asked(api, bench, server, written):
    bench.addresses |= {"evil.example": ["127.0.0.1"], "localhost": ["127.0.0.1"]}
    with pytest.raises(NotGranted, match=r"is not one of tools\.part\.hosts"):
        api.get(written.format(server.port))

    assert (server.seen, bench.asked) == ([], [])


@pytest.mark.parametrize("written", UNREADABLE)
def test_what_could_be_read_in_two_ways_is_not_read(api, bench, server, written):
    with pytest.raises(ValueError, match=r"URL|server"):
        api.get(written.format(server.port))

    assert (server.seen, bench.asked) == ([], [])


SIGNS = st.text(st.sampled_from("htps:/@.#?%[]\\\\aAeé。-_0x7f1\t\r\n "), max_size=30)


@given(SIGNS | st.builds("http://api.example{}".format, SIGNS) | st.builds("https://{}api.example".format, SIGNS))
def test_what_is_read_is_what_httpx_reads(text):
    """So no text means one server to the list and another to the connection."""
    reach = Reach.of(HttpTool(kind="http", hosts=["api.example"], insecure=True))
    try:
        place = reach.place(text)
    except ValueError:
        return
    url = httpx.URL(str(place))

    assert (url.scheme, url.raw_host.decode(), url.userinfo) == (place.scheme, place.host.strip("[]"), b"")
    assert (url.port or PORTS[url.scheme]) == place.port


@pytest.mark.parametrize("written", [7, None, b"http://api.example/"])
def test_a_url_is_text(api, written):
    with pytest.raises(TypeError, match="a URL is text"):
        api.get(written)


def test_a_path_needs_exactly_one_server(bench, server):
    with pytest.raises(ValueError, match="several servers"):
        reach(bench, server, more="hosts: [a.example, b.example]").get("/today")


def test_plain_http_must_be_allowed(bench, server):
    bench.addresses["api.example"] = ["127.0.0.1"]
    with pytest.raises(NotGranted, match="insecure: true allows http"):
        bench.tool(f"kind: http, hosts: ['api.example:{server.port}'], private: true").get(url(server))

    assert not server.seen


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::",
     "fe80::1", "fe80::1%eth0", "fec0::1",
     "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
     "2001:0:4136:e378:8000:63bf:80ff:fffe", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"],
)  # fmt: skip
def test_an_address_of_a_private_network_must_be_allowed(bench, server, address):
    bench.addresses["api.example"] = [address]
    api = bench.tool(f"kind: http, hosts: ['api.example:{server.port}'], insecure: true")
    with pytest.raises(NotGranted, match="on a private network or on this machine; private: true") as caught:
        api.get("/")

    assert address not in str(caught.value)
    assert not server.seen


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_open_network_is_fine_in_every_form(address):
    assert is_public(address)


def test_an_address_on_the_list_is_judged_like_one_behind_a_name(bench, server):
    with pytest.raises(NotGranted, match="private: true"):
        bench.tool(f"kind: http, hosts: ['127.0.0.1:{server.port}'], insecure: true").get("/")
    api = bench.tool(f"kind: http, hosts: ['127.0.0.1:{server.port}'], insecure: true, private: true")

    assert api.get("/")["status"] == 404
    assert not bench.asked


def test_a_name_that_changes_between_two_looks_does_not_get_through(bench, server):
    """The address that was judged is the one that is used: there is no second look."""
    answers = iter([["127.0.0.1"]])
    bench.ask = lambda host: next(answers)  # type: ignore[method-assign]

    assert reach(bench, server).get("/")["status"] == 404


def test_of_several_addresses_those_that_answer_are_found(bench, server):
    api = reach(bench, server)
    bench.addresses["api.example"] = ["::1", "127.0.0.1"]

    assert api.get("/")["status"] == 404


def test_a_name_that_nobody_knows_is_said(bench, server):
    api = reach(bench, server)
    del bench.addresses["api.example"]
    with pytest.raises(ToolError, match=r"api\.example:\d+: its name is not known"):
        api.get("/")


# -- redirects --------------------------------------------------------------------------------------------------------


def onward(location: str, status: int = 302):
    return lambda connection: connection.give(status=status, location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/there", "there", "?to=there", "//api.example:{}/there"])
def test_redirects_on_the_list_are_followed(api, server, status, location):
    server.answers["/"] = lambda connection: (
        connection.give(b"there")
        if "to=" in connection.path
        else onward(location.format(server.port), status)(connection)
    )
    server.answers["/there"] = lambda connection: connection.give(b"there")

    assert api.get("/")["text"] == "there"


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://evil.example/", "sends it on to evil.example, which is not on the list"),
        ("//evil.example/", "not on the list"),
        ("http://api.example:1/", "not on the list"),
        ("http://127.0.0.1:{}/", "not on the list"),
        ("http://api.example:{}@evil.example/", "to nowhere"),
        ("http://me:hush@api.example:{}/", "to nowhere"),
        ("file:///etc/passwd", "to nowhere"),
        ("http://api.example:{}\\@evil.example/", "to nowhere"),
    ],
)
def test_no_redirect_leaves_the_list(api, bench, server, location, why):
    bench.addresses["evil.example"] = ["127.0.0.1"]
    server.answers["/"] = onward(location.format(server.port))
    with pytest.raises(ToolError, match=why) as caught:
        api.get("/")

    assert "hush" not in str(caught.value)
    assert len(server.seen) == 1


def test_a_name_that_changes_between_two_hops_does_not_get_through(server):
    """Each hop is judged by the address that it connects to."""
    looks = iter([["127.0.0.1"], ["127.0.0.2"]])
    wire = Wire(
        resolve=lambda host, seconds: next(looks),
        admit=lambda address: address == "127.0.0.1",
        now=SystemClock().monotonic,
        tls=lambda: trust(None),
    )
    settings = HttpTool(kind="http", hosts=[f"api.example:{server.port}"], insecure=True)
    server.answers["/"] = onward("/")
    with pytest.raises(NotGranted, match="on a private network"):
        Http("part", settings, wire).operations["get"]("/", seconds=10.0)

    assert len(server.seen) == 1


def test_what_a_task_sends_along_stays_with_the_server_that_it_named(bench, server):
    bench.addresses |= {"api.example": ["127.0.0.1"], "cdn.example": ["127.0.0.1"]}
    hosts = f"hosts: ['api.example:{server.port}', 'cdn.example:{server.port}']"
    api = reach(bench, server, more=f"{hosts}, headers: {{x-station: pi}}")
    server.answers["/"] = onward("/here")
    server.answers["/here"] = onward(url(server, "/there", "cdn.example"))
    api.get(url(server), headers={"Authorization": "mine"})

    assert [seen.headers["authorization"] for seen in server.seen] == ["mine", "mine", None]
    assert [seen.headers["x-station"] for seen in server.seen] == ["pi"] * 3


def test_redirects_in_circles_end(api, server):
    server.answers["/"] = onward("/")
    with pytest.raises(ToolError, match="more than 5 times"):
        api.get("/")

    assert len(server.seen) == 6


def test_what_changes_something_is_not_sent_on(bench, server):
    server.answers["/"] = onward("/there", 307)
    answer = reach(bench, server, more="methods: [POST]").post("/", {"a": 1})

    assert (answer["status"], answer["headers"]["location"]) == (307, "/there")
    assert len(server.seen) == 1


# -- time and size ----------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
SHORT = "timeout: 200ms"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"", b"H"),
        (HEAD + b"content-length: 100000\r\n\r\n", b"."),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"content-length: 100000\r\n\r\n", b""),
    ],
    ids=["headers", "status", "body", "chunks", "continues", "silence"],
)
def test_a_server_that_drips_is_left_in_time(bench, server, head, drop):
    server.answers["/"] = lambda connection: server.drip(connection, head, drop)
    with pytest.raises(ToolError, match=r"no whole answer within 0\.2 s"):
        reach(bench, server, more=SHORT).get("/")


def test_the_run_s_own_time_counts_as_well(bench, server):
    server.answers["/"] = lambda connection: server.drip(connection, HEAD, b"")
    with pytest.raises(ToolError, match=r"within 0\.1 s"):
        reach(bench, server, left=0.1).get("/")


def test_redirects_share_one_time(bench, server):
    def slow(connection: Connection) -> None:
        server.stopping.wait(0.08)
        onward("/")(connection)

    server.answers["/"] = slow
    with pytest.raises(ToolError, match=r"within 0\.2 s"):
        reach(bench, server, more=SHORT).get("/")


def test_a_server_that_never_begins_tls_is_left_in_time(bench):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bench.addresses["api.example"] = ["127.0.0.1"]
        port = silent.getsockname()[1]
        api = bench.tool(f"kind: http, hosts: ['api.example:{port}'], private: true, {SHORT}")
        with pytest.raises(ToolError, match=r"no whole answer within 0\.2 s"):
            api.get("/")


def test_a_server_that_is_not_there_is_said(bench, server):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ToolError, match="no connection: Connection refused"):
        reach(bench, server, more=f"hosts: ['api.example:{port}']").get("/")


def flood(connection: Connection) -> None:
    connection.wfile.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(10_000):
        connection.wfile.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")


BOMB = gzip.compress(b"\0" * 50_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: connection.give(b"x" * 10_001),
        flood,
        lambda connection: connection.give(BOMB, content_encoding="gzip"),
        lambda connection: connection.give(gzip.compress(b"x" * 10_001), content_encoding="x-gzip"),
    ],
    ids=["length", "flood", "bomb", "packed"],
)
def test_an_answer_has_an_end(bench, server, answer):
    server.answers["/"] = answer
    with pytest.raises(LimitExceeded, match="the answer has more than 10KB"):
        reach(bench, server, more="response: 10KB").get("/")


def test_a_bomb_is_never_unpacked_as_a_whole(bench, server):
    server.answers["/"] = lambda connection: connection.give(BOMB, content_encoding="gzip")
    api = reach(bench, server, more="response: 10KB")
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded):
            api.get("/")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


def test_an_answer_as_large_as_allowed_is_fine(bench, server):
    server.answers["/"] = lambda connection: connection.give(gzip.compress(b"x" * 10_000), content_encoding="gzip")

    assert len(reach(bench, server, more="response: 10KB").get("/")["text"]) == 10_000


@pytest.mark.parametrize(
    "arguments", [{"json": "x" * 1000}, {"query": {"a": "x" * 1000}}, {"headers": {"a": "x" * 1000}}]
)
def test_a_request_has_an_end(bench, server, arguments):
    with pytest.raises(LimitExceeded, match=r"the request has 1\d\d\d bytes, 1KB are allowed"):
        reach(bench, server, more="methods: [POST], request: 1KB").post("/", **arguments)

    assert not server.seen


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda connection: connection.give(b"{", content_type="application/json"), "says that it is JSON, and is not"),
        (lambda connection: connection.give(b"[" * 5000, content_type="application/json"), "and is not"),
        (lambda connection: connection.give(b"no gzip", content_encoding="gzip"), "does not speak HTTP"),
        (lambda connection: connection.give(gzip.compress(b"abc" * 99)[:-20], content_encoding="gzip"), "breaks off"),
        (lambda connection: connection.give(b"abc", content_encoding="br"), "packed in a way"),
        (lambda connection: connection.wfile.write(b"SSH-2.0-OpenSSH\r\n"), "does not speak HTTP"),
        (lambda connection: connection.wfile.write(HEAD + b"x: " + b"y" * 300_000), "does not speak HTTP"),
    ],
)  # fmt: skip
def test_a_server_at_fault_is_an_error_that_says_so(api, bench, server, answer, why):
    def once(connection: Connection) -> None:
        connection.close_connection = True
        answer(connection)

    server.answers["/"] = once
    with pytest.raises(ToolError, match=why):
        api.get("/")

    assert bench.counts() == {"error": 1}


def test_an_answer_that_breaks_off_is_no_answer(api, server):
    def torn(connection: Connection) -> None:
        connection.close_connection = True
        connection.give(b"half", content_length="8")

    server.answers["/"] = torn
    with pytest.raises(ToolError):
        api.get("/")


def test_no_error_says_what_was_sent(bench, server):
    server.answers["/"] = lambda connection: connection.wfile.write(b"bad\r\n\r\n")
    api = reach(bench, server, more="headers: {authorization: Bearer hush}, timeout: 300ms")
    with pytest.raises(ToolError) as caught:
        api.get("/", {"key": "hush"}, headers={"x": "hush"})

    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"


# -- TLS --------------------------------------------------------------------------------------------------------------


def secured(bench: Bench, server: Server, keys: Path, ca: str = "ca", host: str = "api.example") -> GrantedTool:
    server.secure(keys, "api.example")
    bench.addresses[host] = ["127.0.0.1"]
    return bench.tool(f"kind: http, hosts: ['{host}:{server.port}'], private: true, ca: {keys}/{ca}.pem")


def test_a_certificate_of_the_authority_for_the_name_is_trusted(bench, other, keys):
    other.answers["/"] = lambda connection: connection.give(json.dumps({"a": 1}).encode(), content_type="a/b+json")

    assert secured(bench, other, keys).get("/")["json"] == {"a": 1}
    assert other.seen[0].headers["host"] == f"api.example:{other.port}"


def test_a_certificate_of_somebody_else_is_not(bench, other, keys):
    with pytest.raises(ToolError, match="its certificate is not trusted"):
        secured(bench, other, keys, ca="stranger").get("/")

    assert not other.seen


def test_a_certificate_for_another_name_is_not(bench, other, keys):
    with pytest.raises(ToolError, match="its certificate is not trusted: Hostname mismatch"):
        secured(bench, other, keys, host="other.example").get("/")

    assert not other.seen


def test_no_redirect_leads_from_https_to_http(bench, server, other, keys):
    other.secure(keys, "api.example")
    other.answers["/"] = onward(url(server))
    bench.addresses["api.example"] = ["127.0.0.1"]
    hosts = f"hosts: ['api.example:{other.port}', 'api.example:{server.port}']"
    api = bench.tool(f"kind: http, {hosts}, private: true, insecure: true, ca: {keys}/ca.pem")
    with pytest.raises(ToolError, match="from https to http"):
        api.get(f"https://api.example:{other.port}/")

    assert not server.seen


def test_it_is_never_safe_by_default(api, bench):
    assert bench.last.safe_by_default is False


# -- names ------------------------------------------------------------------------------------------------------------


def test_a_name_server_that_is_silent_costs_one_thread_and_no_more_than_the_time():
    free, spawned = threading.Event(), []

    def ask(host: str) -> list[str]:
        free.wait(30)
        return ["192.0.2.1"]

    def spawn(name: str, body) -> None:
        spawned.append(threading.Thread(target=body, name=name))
        spawned[-1].start()

    resolve = Resolver(spawn, ask)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="does not answer"):
            resolve("api.example", 0.01)
    for number in range(7):
        with pytest.raises(TimeoutError, match="does not answer"):
            resolve(f"{number}.example", 0.0)
    with pytest.raises(TimeoutError, match="8 names are being looked up"):
        resolve("one-more.example", 10.0)
    free.set()
    for thread in spawned:
        thread.join(10)

    assert len(spawned) == 8
    assert resolve("one-more.example", 10.0) == ["192.0.2.1"]


def test_a_machine_without_room_for_a_thread_says_so_and_asks_again_later():
    def refuse(name: str, body) -> None:
        raise RuntimeError("can't start new thread")

    resolve = Resolver(refuse, lambda host: ["192.0.2.1"])
    for _ in range(20):
        with pytest.raises(ConnectionError, match="can't start new thread"):
            resolve("api.example", 1.0)
