"""Listings of archives."""

from sluice.core.backup.archive import refreshes, split

LIST = """;
; Archive created at 2026-11-24 16:00:00 UTC
220; 1259 16390 TABLE public orders owner
3464; 0 16390 TABLE DATA public orders owner
3465; 0 16395 TABLE DATA public MATERIALIZED VIEW DATA owner
3468; 0 16401 MATERIALIZED VIEW DATA public totals owner
"""


def test_split():
    """Computed views' contents are taken out, by what they are and not by a name; comments are of no use."""
    lines = LIST.splitlines(keepends=True)
    assert split(LIST) == ("".join(lines[2:5]), lines[5])
    assert split("".join(lines[:4])) == ("".join(lines[2:4]), "")


def test_refreshes():
    """Statements keep the quotes that pg_dump gave them, and their order."""
    script = '--\nSET x;\n\nREFRESH MATERIALIZED VIEW public."A ;b";\n\nREFRESH MATERIALIZED VIEW public.a;\n\n'
    assert refreshes(script) == ['REFRESH MATERIALIZED VIEW public."A ;b";', "REFRESH MATERIALIZED VIEW public.a;"]
    assert refreshes("") == []
