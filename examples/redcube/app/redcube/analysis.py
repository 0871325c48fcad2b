"""Scoring a text: how readable, how positive, how close to what others have told."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

GOOD = frozenset(["clear", "friendly", "good", "great", "helpful", "kind", "learned", "offer", "pleasant", "smooth", "well"])
BAD = frozenset(["bad", "cold", "confusing", "failed", "hard", "late", "long", "rejected", "rude", "slow", "unfair", "vague"])


def scores(text: str, others: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scores of a text, each from 0 to 1, and the three experiences most like it."""
    words = tokens(text)
    near = sorted(((cosine(words, tokens(other["summary"])), other["id"]) for other in others), reverse=True)
    return {
        "words": words.total(),
        "readability": readability(text, words),
        "sentiment": sentiment(words),
        "relevance": near[0][0] if near else 0.0,
        "similar": [number for _, number in near[:3]],
    }


def tokens(text: str) -> Counter[str]:
    """Count the words."""
    return Counter(re.findall(r"[a-z']+", text.lower()))


def readability(text: str, words: Counter[str]) -> float:
    """Return 1 for short words in short sentences, towards 0 for long ones."""
    sentences = max(1, len(re.findall(r"[.!?]+", text)))
    length = sum(len(word) * count for word, count in words.items()) / max(1, words.total())
    return round(1 / (1 + math.exp(0.1 * words.total() / sentences + 0.5 * length - 5)), 3)


def sentiment(words: Counter[str]) -> float:
    """Return 1 for good words only, 0 for bad ones only, 0.5 for as many of both."""
    good, bad = (sum(words[word] for word in kind) for kind in (GOOD, BAD))
    return round((1 + good) / (2 + good + bad), 3)


def cosine(one: Counter[str], other: Counter[str]) -> float:
    """Return how alike two texts are by their words."""
    dot = sum(count * other[word] for word, count in one.items())
    size = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return round(dot / size, 3) if size else 0.0
