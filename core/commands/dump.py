"""Command lines of PostgreSQL's dump and restore (PostgreSQL 18 manual, "Client Applications"); a password is in none of them."""

from __future__ import annotations

from sluice.core.backup.format import METHODS, Compression, Format
from sluice.core.store import Store

# A dump queues behind an exclusive lock, and all writers behind the dump: it gives up long before people notice.
LOCK = "30s"
LETTER = {Format.CUSTOM: "c", Format.DIRECTORY: "d", Format.PLAIN: "p"}


def tool(store: Store, name: str) -> str:
    """Return a client's path, or its bare name for PATH."""
    return f"{store.tools.rstrip('/')}/{name}" if store.tools else name


def version(store: Store, name: str = "pg_dump") -> list[str]:
    """Build the question for a client's version."""
    return [tool(store, name), "--version"]


def help(store: Store, name: str = "pg_dump") -> list[str]:
    """Build the question for a client's options."""
    return [tool(store, name), "--help"]


def probe(store: Store, compression: Compression) -> list[str]:
    """Build a dump that must fail at its server, if the client accepts the compression (`format.accepted`)."""
    return [tool(store, "pg_dump"), f"--compress={compression.level}", "-w", "-h", "/nonexistent", "-d", "none", "-Fc", "-f", "/dev/null"]


def dump(
    store: Store,
    *,
    to: str,
    form: Format,
    compression: Compression,
    client: int,
    snapshot: str,
    jobs: int = 1,
    clean: bool = False,
    statistics: bool = False,
) -> list[str]:
    """Build a dump of one snapshot; `client` is pg_dump's major version.

    `clean` makes a plain one drop what it makes; `statistics` is 18+.
    """
    words = [tool(store, "pg_dump"), *_where(store), f"-F{LETTER[form]}", f"--compress={packed(compression, client)}"]
    words += [f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK}", "-f", to]
    words += ["-j", str(jobs)] if form is Format.DIRECTORY else []
    words += ["--statistics"] if statistics else []
    return [*words, *_plain(clean)] if form is Format.PLAIN else words


def _plain(clean: bool) -> list[str]:
    """Nothing can be left out of a plain dump when it is restored: subscriptions stay out of it."""
    return ["--no-subscriptions", *(["--clean", "--if-exists"] if clean else [])]


def packed(compression: Compression, client: int) -> str:
    """Return a compression as a client of that major version takes it."""
    if client >= METHODS:
        return compression.level
    return compression.level.partition(":")[2] if compression is Compression.GZIP else "0"


def schema(store: Store, *, to: str, snapshot: str = "", without: str = "") -> list[str]:
    """Build a dump of the schema alone; subscriptions stay out, since they hold passwords and are not restored. `without` is a schema."""
    words = [tool(store, "pg_dump"), *_where(store), "-Fp", "--schema-only", "--no-subscriptions", f"--lock-wait-timeout={LOCK}", "-f", to]
    words += [f"--snapshot={snapshot}"] if snapshot else []
    return words + ([f"--exclude-schema={without}"] if without else [])


def globals(store: Store, *, to: str, passwords: bool) -> list[str]:
    """Build a dump of roles and tablespaces; only a superuser can read the roles' password hashes."""
    words = [tool(store, "pg_dumpall"), *_where(store, "-l"), "--globals-only", f"--lock-wait-timeout={LOCK}", "-f", to]
    return words if passwords else [*words, "--no-role-passwords"]


def restore(store: Store, source: str, *, sections: tuple[str, ...], only: str = "", jobs: int = 1) -> list[str]:
    """Build the restore of sections of an archive into an existing database; stops at the first error, makes no subscription.

    `only` is a file with those lines of `contents` that are to be restored.
    """
    words = [tool(store, "pg_restore"), *_where(store), "--exit-on-error", "--no-subscriptions", "-j", str(jobs)]
    words += [f"--use-list={only}"] if only else []
    return [*words, *(f"--section={one}" for one in sections), source]


def contents(store: Store, source: str) -> list[str]:
    """Build the listing of an archive: a line for each thing in it."""
    return [tool(store, "pg_restore"), "--list", source]


def script(store: Store, source: str, *, only: str) -> list[str]:
    """Build the SQL of some lines of an archive, to stdout."""
    return [tool(store, "pg_restore"), f"--use-list={only}", "-f", "-", source]


def decode(store: Store, source: str) -> list[str]:
    """Build the full reading of an archive, every block unpacked; `--list` reads the first few pages only."""
    return [tool(store, "pg_restore"), "-f", "/dev/null", source]


def psql(store: Store) -> list[str]:
    """Build the run of SQL from stdin: all of it in one transaction or nothing, no startup file."""
    words = [tool(store, "psql"), *_where(store), "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction"]
    return [*words, "-o", "/dev/null", "-f", "-"]


def amcheck(store: Store, *, jobs: int = 1) -> list[str]:
    """Build the check of every table and index; the extension must be there."""
    # What it takes is a pattern, in which quotes keep capitals and points as they are.
    return [tool(store, "pg_amcheck"), *_where(store.at(f'"{store.dbname}"')), "-j", str(jobs)]


def _where(store: Store, database: str = "-d") -> list[str]:
    """Never ask a terminal for a password: PGPASSFILE has it."""
    return ["-h", store.host, "-p", str(store.port), "-U", store.user, database, store.dbname, "--no-password"]
