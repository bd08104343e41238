"""TLS: who is trusted, who is known, and what is said when either fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge.links.link import State
from tests.broker.conftest import Gateway, Listener
from tests.broker.mosquitto import Mosquitto

pytestmark = pytest.mark.broker


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    """`name.pem` and `name.key`: a certificate that signs others."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}",
            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")  # fmt: skip


def certificate(folder: Path, name: str, host: str, *, signed_by: str = "ca") -> None:
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=IP:{host}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", folder / f"{name}.key", "-out", request)  # fmt: skip
    openssl("x509", "-req", "-in", request, "-CA", folder / f"{signed_by}.pem", "-CAkey", folder / f"{signed_by}.key",
            "-CAcreateserial", "-days", 2, "-extfile", extensions, "-out", folder / f"{name}.pem")  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "server", "127.0.0.1")
    certificate(folder, "elsewhere", "10.0.0.1")
    certificate(folder, "pi", "127.0.0.1")
    return folder


def secured(start_mosquitto, keys: Path, *lines: str, server: str = "server") -> str:
    own = (f"cafile {keys}/ca.pem", f"certfile {keys}/{server}.pem", f"keyfile {keys}/{server}.key")
    broker: Mosquitto = start_mosquitto("allow_anonymous true", *own, *lines)
    return f"mqtts://127.0.0.1:{broker.port}"


def test_messages_travel_encrypted_in_both_directions(start_mosquitto, keys):
    url = secured(start_mosquitto, keys)
    gateway = Listener(url, ca=str(keys / "ca.pem"))
    speaker = Gateway(url, client_id="speaker", ca=str(keys / "ca.pem"))
    gateway.listen()
    speaker.drive(lambda: speaker.link.room)
    answers: list[int] = []
    for number in range(300):
        speaker.link.publish("plant/a", b"%d" % number * 100, done=lambda code, name: answers.append(code))
    speaker.drive(lambda: len(answers) == 300)
    gateway.drive(lambda: len(gateway.inbox) == 300)

    assert gateway.inbox[299].message.payload == b"299" * 100


def test_a_broker_that_cannot_be_trusted_is_refused_and_the_remedy_is_said(start_mosquitto, keys):
    gateway = Gateway(secured(start_mosquitto, keys), ca=str(keys / "stranger.pem"))
    gateway.drive(lambda: gateway.link.standing.state is State.REFUSED)

    assert "certificate is not trusted" in gateway.link.standing.last_error
    assert "check ca:" in gateway.link.standing.last_error


def test_a_certificate_for_another_host_is_refused(start_mosquitto, keys):
    gateway = Gateway(secured(start_mosquitto, keys, server="elsewhere"), ca=str(keys / "ca.pem"))
    gateway.drive(lambda: gateway.link.standing.state is State.REFUSED)

    assert "127.0.0.1" in gateway.link.standing.last_error


def test_a_client_certificate_opens_the_door(start_mosquitto, keys):
    url = secured(start_mosquitto, keys, "require_certificate true")
    stranger = Gateway(url, ca=str(keys / "ca.pem"))
    stranger.drive_for(0.5)
    assert stranger.link.session is None
    known = Gateway(url, ca=str(keys / "ca.pem"), cert=str(keys / "pi.pem"), key=str(keys / "pi.key"))

    known.connect()


@pytest.mark.parametrize("missing", ["ca", "cert"])
def test_a_file_that_is_not_there_is_named_with_its_setting(start_mosquitto, keys, missing):
    files = {"ca": str(keys / "ca.pem"), missing: str(keys / "nowhere.pem")}
    gateway = Gateway(secured(start_mosquitto, keys), **files)
    gateway.drive(lambda: gateway.link.standing.state is State.REFUSED)

    assert f"{missing}: {keys}/nowhere.pem" in gateway.link.standing.last_error
