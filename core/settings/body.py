"""What a notice posts as JSON: a team's own shape, with the notice's words in it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

WORDS = ("text", "release", "stack", "state", "moment", "next")
WORD = re.compile(r"\$\{(\w*)\}")


def unfit(body: str) -> str:
    """Return what is wrong with a body, "" when nothing is."""
    try:
        json.loads(body)
    except ValueError as error:
        return f"is no JSON ({error})"
    strange = sorted({f"'${{{name}}}'" for name in WORD.findall(body) if name not in WORDS})
    return f"has {', '.join(strange)}: known are {', '.join(WORDS)}" if strange else ""


def filled(body: str, words: Mapping[str, str]) -> Any:
    """Return a body with the words of a notice in its texts; one that a notice does not have is empty."""
    return _filled(json.loads(body), words)


def _filled(data: Any, words: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return WORD.sub(lambda found: words.get(found[1], ""), data)
    if isinstance(data, Mapping):
        return {name: _filled(value, words) for name, value in data.items()}
    return [_filled(one, words) for one in data] if isinstance(data, list) else data
