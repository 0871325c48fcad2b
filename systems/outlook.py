"""What going back costs a live database, counted as it is now; nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sluice.core.backup.manifest import Backup, scratch
from sluice.core.errors import Unreachable
from sluice.core.restore.loss import losses, repeats
from sluice.core.restore.order import Restore
from sluice.core.store import Store
from sluice.systems.lock import maintained
from sluice.systems.postgres import answered
from sluice.systems.source import reading

STEP = "restore"
# Both know the database by its oid, and stay with the old one.
STRAYS = """
    select format('subscription %%s stays with the old database, whose workers cannot connect any more: make it anew', quote_ident(subname))
    from pg_subscription where subdbid = (select oid from pg_database where datname = %(name)s)
    union all
    select format('replication slot %%s stays with the old database: whoever reads it has to begin anew', quote_ident(slot_name))
    from pg_replication_slots where database = %(name)s order by 1
"""


def outlook(store: Store, backup: Backup) -> list[str]:
    """Return what going back to a backup costs as things are now, a sentence each; nothing is touched.

    Where the database cannot be read any more, that is said in place of the counts.
    """
    manifest = backup.manifest
    at = f"{datetime.fromtimestamp(manifest.made_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    head = f"'{store.dbname}' goes back to {at}, backup {backup.id}"
    revision = [] if manifest.revision is None else [f"its history goes with it: the schema is then at revision '{manifest.revision}'"]
    strays = _strays(store)
    return [head, *_counted(store, manifest.rows, manifest.sequences), *revision, *strays]


def means(store: Store, backup: Backup) -> str:
    """Say which copy will take the place, and how long that takes by what its drill has taken."""
    name, drilled = scratch(store.dbname, backup.id), backup.drilled
    seconds = drilled.seconds if drilled else {}
    end = "then both change names, at most 2 s in which nobody can write"
    if _there(store, name):
        return f"by '{name}', the copy that its drill has kept: about {seconds.get('compare', 0):.1f} s to compare it again, {end}"
    whole = f"about {drilled.rto:.1f} s, as in its drill" if drilled else "nobody knows how long, it was never drilled"
    return f"by a new database, restored and compared while the old one serves: {whole}, {end}"


def _there(store: Store, name: str) -> bool:
    with answered(store), maintained(store, STEP) as connection:
        return connection.execute("select from pg_database where datname = %s", [name]).fetchone() is not None


def since(store: Store, now: Restore | None) -> list[str]:
    """Return what was written since a restore; what came back from aside had not been counted."""
    if now is None or not now.rows:
        return ["what is lost cannot be counted: nobody knows how many rows there were when it took the place"]
    return _counted(store, now.rows, {})


def _counted(store: Store, rows: Mapping[str, int], sequences: Mapping[str, tuple[int, int]]) -> list[str]:
    try:
        with reading(store, STEP) as source:
            return [*losses(source.rows(lambda: None), rows), *repeats(source.sequences(), sequences)]
    except Unreachable as error:
        return [f"what is lost cannot be counted: {error}"]


def _strays(store: Store) -> list[str]:
    with answered(store), maintained(store, STEP) as connection:
        return [str(line) for (line,) in connection.execute(STRAYS, {"name": store.dbname}).fetchall()]
