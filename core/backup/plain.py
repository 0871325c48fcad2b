"""A plain dump as a stream of text: something is said in it before its first row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Where pg_dump's pre-data section ends: the first data of a table, or the first view that is computed.
DATA = re.compile(rb"\n-- (?:Data for Name: |Name: [^\n]*; Type: MATERIALIZED VIEW DATA)")


def between(chunks: Iterable[bytes], words: bytes) -> Iterator[bytes]:
    """Yield a dump's chunks with `words`, a line of its own, before its first data; at the end when it has none.

    A function body that quotes the boundary would get the words in its text, and its restore fails: the safe side.
    """
    stream, rest = iter(chunks), b"\n"
    for chunk in stream:
        rest += chunk
        if found := DATA.search(rest):
            yield from (rest[: found.start() + 1], words, b"\n", rest[found.start() + 1 :])
            yield from stream
            return
        last = rest.rfind(b"\n")
        yield rest[:last]
        rest = rest[last:]
    yield from (rest, b"\n", words, b"\n")
