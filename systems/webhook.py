"""Webhooks: telling people. A message that does not arrive is a warning, never the end of a release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sluice.core.errors import SluiceError
from sluice.core.notice import payload

TIMEOUT = 5.0  # seconds a try
TRIES = 2


def post(kind: str, url: str, text: str, fields: Mapping[str, str] | None = None) -> str:
    """Post one message, `kind` slack or discord; return a warning, or nothing when it has arrived.

    `url` is a reference to a secret (`env:NAME`, `file:/path`): whoever has the URL can post.
    """
    import httpx

    from sluice.systems.secret import resolve

    try:
        body = payload(kind, text, fields or {})
        address = resolve(url).reveal()
    except (SluiceError, ValueError) as error:
        return f"{kind} webhook not told: {error}"
    why = ""
    for _ in range(TRIES):
        try:
            why = _sent(httpx.post(address, json=body, timeout=TIMEOUT))
        # In httpx's own words the URL could be repeated, so only the kind of error is told.
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = type(error).__name__
        if not why:
            return ""
    return f"{kind} webhook not told, {TRIES} tries: {why}"


def tell(hooks: Iterable[Mapping[str, Any]], text: str, fields: Mapping[str, str] | None = None) -> list[str]:
    """Post one message to every webhook (`kind` and `url` each), all at once; return the warnings."""
    targets = list(hooks)
    if not targets:
        return []
    with ThreadPoolExecutor(len(targets)) as pool:
        warnings = pool.map(lambda hook: post(hook["kind"], hook["url"], text, fields), targets)
    return [warning for warning in warnings if warning]


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
