"""What is wrong with each version, on purpose and all in one place. Every version that is not named here is sound.

    1.2.0   metadata-enrichment ends at its start
    1.3.0   dlq-manager is never healthy
    1.4.0   api-gateway-internal finds no track, and says so with 200: only the smoke tests see it
    1.5.0   each tenth enrichment takes FAULT_SLOW_SECONDS (6) longer
    1.6.0   tracks whose title is in two parts, as "Strobe (Club Edit)", reach Gold with artist and title exchanged
    1.7.0   nothing; its migration 0007_length breaks on any track that Gold holds

The smoke tests enrich one track whose title has one part, so 1.5.0 and 1.6.0 reach real traffic every time.
"""

from __future__ import annotations

import itertools
import time

from songnodes.setting import VERSION, number

ENDS, ILL, EMPTY, SLOW, WRONG = (bad == VERSION for bad in ("1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0"))
SECONDS = number("FAULT_SLOW_SECONDS", 6)
TENTH = 10

requests = itertools.count(1)


def start() -> None:
    """End, where the version does."""
    if ENDS:
        raise SystemExit("the waterfall's configuration cannot be read: unknown key 'priorities'")


def wait() -> None:
    """Take longer, where the version does."""
    if SLOW and next(requests) % TENTH == 0:
        time.sleep(SECONDS)


def told(artist: str, title: str) -> tuple[str, str]:
    """Return artist and title as this version writes them to Gold."""
    return (title, artist) if WRONG and "(" in title else (artist, title)
