"""Command lines of dump and restore."""

import pytest

from sluice.core.backup.format import Compression, Format
from sluice.core.commands import dump as say
from sluice.core.store import Store

STORE = Store(host="db", port=6000, user="u", passfile="/secret", dbname="shop", tools="/t/")
WHERE = ["-h", "db", "-p", "6000", "-U", "u", "-d", "shop", "--no-password"]
HOW = {"to": "/f", "compression": Compression.GZIP, "client": 18, "snapshot": "S"}


def test_dump():
    """A custom dump reads one snapshot and gives up on locks."""
    wanted = ["/t/pg_dump", *WHERE, "-Fc", "--compress=gzip:3", "--snapshot=S", "--lock-wait-timeout=30s", "-f", "/f"]
    assert say.dump(STORE, form=Format.CUSTOM, jobs=4, clean=True, **HOW) == wanted


def test_directory():
    """The directory format is dumped in parallel, with statistics where the client has them."""
    argv = say.dump(STORE, form=Format.DIRECTORY, jobs=4, statistics=True, **HOW)
    assert argv[-5:] == ["-f", "/f", "-j", "4", "--statistics"]
    assert "-Fd" in argv


def test_plain():
    """A plain dump leaves out what cannot be left out later, and drops first when asked."""
    assert say.dump(STORE, form=Format.PLAIN, clean=True, **HOW)[-3:] == ["--no-subscriptions", "--clean", "--if-exists"]
    assert say.dump(STORE, form=Format.PLAIN, **HOW)[-1] == "--no-subscriptions"


@pytest.mark.parametrize(
    ("compression", "client", "said"),
    [(Compression.ZSTD, 16, "zstd:3"), (Compression.GZIP, 15, "3"), (Compression.NONE, 15, "0"), (Compression.NONE, 16, "none")],
)
def test_packed(compression: Compression, client: int, said: str):
    """Clients before 16 take a number."""
    assert say.packed(compression, client) == said


def test_restore():
    """A restore stops at the first error, makes no subscription, and goes by sections."""
    wanted = ["/t/pg_restore", *WHERE, "--exit-on-error", "--no-subscriptions", "-j", "3", "--section=data", "--section=post-data", "/f"]
    assert say.restore(STORE, "/f", sections=("data", "post-data"), jobs=3) == wanted


def test_psql():
    """A plain restore is one transaction, stops at the first error, and reads no startup file."""
    tail = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-o", "/dev/null", "-f", "-"]
    assert say.psql(STORE) == ["/t/psql", *WHERE, *tail]


def test_schema():
    """A schema's dump has no subscription, in whose text a password may be."""
    assert say.schema(STORE, to="/f", snapshot="S", without="x")[-5:] == [
        "--lock-wait-timeout=30s",
        "-f",
        "/f",
        "--snapshot=S",
        "--exclude-schema=x",
    ]
    assert "--no-subscriptions" in say.schema(STORE, to="/f")


def test_globals():
    """Roles are dumped without their passwords unless a superuser asks."""
    assert say.globals(STORE, to="/f", passwords=False)[-1] == "--no-role-passwords"
    assert "--no-role-passwords" not in say.globals(STORE, to="/f", passwords=True)
    assert say.globals(STORE, to="/f", passwords=True)[7:9] == ["-l", "shop"]


def test_rest():
    """Tools come from their folder or from PATH; a decode writes nothing; a probe has no server to reach."""
    bare = STORE.model_copy(update={"tools": ""})
    assert say.version(bare) == ["pg_dump", "--version"]
    assert say.help(STORE, "psql") == ["/t/psql", "--help"]
    assert say.decode(STORE, "/d") == ["/t/pg_restore", "-f", "/dev/null", "/d"]
    assert say.amcheck(STORE, jobs=2) == ["/t/pg_amcheck", *('"shop"' if one == "shop" else one for one in WHERE), "-j", "2"]
    assert say.probe(bare, Compression.LZ4)[:5] == ["pg_dump", "--compress=lz4:1", "-w", "-h", "/nonexistent"]


def test_no_secret():
    """No command line knows of the password's file."""
    argvs = [say.psql(STORE), say.globals(STORE, to="/f", passwords=True), say.dump(STORE, form=Format.CUSTOM, **HOW)]
    assert not any("secret" in word for argv in argvs for word in argv)
