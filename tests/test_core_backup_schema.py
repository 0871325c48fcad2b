"""Texts of schemas."""

from sluice.core.backup.schema import difference, digest, normal

OLD = """--
-- PostgreSQL database dump
--

\\restrict p4kQ

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

CREATE TABLE public.a (id integer);

--
-- Name: USER MAPPING owner SERVER far; Type: USER MAPPING; Schema: -; Owner: owner
--

CREATE USER MAPPING FOR owner SERVER far OPTIONS (
    password 'se;cr''et
CREATE TABLE x'
);


\\unrestrict p4kQ
"""


def test_normal():
    """What differs from dump to dump, and every password, is left out; everything else stays."""
    assert normal(OLD) == "-- PostgreSQL database dump\nCREATE TABLE public.a (id integer);\n"


def test_digest():
    """Two dumps of one schema have one digest, whatever the noise."""
    again = OLD.replace("p4kQ", "other").replace("18.6", "18.7")
    assert digest(normal(OLD)) == digest(normal(again)) != digest(normal(OLD.replace("integer", "bigint")))


def test_difference():
    """A difference is shown as the lines that differ, and no more than a dozen."""
    assert difference("a\nb\nc\n", "a\nx\nc\n", names=("backup", "copy")) == [
        "--- backup",
        "+++ copy",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+x",
        " c",
    ]
    many = difference("", "\n".join(str(n) for n in range(100)), names=("backup", "copy"))
    assert (len(many), many[-1]) == (13, "... 91 more lines")
    assert difference("a", "a", names=("backup", "copy")) == []
