"""What a preview says about statements: locks as a real server takes them, and rules by the size of a table."""

from __future__ import annotations

import pytest

from sluice.core.migration.explain import explain, human
from sluice.core.migration.file import parse

GB = 2**30


def findings(text: str, size: int = 0) -> list[tuple[str, str, int]]:
    found = explain([parse("1_a", text, "select 1")], {"public.users": size})[0].findings
    return [(one.level, one.rule, one.line) for one in found]


def test_lines():
    """A preview has a line for the file, one for each statement, and one for each rule that it breaks."""
    text = (
        "-- lock_timeout: 500ms\nalter table users\n  alter n type bigint;\ncreate table new (u int "
        "references users);\ncreate index on new (u);\ndo $$ begin end $$"
    )
    type = "writes the whole table again while nobody can read it: add a new column, fill both, and drop the old one in a later contract"
    assert explain([parse("7_x", text)], {"public.users": 2 * GB})[0].lines == (
        "7_x: expand, restore-only, one transaction, lock_timeout 500ms, statement_timeout 30m",
        "  1. alter table users alter n type bigint: ACCESS EXCLUSIVE on users (2 GB), blocks reads and writes, rewrites all of it",
        "  2. create table new (u int references users): SHARE ROW EXCLUSIVE on users (2 GB), blocks reads and writes; "
        "ACCESS EXCLUSIVE on users is held until the end of the file",
        "  3. create index on new (u): locks nothing that is in use",
        "  4. do '…': runs code whose locks cannot be foreseen; ACCESS EXCLUSIVE on users is held until the end of the file",
        "  warning, line 1: there is no way back but a restore: write a .down.sql file beside it if there can be one",
        f"  error, line 2: 'users' (2 GB): {type}",
    )


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("index", "create index on users (a)"),
        ("not null", "alter table users alter a set not null"),
        ("volatile default", "alter table users add b uuid default gen_random_uuid()"),
        ("volatile default", "alter table users add b serial"),
        ("volatile default", "alter table users add b int generated always as identity"),
        ("type", "alter table public.users alter a type bigint"),
        ("foreign key", "alter table users add foreign key (a) references orders"),
        ("check", "alter table users add constraint c check (a > 0)"),
        ("unique", "alter table users add primary key (a)"),
        ("unbatched", "update users set a = 1"),
        ("required", "alter table users add b char(2) not null references countries"),
    ],
)
def test_size_decides(rule: str, text: str):
    """A statement that is slow on a large table is an error there, and a warning on a small one."""
    assert findings(text, 99 * 2**20) == [("warning", rule, 1)]
    assert findings(text, 100 * 2**20) == [("error", rule, 1)]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("rename", "alter table users rename a to b"),
        ("rename", "alter table users rename to people"),
        ("drop", "alter table users drop column a"),
        ("drop", "drop table users"),
        ("truncate", "truncate users cascade"),
    ],
)
def test_always(rule: str, text: str):
    """What breaks the version that runs now, or empties other tables, is an error whatever the size."""
    assert findings(text) == [("error", rule, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "-- transaction: none\ncreate index concurrently on users (a)",
        "alter table users add b timestamptz default now(), add c int default 5",
        "-- transaction: none\nalter table users add constraint c check (a > 0) not valid; alter table users validate constraint "
        "c; alter table users alter a set not null",
        "alter table users validate constraint c; alter table users alter a set not null",
        "alter table users add constraint f foreign key (a) references orders not valid",
        "alter table users add constraint u unique using index i",
        "create table users (a int); create index on users (a); alter table users alter a type text; update users set a = 1",
        "create table users as select 1 as a; alter table users alter a set not null",
        "-- phase: contract\nalter table users drop column a; drop table orders",
        "-- backfill: batch=5\nupdate users set a = 1 where a in (select a from users where a <> 1 limit :batch)",
        "alter index i rename to j",
        "truncate users",
    ],
)
def test_safe(text: str):
    """The safe way of each rule breaks none, nor does what is done to a new table."""
    assert findings(text, 9 * GB) == []


