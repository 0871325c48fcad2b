"""A secret is a type: it does not print, compare by luck, or travel; and whatever text it got into can be cleaned of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from hmac import compare_digest
from typing import NoReturn
from urllib.parse import quote, quote_plus

MASK = "***"
# An environment variable's name, or an absolute path.
SHAPE = r"env:(?P<variable>[A-Za-z_][A-Za-z0-9_]*)|file:(?P<path>/[^\0\n]+)"
# A password in an address, as drivers write one into their errors.
PASSWORD = re.compile(r"(?<=://)([^/\s:@\"]*):([^\s@\"]+)@")
# A line of a secret this long is one by itself; a shorter one ('}', '-----') would black out text that says nothing.
LINE = 8


class Secret:
    """A text that only `reveal` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call it as late as possible."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: pass its reference ('env:NAME' or 'file:/path') and resolve it where it is used")


def named(reference: str) -> tuple[str, str] | None:
    """Return where a reference points, ('env', name) or ('file', path); None when it is none."""
    found = re.fullmatch(SHAPE, reference)
    if not found:
        return None
    return ("env", found["variable"]) if found["variable"] else ("file", found["path"])


def redact(text: str, secrets: Iterable[Secret | str]) -> str:
    """Return a text without the secrets, plain or as URLs, JSON and shells write them."""
    known = {form for secret in secrets for form in _forms(secret.reveal() if isinstance(secret, Secret) else secret)}
    # The longest go first, as one may hold another; one pass, so that no mask is masked again.
    shapes = [re.escape(form) for form in sorted(known, key=len, reverse=True)]
    return re.sub("|".join(shapes), MASK, text) if shapes else text


def unlocked(text: str) -> str:
    """Return a text without the passwords of its addresses."""
    return PASSWORD.sub(rf"\1:{MASK}@", text)


def _forms(secret: str) -> Iterator[str]:
    lines = [line for line in secret.splitlines() if len(line) >= LINE] if "\n" in secret.strip() else []
    for part in filter(None, (secret, secret.strip(), *lines)):
        yield from (part, quote(part), quote(part, safe=""), quote_plus(part))
        yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], part.replace("'", "'\"'\"'"))
