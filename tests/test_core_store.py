"""A database's name."""

import pytest

from sluice.core.store import Store, key, odd

STORE = Store(host="db", user="app", dbname="shop", passfile="/p", tools="/t")


def test_at():
    """Another database of the same server has everything else in common."""
    assert STORE.at("other").wire() == {**STORE.wire(), "dbname": "other"}


def test_of():
    """The parameters are those of a question in SQL, without what is not set."""
    assert STORE.of == {"host": "db", "port": 5432, "user": "app", "dbname": "shop", "passfile": "/p"}
    assert Store(host="db", user="app", dbname="shop").of == {"host": "db", "port": 5432, "user": "app", "dbname": "shop"}
    assert STORE.place == "db:5432/shop"


def test_key():
    """The lock's number depends on the database alone, is the same for ever, and fits a signed 64-bit integer."""
    assert key("shop") == key(STORE.at("shop").dbname) == 8_878_952_652_469_500_503
    assert key("shop") != key("shop2")
    assert all(-(2**63) <= key(str(n)) < 2**63 for n in range(200))


@pytest.mark.parametrize("name", ["a=b", 'a"b', "a'b", "a/b", "a\\b", "a*", "a?", "a\0", "a\nb", ".a", "postgres://a", "a" * 64])
def test_odd(name: str):
    """What a client would take for a connection string or a pattern, and what is no name for a folder, is refused."""
    assert odd(name).endswith("which a dump's programs would misread: rename the database")


@pytest.mark.parametrize("name", ["shop", "Shop A", "größe", "a-b_c.d", "a" * 63])
def test_not_odd(name: str):
    """Capitals, blanks, letters of any language, points and dashes are fine."""
    assert odd(name) == ""
