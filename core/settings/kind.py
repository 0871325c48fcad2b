"""The kinds of values that settings take, each with the sentence for one that does not fit.

A sentence goes on after the value (`'x' is not ...`) and does not repeat it: whether a value may be shown, its path decides.
Patterns are compiled when first used: every preview imports this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

from sluice.core import secret
from sluice.core.settings import duration, share, size

Read = Callable[[Any], Any]
WHOLE = "is not a whole number"


@dataclass(frozen=True)
class Takes:
    """What the documentation says that a key takes, and how a default of it is written."""

    what: str
    show: Callable[[Any], str] = str


def _word(pattern: str, sentence: str) -> Read:
    def read(given: Any) -> str:
        if isinstance(given, float):
            raise ValueError("is a number, and 1.10 would be 1.1: put it in quotes")
        # `pulumi config set --path` writes 7 as a number.
        text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
        if not isinstance(text, str) or not re.fullmatch(pattern, text):
            raise ValueError(sentence)
        return text

    return read


def _whole(given: Any) -> int:
    # 10.0 is what becomes of 10 on its way through the engine.
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given // 1:
        raise ValueError(WHOLE)
    return int(given)


def _plain(given: Any) -> str:
    """`pulumi config set --path` writes 8080 as a number and true as a truth value; a variable is text all the same."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, float) or not isinstance(given, str | int):
        raise ValueError("is not text: put it in quotes")
    text = str(given)
    if "\0" in text:
        raise ValueError("has a NUL character, which no variable can hold")
    return text


# What the engine makes of a date or time without quotes: Go's way to write one.
GO = r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})(?: \S+)?"


def _moment(given: Any) -> datetime:
    sentence = "is not a time with its zone: write '2026-11-03T09:00:00+01:00'"
    found = re.fullmatch(GO, given) if isinstance(given, str) else None
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3]}" if found else given)
    except (TypeError, ValueError):
        raise ValueError(sentence) from None
    if at.tzinfo is None:
        raise ValueError(sentence)
    return at


def _day(given: Any) -> date:
    found = re.fullmatch(GO, given) if isinstance(given, str) else None
    try:
        return date.fromisoformat(found[1] if found and found[2] == "00:00:00" else given)
    except (TypeError, ValueError):
        raise ValueError("is not a date: write '2026-12-24'") from None


def _clock(given: Any) -> int:
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)|24:00", given) if isinstance(given, str) else None
    if not found:
        raise ValueError("is not a time of day: write '09:00', in quotes, up to '24:00'")
    return int(found[1]) * 60 + int(found[2]) if found[1] else 24 * 60


def time_of_day(minutes: int) -> str:
    """Write minutes since midnight the way they are configured."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _zone(given: Any) -> str:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(given).key
    # Which one it is depends on how wrong the name is.
    except (KeyError, ValueError, TypeError, AttributeError, OSError):
        raise ValueError("is not a time zone: write a name such as 'Europe/Berlin' or 'UTC'") from None


def _reference(given: Any) -> str:
    if not isinstance(given, str) or not secret.named(given):
        raise ValueError("is not a reference: in config it would be no secret; write 'env:NAME' or 'file:/path', and keep the URL there")
    return given


NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
NAMELESS = "is not a name: letters, digits, '_', '.' and '-', at most 63, a letter or digit first"

Duration = Annotated[float, BeforeValidator(duration.seconds), Takes("duration", duration.text)]
Length = Annotated[
    timedelta,
    BeforeValidator(lambda given: timedelta(seconds=duration.seconds(given))),
    Takes("duration", lambda span: duration.text(span.total_seconds())),
]
Ratio = Annotated[float, BeforeValidator(share.ratio), Takes("share", share.text)]
Size = Annotated[int, BeforeValidator(size.count), Takes("size", size.text)]
Whole = Annotated[int, BeforeValidator(_whole), Takes("whole number")]
Truth = Annotated[bool, Strict(), Takes("true or false", lambda on: str(on).lower())]
Name = Annotated[str, BeforeValidator(_word(NAME, NAMELESS)), Takes("name")]
Text = Annotated[str, BeforeValidator(_word(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*", "is not a line of text")), Takes("text")]
Plain = Annotated[str, BeforeValidator(_plain), Takes("text")]
Variable = Annotated[
    str,
    BeforeValidator(_word(r"[A-Za-z_][A-Za-z0-9_]*", "is not the name of a variable: letters, digits and '_', no digit first")),
    Takes("variable"),
]
Version = Annotated[
    str,
    BeforeValidator(
        _word(
            r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}",
            "is not a version: letters, digits, '.', '_', '+' and '-', at most 64, a letter or digit first",
        )
    ),
    Takes("version"),
]
Digest = Annotated[
    str,
    BeforeValidator(_word(r"sha256:[0-9a-f]{64}", "is not a digest: 'sha256:' and 64 digits of 0-9 and a-f")),
    Takes("digest"),
]
Revision = Annotated[
    str,
    BeforeValidator(_word(r"[A-Za-z0-9]{1,32}", "is not a revision: letters and digits, at most 32")),
    Takes("revision"),
]
Loss = Annotated[
    str,
    BeforeValidator(_word(f"{NAME}/[A-Za-z0-9]{{1,32}}", "is not a migration: write 'database/revision'")),
    Takes("migration"),
]
StackName = Annotated[
    str,
    BeforeValidator(_word(f"{NAME}/{NAME}/{NAME}", "is not the whole name of a stack: write 'organization/project/stack'")),
    Takes("stack"),
]
Header = Annotated[
    str,
    BeforeValidator(_word(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "is not the name of a header or cookie")),
    Takes("header or cookie"),
]
Time = Annotated[datetime, BeforeValidator(_moment), Takes("time with its zone")]
Day = Annotated[date, BeforeValidator(_day), Takes("date")]
Clock = Annotated[int, BeforeValidator(_clock), Takes("time of day", time_of_day)]
Zone = Annotated[str, BeforeValidator(_zone), Takes("time zone")]
Reference = Annotated[str, BeforeValidator(_reference), Takes("reference")]


def block(description: str) -> Any:
    """Return the field of a block of keys, each with a default of its own: built with what it is in, not at import for every preview."""
    return Field(default={}, validate_default=True, description=description)
