"""A database's name."""

from sluice.core.store import Store, key

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
