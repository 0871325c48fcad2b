"""What `doctor` asks of databases, their backups, and the disks that both are on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sluice.core.backup.manifest import Backup
from sluice.core.diagnosis import data, machine, stack
from sluice.core.diagnosis import server as judge
from sluice.core.diagnosis.finding import Finding, fine, size
from sluice.core.errors import SluiceError, Unreachable
from sluice.core.migration.history import revision
from sluice.core.rollback import block
from sluice.core.store import Store
from sluice.history.pulumi import place
from sluice.history.scene import Scene
from sluice.systems import activity, migrations, process
from sluice.systems import machine as here
from sluice.systems import shelf as shelves

# A lock that is held for longer than a large backup takes is looked after.
HELD = 3600.0


def disks(scene: Scene) -> list[Finding]:
    """Look at the disks of everything that the stack keeps, against what its next backup and drill take."""
    needed, state = sum(sizes(scene).values()), place(scene.seen.backend)
    places = {"the stack's state": (str(state), 0)} if state else {}
    if scene.seen.shelf:
        places["backups"] = (scene.seen.shelf, needed)
    if scene.root:
        places["programs"] = (str(scene.root), 0)
        # A drill's copy is as large as its database.
        places |= {f"data of '{name}'": (str(scene.root / "postgres" / name), needed) for name in scene.seen.servers}
    return [machine.disk(one) for one in here.disks(places)]


def sizes(scene: Scene) -> dict[str, int]:
    """Return the bytes of each database: as it is, else as its last backup was, which is packed and so the least."""
    known = {one.manifest.database: one.manifest.size for one in reversed(_shelf(scene))}
    if scene.store:
        with suppress(SluiceError):
            known |= activity.look(scene.store, [], timeout=scene.limit).sizes
    return {name: known.get(name, 0) for name in scene.seen.stores}


def _shelf(scene: Scene) -> list[Backup]:
    return shelves.load(Path(scene.seen.shelf)) if scene.seen.shelf else []


def server(scene: Scene) -> list[Finding]:
    """Ask the database server what goes on in it."""
    store, long = scene.store, scene.long
    assert store
    try:
        seen = activity.look(store, list(scene.seen.stores), timeout=scene.limit)
    except Unreachable as error:
        return [_down(scene, str(error))]
    clients = seen.sessions
    return [
        fine(judge.AREA, f"server {store.host}:{store.port}", f"answers; {_shown(scene, seen.sizes)}"),
        judge.connections(store, clients, seen.most),
        *(judge.idle(store, clients, long) or [fine(judge.AREA, "idle in transaction", f"none for longer than {long:g} s")]),
        *(judge.slow(store, clients, long) or [fine(judge.AREA, "long queries", f"none that runs for longer than {long:g} s")]),
        *judge.slots(store, seen.slots),
        *judge.age(store, seen.ages),
        *judge.locks(store, seen.holders, HELD),
        *data.writes(store, list(scene.seen.stores), seen.closed, seen.restores, [one.database for one in seen.holders]),
        machine.clock(time.time() - seen.clock),
        *data.beside(store, list(scene.seen.stores), seen.sizes, _shelf(scene), seen.asides, time.time()),
    ]


def _shown(scene: Scene, sizes: Mapping[str, int]) -> str:
    return ", ".join(f"'{name}' has {size(sizes.get(name, 0))}" for name in scene.seen.stores)


def _down(scene: Scene, why: str) -> Finding:
    store = scene.store
    assert store
    name = next(iter(scene.seen.servers), "")
    runs = process.owner(scene.pidfile(name)) is not None
    cause = "it runs, and refuses or does not answer" if runs else "the server does not run"
    return stack.gone(judge.AREA, f"server {store.host}:{store.port}", why, cause)


def inside(scene: Scene, name: str, store: Store) -> list[Finding]:
    """Look into one database: its indexes, its slow statements, its migrations."""
    if scene.root and scene.seen.servers and process.owner(scene.pidfile(scene.seen.servers[0])) is None:
        # That the server is down is said once.
        return []
    seen = activity.inside(store, timeout=scene.limit)
    slow = judge.statements(store, seen.statements or [])
    counted = f"none on average over {judge.SLOW:g} s" if seen.statements is not None else seen.uncounted
    return [
        *(judge.indexes(store, seen.indexes) or [fine(data.AREA, f"indexes of '{name}'", "all valid")]),
        *(slow or [fine(judge.AREA, f"slow statements of '{name}'", counted)]),
        *_migrations(scene, store, seen.heads),
    ]


def _migrations(scene: Scene, store: Store, heads: list[str]) -> list[Finding]:
    rows, wanted = migrations.look(store), _wanted(scene, store.dbname)
    # Where Alembic keeps its own word, that is what counts.
    now = wanted if wanted in heads else ", ".join(heads) or revision(rows)
    holders = activity.holders(store, timeout=scene.limit)
    return data.migrations(store, rows, revision=now, wanted=wanted, busy=bool(holders))


def _wanted(scene: Scene, name: str) -> str:
    """Return the revision of a database that config names; "" where it names none."""
    release = block.data(scene.seen.config) if scene.seen.config else {}
    named = release.get("schema") if isinstance(release, dict) else None
    return str(named.get(name, "")) if isinstance(named, dict) else ""


def shelf(scene: Scene) -> list[Finding]:
    """Look at the backups that there are."""
    if not scene.seen.shelf:
        return []
    folder = Path(scene.seen.shelf)
    return data.backups(list(scene.seen.stores), _shelf(scene), shelves.broken(folder), str(folder), time.time())
