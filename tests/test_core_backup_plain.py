"""Words put into a plain dump before its first data."""

import pytest

from sluice.core.backup.plain import between

DUMP = b"create table a ();\n--\n-- Data for Name: a; Type: TABLE DATA\n--\ncopy a from stdin;\n1\n-- Data for Name: no\n\\.\n"
VIEW = b"create table a ();\n-- Name: v; Type: MATERIALIZED VIEW DATA; Schema: public\nrefresh v;\n"


@pytest.mark.parametrize("size", [1, 2, 7, 30, 1000])
@pytest.mark.parametrize(("text", "mark"), [(DUMP, b"-- Data for Name: a;"), (VIEW, b"-- Name: v;")])
def test_between(text: bytes, mark: bytes, size: int):
    """Whatever the chunks, the words come once, as a line before the first data, and nothing is lost."""
    said = b"".join(between([text[at : at + size] for at in range(0, len(text), size)], b"WORDS"))
    assert said == b"\n" + text.replace(mark, b"WORDS\n" + mark, 1)


@pytest.mark.parametrize("chunks", [[], [b"create table a ();\n"], [b"no line end"]])
def test_no_data(chunks: list[bytes]):
    """A dump without data gets the words at its end."""
    assert b"".join(between(chunks, b"WORDS")) == b"\n" + b"".join(chunks) + b"\nWORDS\n"
