"""Migration files: what is read from them, and every problem of a folder at once."""

from __future__ import annotations

import pytest

from sluice.core.errors import ConfigError
from sluice.core.migration.file import folder, parse
from sluice.core.migration.script import Backfill, Query
from sluice.core.rank import rank

FULL = """-- Keeps users of two systems together.
-- phase: contract
-- way: lossy
-- transaction: none
-- lock_timeout: 500ms
-- statement_timeout: 30min
-- precheck: no doubles: select name from users group by 1 having count(*) > 1;
-- precheck: empty: select 1 where false
-- verify: ünïcode: select 'é;' where false

-- loses: select count(*) from users

/* ü; */ create table a (b text default 'x;y'); -- a comment; with a semicolon
create function f() returns text language sql as $body$ select ';'; $body$;
;;
select 'é€', "odd;name" from a;
create function g() returns int language sql begin atomic select 1; select 2; end;
-- the end; é
"""


def problems(texts: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as found:
        folder(texts)
    return found.value.problems


def test_header():
    """Every line of the header is read, up to the first statement."""
    one = parse("0007_user_sync", FULL, "-- lock_timeout: 1s\ndrop table a")
    assert (one.id, one.name, one.phase, one.way, one.loses) == (
        "0007",
        "0007_user_sync",
        "contract",
        "lossy",
        "select count(*) from users",
    )
    script = one.forward
    assert (script.transactional, script.lock_timeout, script.statement_timeout, script.backfill) == (False, 0.5, 1800.0, None)
    doubles = Query(name="no doubles", sql="select name from users group by 1 having count(*) > 1")
    assert script.prechecks == (doubles, Query(name="empty", sql="select 1 where false"))
    assert script.verifies == (Query(name="ünïcode", sql="select 'é;' where false"),)
    assert one.back is not None
    assert (one.back.transactional, one.back.lock_timeout) == (True, 1.0)


def test_split():
    """Statements are split where PostgreSQL would: not in texts, names, comments and bodies; each has its line."""
    assert [(one.line, one.sql) for one in parse("1_a", FULL, "select 1").forward.statements] == [
        (13, "create table a (b text default 'x;y')"),
        (14, "create function f() returns text language sql as $body$ select ';'; $body$"),
        (16, "select 'é€', \"odd;name\" from a"),
        (17, "create function g() returns int language sql begin atomic select 1; select 2; end"),
    ]


def test_defaults():
    """Without a header a file is an expand in one transaction; with a down file it is reversible, without one restore-only."""
    one = parse("1_a", "select 1")
    assert (one.phase, one.way, one.back, one.forward.transactional, one.forward.lock_timeout) == (
        "expand",
        "restore-only",
        None,
        True,
        2.0,
    )
    assert parse("1_a", "select 1", "select 2").way == "reversible"


def test_digest():
    """The digest is of both texts, whatever the line ends and a byte order mark."""
    one = parse("1_a", "select 1;\nselect 2;\n", "select 3\n")
    assert one.sha256 == parse("1_a", "\ufeffselect 1;\r\nselect 2;\r\n", "select 3\r\n").sha256
    others = [parse("1_a", "select 1;\nselect 2;\n").sha256, parse("1_a", "select 1;\nselect 2; \n", "select 3\n").sha256]
    assert one.sha256 not in others
    assert parse("1_a", one.up, one.down).sha256 == one.sha256


def test_order():
    """Ids are ordered by their numbers, then letters: what a team counts with."""
    names = ["10_d", "9_c", "0007_b", "7a_x", "20251127T1200_e"]
    assert [one.name for one in folder({f"{name}.sql": "select 1" for name in names})] == [
        "0007_b",
        "7a_x",
        "9_c",
        "10_d",
        "20251127T1200_e",
    ]
    assert rank("0007") == rank("7")


def test_backfill():
    """`:batch` is the number of rows, where it is no part of a text, a comment or a cast."""
    text = "-- backfill: batch=500 pause=2s\nupdate t set a = ':batch', b = b::batch /* :batch */ where c in (select c from t limit :batch)"
    script = parse("1_a", text).forward
    assert script.backfill == Backfill(batch=500, pause=2.0)
    assert script.statements[0].sql == "update t set a = ':batch', b = b::batch /* :batch */ where c in (select c from t limit 500)"
    assert not script.transactional


def test_traits():
    """What stands alone, what may commit by itself, and what may be repeated is read from the parse tree."""
    text = """-- transaction: none
create index concurrently if not exists "I" on s.users (a);
create index concurrently on users (a);
drop index concurrently i;
drop index concurrently if exists i;
reindex table concurrently users;
vacuum users;
analyze users;
alter table p detach partition q concurrently;
refresh materialized view concurrently m;
call f();
insert into users values (1)"""
    found = [(one.alone, one.commits, one.repeatable, one.patient) for one in parse("1_a", text).forward.statements]
    yes, no = True, False
    assert found == [
        (yes, no, yes, yes),
        (yes, no, no, yes),
        (yes, no, no, yes),
        (yes, no, yes, yes),
        (yes, no, yes, yes),
        (yes, no, yes, no),
        (no, no, yes, no),
        (yes, no, no, yes),
        (no, no, yes, no),
        (no, yes, no, no),
        (no, no, no, no),
    ]
    first = parse("1_a", text).forward.statements[0]
    assert (first.table, first.index) == ('"s"."users"', "I")


def test_settings():
    """What lasts as long as its session is a setting, and so is `set_config` where nothing else is selected."""
    yes = ("set search_path = a", "set role b", "select set_config('a.b', 'c', false)", "select pg_catalog.set_config(a, b, false)")
    no = (
        "select 1",
        "select set_config('a.b', 'c', false), f()",
        "select set_config('a.b', c, false) from d",
        "select f()",
        "values (1)",
        "table a",
    )
    for texts, expected in ((yes, True), (no, False)):
        found = parse("1_a", ";\n".join(texts)).forward.statements
        assert {one.sql: one.setting for one in found} == dict.fromkeys(texts, expected)


def test_words():
    """First words fit in a line, and never have a text in them: it may be a password, or a person."""
    text = (
        "alter server app\n  options (password 'it''s; secret', until 'then');\ndo $x$ secret $x$; select 'open, "
        "and a rather long one', 1 as a_long_name_for_a_column, 2"
    )
    assert [one.words for one in parse("1_a", text).forward.statements] == [
        "alter server app options (password '…', until '…')",
        "do '…'",
        "select '…', 1 as a_long_name_for_a_column, 2",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- phse: expand\nselect 1", "line 1: unknown key 'phse', did you mean 'phase'?"),
        (
            "\n-- ticket: 4711\nselect 1",
            "line 2: unknown key 'ticket': known are phase, way, transaction, lock_timeout, "
            "statement_timeout, backfill, precheck, verify, loses",
        ),
        ("-- phase: later\nselect 1", "line 1: 'later' is none of expand, contract"),
        ("-- phase: expand\n-- phase: expand\nselect 1", "line 2: 'phase' is there twice: keep one"),
        ("-- lock_timeout: 0s\nselect 1", "line 1: 0 would wait for ever: write how long, as '2s'"),
        (
            "-- lock_timeout: soon\nselect 1",
            "line 1: 'soon' is not a duration of at most a year: write '30s', '15m', '1h30m', '500ms', '7d', or a number of seconds",
        ),
        ("-- verify: select 1\nselect 1", "line 1: 'select 1' is no '<name>: <SELECT that must have no row>'"),
        ("-- verify: a: delete from x\nselect 1", "line 1: 'delete from x' is not one SELECT"),
        ("-- verify: a: select 1; select 2\nselect 1", "line 1: 'select 1; select 2' is not one SELECT"),
        ("-- backfill: rows=5\nupdate a set b = 1", "line 1: 'rows=5' is not of the form 'batch=1000 pause=50ms'"),
        ("-- backfill: batch=0\nupdate a set b = 1 where c in (select c from a limit 1)", "line 1: batch '0' is no number of rows"),
        ("select 1;\n-- phase: contract\n", "line 2: 'phase' stands below the first statement, where it is not read: move it to the top"),
        ("-- nothing", "line 1: has no statement"),
        ("select 1;\n\tselct 2", 'line 2: column 2: syntax error at or near "selct"\n    \tselct 2\n    \t^'),
        ("select 'é', 'a", "line 1: column 13: unterminated quoted string at or near \"'a\"\n    select 'é', 'a\n                ^"),
        ("select 1;\n\\i more.sql", "line 2: a command of psql: only SQL runs here, so write what it would include"),
        ("begin;\nselect 1", "line 1: 'begin' opens or ends a transaction: each file has its own, so take this out"),
        (
            "set local lock_timeout = 0",
            "line 1: 'set local lock_timeout = 0' sets lock_timeout: write '-- lock_timeout: 2s' at the top "
            "instead, which also holds for retries",
        ),
        (
            "select set_config('a.b', 'c', false), set_config('lock_timeout', '0', false)",
            "line 1: 'select set_config('…', '…', false), set_config('…', '…', fa…' sets lock_timeout: write "
            "'-- lock_timeout: 2s' at the top instead, which also holds for retries",
        ),
        ("reset all", "line 1: 'reset all' resets the session, and its time limits with it: take this out"),
        (
            "copy a from stdin",
            "line 1: 'copy a from stdin' copies from or to the client, which sends no rows: write INSERT, or "
            "load the rows in a script of your own",
        ),
        ("select 1;\nvacuum a", "line 2: 'vacuum a' cannot run in a transaction: write '-- transaction: none' at the top"),
        (
            "-- backfill: batch=5\nupdate a set b = 1",
            "line 2: 'update a set b = 1' has no LIMIT, so one batch is all rows: choose them in a subquery with LIMIT :batch",
        ),
        (
            "-- backfill: batch=5\nselect 1 limit :batch",
            "line 2: 'select 1 limit 5' changes no rows: a backfill is an UPDATE, INSERT or DELETE",
        ),
        ("-- way: lossy\nselect 1", "is said to be lossy, but there is no .down.sql file beside it: write one, or '-- way: restore-only'"),
        ("-- loses: select 1\nselect 1", "has 'loses', but is restore-only: write '-- way: lossy'"),
    ],
)
def test_problems(text: str, problem: str):
    """What is wrong with a file is told with its line, and where it can be with the letter."""
    assert problems({"1_a.sql": text}) == [f"1_a.sql: {problem}"]


