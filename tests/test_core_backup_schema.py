"""Texts of schemas."""

import pytest

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


TABLE = """-- Name: orders; Type: TABLE; Schema: public; Owner: -
CREATE TABLE public.orders (
    id integer NOT NULL,
    note text DEFAULT 'hunter2'
);
-- Name: call(); Type: FUNCTION; Schema: public; Owner: -
CREATE FUNCTION public.call() RETURNS text AS $$select 'hunter2'$$;
"""


def test_difference():
    """A difference is told by the names of objects and columns, never by their texts, and no more than a dozen."""
    names = ("backup", "copy")
    changed = TABLE.replace("hunter2", "hunter3").replace(
        ");\n", ");\n-- Name: s; Type: SCHEMA; Schema: -; Owner: -\nCREATE SCHEMA s;\n", 1
    )
    said = difference(TABLE, changed, names=names)
    assert said == ["function public.call(): another one", "schema s: not in the backup", "table public.orders: another one, in note"]
    assert difference(changed, TABLE, names=names)[1] == "schema s: not in the copy"
    many = difference("", "\n".join(f"-- Name: s{n}; Type: SCHEMA; Schema: -; Owner: -" for n in range(100)), names=names)
    assert (len(many), many[-1]) == (13, "... 88 more")
    assert difference(TABLE, TABLE, names=names) == []


def test_a_check_that_was_read_back():
    """A check of a varchar against a list is written otherwise by the server once it was restored: it is the same one."""
    written = "CHECK (((kind)::text = ANY ((ARRAY['a, ''b'''::character varying, 'c'::character varying(9)])::text[])))"
    restored = "CHECK (((kind)::text = ANY (ARRAY[('a, ''b'''::character varying)::text, ('c'::character varying(9))::text])))"
    assert normal(written) == normal(restored)
    assert normal(written) != normal(restored.replace("'c'", "'d'"))


@pytest.mark.parametrize("kind", ["TABLE", "FOREIGN TABLE"])
def test_columns_in_another_order(kind: str):
    """A column that was dropped and added again is at the end: who asks for no order is told of nothing but other columns."""
    head, names = f"-- Name: t; Type: {kind}; Schema: s; Owner: -\nCREATE {kind} s.t (\n", ("backup", "copy")
    old, new = f"{head}    a integer,\n    b text\n);\n", f"{head}    b text,\n    a integer\n);\n"
    assert difference(old, new, names=names) == [f"{kind.lower()} s.t: another one"]
    assert difference(old, new, names=names, order=False) == []
    assert difference(old, new.replace("text", "bytea"), names=names, order=False) == [f"{kind.lower()} s.t: another one, in b"]
