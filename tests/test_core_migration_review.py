"""Which migrations somebody has read."""

from __future__ import annotations

import pytest

from sluice.core.errors import ConfigError
from sluice.core.migration.file import parse
from sluice.core.migration.review import Review, read, unread

FIRST = parse("0001_users", "create table users (id int);", "drop table users;")
SECOND = parse("0002_orders", "create table orders (id int);")


def line(one, by: str = "Ada Lovelace") -> str:
    return f"{one.sha256}  {one.name}  {by}\n"


def test_read():
    """A line is a digest, a name, and whoever has read it, in as many words as it takes; the rest is for people."""
    text = f"# read on Mondays\n\n{line(FIRST)}  {line(SECOND, by='bob@example.org, 2025-11-27')}"
    assert read("m/REVIEWED", text) == [
        Review(sha256=FIRST.sha256, name="0001_users", by="Ada Lovelace"),
        Review(sha256=SECOND.sha256, name="0002_orders", by="bob@example.org, 2025-11-27"),
    ]
    assert read("m/REVIEWED", "") == []


def test_wrong():
    """Every line that is no review is told with its place: one without a name of who has read it is none."""
    text = f"{line(FIRST)}{FIRST.sha256}  0001_users\n0002_orders  Ada\n"
    with pytest.raises(ConfigError) as error:
        read("m/REVIEWED", text)
    what = "is not '<sha256>  <migration>  <who has read it>'"
    assert error.value.problems == [f"m/REVIEWED: line 2: {what}", f"m/REVIEWED: line 3: {what}"]


def told(*reviews: Review) -> list[str]:
    return [fact.line for fact in unread("shop", "/m/REVIEWED", [FIRST, SECOND], reviews)]


def test_unread():
    """What nobody has read is told with the command of whoever has; a text that has changed since, with who has read the other one."""
    first = Review(sha256=FIRST.sha256, name=FIRST.name, by="Ada")
    second = Review(sha256=SECOND.sha256, name=SECOND.name, by="Bob")
    changed = parse("0002_orders", "create table orders (id bigint);")
    command = f"echo '{SECOND.sha256}  0002_orders  '\"$(git config user.name)\" >> /m/REVIEWED"
    why = "review: nobody has reviewed '0002_orders' of database 'shop' as it is"
    assert told(first) == [f"{why}: once you have read it; run: {command}"]
    other = Review(sha256=changed.sha256, name="0002_orders", by="Bob")
    assert told(first, other) == [f"{why}, and 'Bob' has read another text of it: once you have read it; run: {command}"]
    assert told(first, other, second) == []
    assert len(told()) == 2


def test_way_back():
    """A changed way back is another text, too."""
    changed = parse("0001_users", "create table users (id int);", "drop table users cascade;")
    reviews = [Review(sha256=changed.sha256, name="0001_users", by="Ada"), Review(sha256=SECOND.sha256, name="0002_orders", by="Ada")]
    assert [fact.line.partition(",")[0] for fact in unread("shop", "/m/REVIEWED", [FIRST, SECOND], reviews)] == [
        "review: nobody has reviewed '0001_users' of database 'shop' as it is"
    ]