def test_all_at_once():
    """All problems of all files come together, those of names and pairs as well."""
    texts = {
        "1_a.sql": "-- phse: x\ncreate index concurrently i on a (b);\ncommit",
        "01_b.sql": "select 1",
        "2_c.down.sql": "select 1",
        "3 d.sql": "selct",
        "4_e.sql": "-- way: restore-only\nselect 1",
        "4_e.down.sql": "-- phase: expand\nselect 1",
        "notes.txt": "none of ours",
    }
    assert problems(texts) == [
        "2_c.down.sql: goes back from nothing: there is no 2_c.sql",
        "1_a.sql: line 1: unknown key 'phse', did you mean 'phase'?",
        "1_a.sql: line 3: 'commit' opens or ends a transaction: each file has its own, so take this out",
        "1_a.sql: line 2: 'create index concurrently i on a (b)' cannot run in a transaction: write '-- transaction: none' at the top",
        "3 d.sql: is not named like 0007_user_sync.sql",
        '3 d.sql: line 1: column 1: syntax error at or near "selct"\n    selct\n    ^',
        "4_e.down.sql: 'phase' belongs into the up file",
        "4_e.sql: is said to be restore-only, but there is a .down.sql file beside it: remove one of the two",
        "1_a.sql: has the same number as 01_b.sql: give one of them the next free number",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "drop database if exists live with (force)",
        "create database x",
        "alter database live set default_transaction_read_only = on",
        "alter system set work_mem = '1MB'",
        "create role x",
        "alter role guest connection limit 0",
        "drop role x",
        "grant a to b",
        "copy users to program 'cat'",
        "create subscription s connection '' publication p",
        "create tablespace t location '/t'",
    ],
)
def test_the_server(text: str):
    """What changes the server is no part of a migration: a rehearsal would do it for real."""
    with pytest.raises(ConfigError, match="changes the server, not this database, so a rehearsal on a copy would do it for real"):
        parse("1_a.sql", f"-- transaction: none\n{text}")