def test_new_in_an_earlier_file():
    """A table that an earlier pending file makes is as new as one of the same file."""
    files = [parse("1_a", "create table users (a int)", "select 1"), parse("2_b", "create index on users (a)", "select 1")]
    assert [one.findings for one in explain(files, {})] == [(), ()]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 kB"), (5 * GB, "5 GB"), (9000 * 1024 * GB, "9000 TB")]
)
def test_human(size: int, text: str):
    """Sizes are short."""
    assert human(size) == text


def test_a_table_that_is_there():
    """`create table if not exists` of a table that is there makes nothing: what comes after it locks a table in use."""
    text = "create table if not exists users (id int);\ncreate trigger t after insert on users execute function f();"
    one = parse("0001_sync.sql", text)
    assert "SHARE ROW EXCLUSIVE on users" not in "\n".join(explain([one], {})[0].lines)
    assert "SHARE ROW EXCLUSIVE on users (1 MB)" in "\n".join(explain([one], {"public.users": 2**20})[0].lines)


@pytest.mark.parametrize(
    "text",
    [
        "alter table users add b int not null default 0",
        "alter table users add b int",
        "alter table users add b int not null generated always as (1) stored",
        "create table new (a int); alter table new add b int not null",
    ],
)
def test_not_required(text: str):
    """A column that has a value for every row, or may be without, does not fail; nor does one of a new table."""
    assert "required" not in [rule for _, rule, _ in findings(text)]


@pytest.mark.parametrize(
    ("text", "indexes", "warned"),
    [
        ("create index if not exists by_a on users (a)", ["public.by_a"], False),
        ("create index if not exists by_a on public.users (a)", ["public.by_a"], False),
        ("create index if not exists by_a on users (a)", ["other.by_a"], True),
        ("create index if not exists by_a on other.users (a)", ["other.by_a"], False),
        ("create index if not exists by_a on users (a)", [], True),
        ("create index by_a on users (a)", ["public.by_a"], True),
    ],
)
def test_an_index_that_is_there(text: str, indexes: list[str], warned: bool):
    """An index that is there already is not built once more: no warning, and the line says that nothing happens."""
    (found,) = explain([parse("1_a", text, "select 1")], {"public.users": GB, "other.users": GB}, indexes=indexes)
    assert [one.rule for one in found.findings] == (["index"] if warned else [])
    assert ("does nothing, it is there already" in found.lines[1]) is not warned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alter table users alter n type bigint", "none yet, it writes all of users (2 GB)"),
        ("create index on users (a); create index on users (b)", "none yet, it reads all of users (2 GB)"),
        ("update users set a = 1 where b; create index on orders (a)", "none yet, it changes rows of users (2 GB), reads all of orders"),
        ("alter table users add column b int", "none yet, it works on no table as a whole"),
        ("create table new (a int); create index on new (a)", "none yet, it works on no table as a whole"),
        ("create index if not exists there on users (a)", "none yet, it works on no table as a whole"),
        ("do $$ begin end $$", "none yet, it runs code"),
    ],
)
def test_estimate(text: str, said: str):
    """How long a file took elsewhere is its estimate; without that, what it works on as a whole says what to expect."""
    file, sizes = parse("7_x", text), {"public.users": 2 * GB}
    (found,) = explain([file], sizes, estimates={}, indexes=["there"])
    assert found.lines[1] == f"  estimate: {said}"
    (known,) = explain([file], sizes, estimates={file.key: "1.2 s on 'staging', 2026-11-24"}, indexes=["there"])
    assert known.lines[1] == "  estimate: 1.2 s on 'staging', 2026-11-24"
    assert known.lines[2:] == found.lines[2:]


