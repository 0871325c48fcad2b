"""Mail, taken by a real SMTP server."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from sluice.systems.mail import send
from tests.fixtures.front import free

HOOK = {"kind": "email", "url": "env:MAIL", "to": ["team@example.org", "ops@example.org"], "sender": "Sluice <sluice@example.org>"}
PASSWORD = "hunter:2@planted"
URL = "sluice:hunter%3A2%40planted@"
Serve = Callable[..., "Box"]


class Box:
    """What the server has taken."""

    def __init__(self) -> None:
        self.mails: list[tuple[Session, Envelope]] = []
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address.startswith("gone"):
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.mails.append((session, envelope))
        return "250 OK"

    def read(self) -> EmailMessage:
        """Return the only one, as a reader has it."""
        ((_, envelope),) = self.mails
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a server."""
    running: list[Controller] = []

    def start(**options: Any) -> Box:
        box = Box()
        box.port = free()
        controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
        controller.start()
        running.append(controller)
        return box

    yield start
    for one in running:
        one.stop()


def known(server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"sluice", PASSWORD.encode()), handled=False)


def test_send(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """A mail goes to all who are named: its text begins the subject, all fields are below, and no machine answers it."""
    box = serve()
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{box.port}")
    assert send(HOOK, "1.2 is proven", {"release": "1.2-a", "by": "Jürgen"}) == ""
    (_, envelope), mail = box.mails[0], box.read()
    assert (envelope.mail_from, envelope.rcpt_tos) == ("sluice@example.org", ["team@example.org", "ops@example.org"])
    assert (mail["subject"], mail["to"], mail["auto-submitted"]) == ("1.2 is proven", ", ".join(HOOK["to"]), "auto-generated")
    assert mail.get_content().splitlines() == ["1.2 is proven", "", "release: 1.2-a", "by: Jürgen"]


def test_lines(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """A text of several lines makes no header, and a long one no long subject."""
    box = serve()
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{box.port}")
    assert send(HOOK, "it failed\r\nBcc: all@example.org\n" + "x" * 200, {}) == ""
    assert (box.read()["bcc"], len(box.read()["subject"])) == (None, 120)
    assert box.read()["subject"].startswith("it failed Bcc: all@example.org xxx")


def test_login(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """A user logs in on this machine without TLS; with another password the warning has the server's number, and no password."""
    box = serve(authenticator=known, auth_required=True, auth_require_tls=False)
    monkeypatch.setenv("MAIL", f"smtp://{URL}127.0.0.1:{box.port}")
    assert send(HOOK, "hello", {}) == ""
    monkeypatch.setenv("MAIL", f"smtp://sluice:planted@127.0.0.1:{box.port}")
    assert send(HOOK, "hello", {}) == "email not told: status 535"
    assert len(box.mails) == 1


def test_in_clear(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """Where others may listen, no password is sent without TLS."""
    box = serve(authenticator=known, auth_require_tls=False)
    monkeypatch.setenv("MAIL", f"smtp://{URL}0.0.0.0:{box.port}")
    why = "the server offers no TLS, and the password would be sent in clear: use smtps://, or one that does"
    assert send(HOOK, "hello", {}) == f"email not told: {why}"
    assert box.mails == []


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate for this machine that nobody has signed, and a server's side of it."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*words, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_tls(serve: Serve, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch):
    """A server that offers TLS is spoken to in it, and has to prove who it is: a stranger gets neither mail nor password."""
    cert, context = certificate
    box = serve(tls_context=context, authenticator=known, auth_required=True)
    monkeypatch.setenv("MAIL", f"smtp://{URL}127.0.0.1:{box.port}")
    assert send(HOOK, "hello", {}) == "email not told: SSLCertVerificationError"
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    assert send(HOOK, "hello", {}) == ""
    ((session, _),) = box.mails
    assert (session.ssl is not None, session.authenticated) == (True, True)


def test_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """Whom the server does not know is named; the others have their mail."""
    box = serve()
    monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{box.port}")
    assert (
        send({**HOOK, "to": ["gone@example.org", "ops@example.org"]}, "hello", {}) == "email not told: the server refuses gone@example.org"
    )
    assert box.mails[0][1].rcpt_tos == ["ops@example.org"]
    assert send({**HOOK, "to": ["gone@example.org"]}, "hello", {}) == "email not told: the server refuses gone@example.org"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://planted.example.org", "its address is no mail server: write smtp://host:587 or smtps://host:465, with "),
        ("smtp://user:planted@[", "ValueError"),
        ("smtp://127.0.0.1:{port}", "ConnectionRefusedError"),
    ],
)
def test_nobody(address: str, why: str, monkeypatch: pytest.MonkeyPatch):
    """What is no mail server, and one that is not there, is a warning without the address."""
    monkeypatch.setenv("MAIL", address.format(port=free()))
    warning = send(HOOK, "hello", {})
    assert warning.startswith(f"email not told: {why}")
    assert "planted" not in warning


def test_no_secret(monkeypatch: pytest.MonkeyPatch):
    """A reference to nothing is a warning that names the reference."""
    monkeypatch.delenv("MAIL", raising=False)
    assert send(HOOK, "hello", {}).startswith("email not told: the secret 'env:MAIL' is not set")