@pytest.mark.parametrize("text", ["drop extension if exists dblink", "drop extension a, postgres_fdw", "create foreign data wrapper w"])
def test_what_reaches_out(text: str):
    """Nor is what would bring back, unblocked, the functions that a rehearsal has blocked; the way back included."""
    with pytest.raises(ConfigError, match="a rehearsal could not hold it back"):
        parse("1_a.sql", text)
    with pytest.raises(ConfigError, match="a rehearsal could not hold it back"):
        parse("1_a.sql", "select 1", text)
    assert parse("1_a.sql", "drop extension pg_trgm; create extension if not exists dblink").forward.statements


def test_nul():
    """A NUL would end what the parser reads: nothing after it was looked at."""
    with pytest.raises(ConfigError) as error:
        parse("0001_a", "select 1;\nselect\0 2; drop database shop;")
    assert error.value.problems == ["0001_a.sql: line 2: has a NUL character: save it as UTF-8 text"]


def test_import():
    """What asks another server cannot be rehearsed, and says what to write."""
    with pytest.raises(
        ConfigError, match="asks another server what there is, which a rehearsal must not: write the CREATE FOREIGN TABLE out"
    ):
        parse("0001_a", "import foreign schema public from server far into here;")


SHARED = (
    "revoke connect on database shop from guest",
    "grant create on database shop to guest",
    "alter role guest rename to visitor",
    "alter database shop owner to guest",
    "comment on database shop is 'x'",
    "comment on role guest is 'x'",
    "drop owned by guest",
    "reassign owned by guest to postgres",
)


@pytest.mark.parametrize("sql", SHARED)
def test_what_all_databases_share(sql: str):
    """What is no part of a database is refused: a rehearsal on a copy would change it for everybody."""
    with pytest.raises(ConfigError, match="changes the server, not this database"):
        parse("1_a", sql)
