"""In place of Spotify and the others, which nobody reaches without credentials: what each of them knows of a track.

The same track has the same facts always, and all tracks of an artist have the same genre. Point SPOTIFY_URL and its like at
something else to have the gateway ask that.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
GENRES = ("progressive house", "techno", "trance", "drum and bass", "ambient")
LABELS = ("mau5trap", "Anjunabeats", "Hospital", "Drumcode", "Warp")


def find(provider: str, artist: str, title: str) -> dict[str, Any]:
    """Return what a provider knows; an artist that is called `Unknown` is known to nobody."""
    if artist == "Unknown":
        return {}
    track, person = (sha256(text.lower().encode()).digest() for text in (f"{artist}/{title}", artist))
    year = 1990 + track[0] % 35
    known: dict[str, dict[str, Any]] = {
        "spotify": {"bpm": 90 + track[1] % 90, "key": KEYS[track[2] % 12], "energy": round(track[3] / 255, 3)},
        "musicbrainz": {"isrc": f"QZ{track[4] % 10}{track[5] % 10}{year}{track[6]:05}", "release_year": year},
        "discogs": {"genre": GENRES[person[0] % 5], "label": LABELS[person[1] % 5], "release_year": year},
    }
    return known.get(provider, {})
