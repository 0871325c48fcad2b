"""Webhooks: telling people. A message that does not arrive is a warning, never the end of a release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sluice.core.errors import SluiceError
from sluice.core.notice import payload
from sluice.core.settings.body import filled

if TYPE_CHECKING:
    from sluice.core.journal import Source

TIMEOUT = 5.0  # seconds a try
TRIES = 2


def post(
    kind: str, url: str, text: str, fields: Mapping[str, str] | None = None, *, token: str | None = None, body: str | None = None
) -> str:
    """Post one message, `kind` slack, discord or json; return a warning, or nothing when it has arrived.

    `url` is a reference to a secret (`env:NAME`, `file:/path`): whoever has the URL can post; `token` one that is sent along. `body` is
    what a team posts (core.settings.body).
    """
    import httpx

    from sluice.systems.secret import resolve

    try:
        made = filled(body, {**(fields or {}), "text": text}) if body else payload(kind, text, fields or {})
        address = resolve(url).reveal()
        headers = {"Authorization": f"Bearer {resolve(token).reveal()}"} if token else {}
    except (SluiceError, ValueError) as error:
        return f"{kind} webhook not told: {error}"
    why = ""
    for _ in range(TRIES):
        try:
            why = _sent(httpx.post(address, json=made, headers=headers, timeout=TIMEOUT))
        # In httpx's own words the URL could be repeated, so only the kind of error is told; a token may be no header at all.
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why = type(error).__name__
        if not why:
            return ""
    return f"{kind} webhook not told, {TRIES} tries: {why}"


def tell(
    hooks: Iterable[Mapping[str, Any]], text: str, fields: Mapping[str, str] | None = None, *, source: Source | None = None
) -> list[str]:
    """Tell everybody one thing (core.settings.people.Webhook), all at once; return the warnings.

    `source` is the journal of the update that this is about: figures are pushed from there, and nowhere without it.
    """
    targets = list(hooks)
    if not targets:
        return []
    with ThreadPoolExecutor(len(targets)) as pool:
        warnings = pool.map(lambda hook: _told(hook, text, fields or {}, source), targets)
    return [warning for warning in warnings if warning]


def _told(hook: Mapping[str, Any], text: str, fields: Mapping[str, str], source: Source | None) -> str:
    if hook["kind"] == "email":
        from sluice.systems import mail

        return mail.send(hook, text, fields)
    if hook["kind"] == "pushgateway":
        from sluice.systems import pushgateway

        return pushgateway.push(hook, source, fields.get("release", "")) if source else ""
    return post(hook["kind"], hook["url"], text, fields, token=hook.get("token"), body=hook.get("body"))


def reach(hooks: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return each webhook by its kind and where its URL is, and why it could not be told from here ("" where it could be)."""
    return [(f"{hook['kind']}, {hook['url']}", _lacking(hook["url"])) for hook in hooks]


def _lacking(url: str) -> str:
    from sluice.systems.secret import resolve

    try:
        resolve(url)
    except (SluiceError, ValueError) as error:
        return str(error)
    return ""


def _sent(response: Any) -> str:
    return "" if response.is_success else f"status {response.status_code}"