def test_an_estimate_is_of_a_text():
    """Another text under the same name has no estimate, and a name alone gives none; the down file is a part of the text."""
    file = parse("7_x", "select 1", "select 2")
    (known,) = explain([file], {}, estimates={file.key: "1.2 s in a rehearsal"})
    assert known.lines[1] == "  estimate: 1.2 s in a rehearsal"
    for other in (parse("7_x", "select 3", "select 2"), parse("7_x", "select 1", "select 3")):
        (changed,) = explain([other], {}, estimates={file.key: "1.2 s in a rehearsal", "7_x": "1.2 s on 'staging'"})
        assert changed.lines[1] == "  estimate: none yet, it works on no table as a whole"


BATCHES = "; rows: '-- backfill: batch=1000', with the rows chosen in a subquery with LIMIT :batch"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "alter table users add b text;\nupdate users set b = 'x' where id > 0",
            "changes rows of 'users' ({size}) while ACCESS EXCLUSIVE on users, of statement 1, blocks reads and writes, which is held "
            "until the end of the file: give statement 1 a file of its own" + BATCHES,
        ),
        (
            "alter table small add b text;\nalter table users validate constraint c",
            "reads all of 'users' ({size}) while ACCESS EXCLUSIVE on small, of statement 1, blocks reads and writes, which is held "
            "until the end of the file: give statement 1 a file of its own",
        ),
        (
            "create trigger t after insert on small execute function f();\ninsert into new select a from users",
            "reads rows of 'users' ({size}) while SHARE ROW EXCLUSIVE on small, of statement 1, blocks writes, which is held "
            "until the end of the file: give statement 1 a file of its own",
        ),
    ],
)
def test_a_lock_that_stays(text: str, said: str):
    """What a transaction has locked waits for its later statements: an error where these work on a large table, never on a tiny one."""
    for size, level in ((2**30, "error"), (99 * 2**20, "warning")):
        (found,) = explain([parse("1_a", text, "select 1")], {"public.users": size, "small": 1})[0].findings
        assert (found.level, found.rule, found.line, found.text) == (level, "held", 2, said.format(size=human(size)))
    assert explain([parse("1_a", text, "select 1")], {"public.users": 2**20})[0].findings == ()


def test_a_lock_that_stays_is_in_the_line():
    """The line of a statement says what is blocked while it runs, not what it would block alone."""
    text = "alter table public.users add b text; update users set b = 'x' where id > 0; create table new (a int)"
    lines = explain([parse("1_a", text, "select 1")], {"public.users": 139 * 2**20})[0].lines
    assert lines[2] == (
        "  2. update users set b = '…' where id > 0: ROW EXCLUSIVE on users (139 MB), blocks reads and writes; "
        "ACCESS EXCLUSIVE on public.users is held until the end of the file"
    )
    assert lines[3] == "  3. create table new (a int): locks nothing that is in use"


@pytest.mark.parametrize(
    "text",
    [
        "create table new (a int); alter table new add b int; insert into new (a) select a from users",
        "-- transaction: none\nalter table users add b text; update users set b = 'x' where id > 0",
        "update users set a = 1 where id > 0; alter table users add b text",
        "alter table users add b text; insert into users (b) values ('x'); alter table users add c int",
        "alter table users add b text; create view v as select a from users",
    ],
)
def test_no_lock_that_stays(text: str):
    """A new table has nobody who waits, and what is short, or came before, keeps nobody waiting."""
    assert findings(text, 9 * GB) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("alter table userz add b text", True),
        ("create index concurrently on public.userz (a)", True),
        ("alter table users add b text", False),
        ("alter table other.users add b text", False),
        ("alter table if exists userz add b text", False),
        ("create table userz (a int); alter table userz add b text", False),
        ("alter table users rename to userz; alter table userz add b text", False),
        ("do $$ begin end $$; alter table userz add b text", False),
    ],
)
def test_no_such_table(text: str, missing: bool):
    """A table that is not there, and that no statement before can have made, is a wrong name."""
    file = parse("1_a", "-- transaction: none\n" + text, "select 1")
    findings = explain([file], {}, relations=["public.users"])[0].findings
    assert any("no such table" in one.text for one in findings) is missing
    assert not any("no such table" in one.text for one in explain([file], {})[0].findings)
