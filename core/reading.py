"""What a live system answered: a number (or word), nothing, or it could not be asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Number:
    """An answer. `samples` is how many observations are behind it, `evidence` what people want to see beside it."""

    value: float | str
    samples: int | None = None
    evidence: str = ""


@dataclass(frozen=True)
class NoData:
    """The system answered, and has nothing to say; `why` in a few words."""

    why: str


@dataclass(frozen=True)
class Unasked:
    """The system could not be asked; `why` in a few words, without secrets."""

    why: str


Reading = Number | NoData | Unasked
