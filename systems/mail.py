"""Mail: one message by SMTP. The password never goes over a line that others can read."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from sluice.core.errors import Refused, SluiceError

TIMEOUT = 10.0  # seconds; a mail server may look up whoever calls
PORTS = {"smtp": 587, "smtps": 465}
# A subject is read in a list (RFC 5322 has 998 for a line).
SUBJECT = 120


def send(hook: Mapping[str, Any], text: str, fields: Mapping[str, str]) -> str:
    """Send one message to all in `to`, from `sender`; return a warning, or nothing when the server has taken it for everybody.

    `url` is a reference to the server's address: `smtp://user:password@host:587`, which goes over to TLS where the server offers it, or
    `smtps://...`. A user without TLS is refused, but for this very machine.
    """
    from sluice.systems.secret import resolve

    try:
        refused = _sent(urlsplit(resolve(hook["url"]).reveal()), message(hook, text, fields))
    except (SluiceError, smtplib.SMTPException, OSError, ValueError) as error:
        return f"email not told: {_why(error)}"
    return f"email not told: the server refuses {', '.join(sorted(refused))}" if refused else ""


def message(hook: Mapping[str, Any], text: str, fields: Mapping[str, str]) -> EmailMessage:
    """Build the message: its subject is the beginning of the text, in one line."""
    from email.utils import formatdate, make_msgid

    made = EmailMessage()
    line = " ".join(text.split())
    made["Subject"] = line if len(line) <= SUBJECT else line[: SUBJECT - 1] + "…"
    made["From"], made["To"] = hook["sender"], ", ".join(hook["to"])
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain=hook["sender"].rpartition("@")[2].strip("> "))
    # So that nobody's holiday answers (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n".join([text, "", *(f"{name}: {value}" for name, value in fields.items())]) + "\n")
    return made


def _sent(server: SplitResult, made: EmailMessage) -> Mapping[str, Any]:
    if server.scheme not in PORTS or not server.hostname:
        raise Refused(["its address is no mail server: write smtp://host:587 or smtps://host:465, with user:password@ where it wants them"])
    port, tls = server.port or PORTS[server.scheme], ssl.create_default_context()
    secure = server.scheme == "smtps"
    opened = (
        smtplib.SMTP_SSL(server.hostname, port, timeout=TIMEOUT, context=tls)
        if secure
        else smtplib.SMTP(server.hostname, port, timeout=TIMEOUT)
    )
    with opened as line:
        line.ehlo()
        if not secure and line.has_extn("starttls"):
            line.starttls(context=tls)
            line.ehlo()
            secure = True
        if server.username:
            if not (secure or _here(server.hostname)):
                raise Refused(["the server offers no TLS, and the password would be sent in clear: use smtps://, or one that does"])
            line.login(unquote(server.username), unquote(server.password or ""))
        return line.send_message(made)


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: Exception) -> str:
    if isinstance(error, SluiceError):
        return str(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"the server refuses {', '.join(sorted(error.recipients))}"
    # What a server or a library says in its own words may have the address in it.
    return f"status {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else type(error).__name__
