"""When a copy must not take a database's place: pure, so that every reason is tested."""

from __future__ import annotations

from sluice.core.backup.manifest import Backup
from sluice.core.store import Store
from sluice.core.value import Value


class Scene(Value):
    """What is found on the server: is the live database there, and the copy; who is connected to it; transactions prepared in the live one.

    Whether the copy is only to be made yet is `making`.
    """

    system: str
    live: bool
    copy_: bool
    making: bool = False
    busy: tuple[str, ...] = ()
    prepared: tuple[str, ...] = ()


def refusals(store: Store, backup: Backup, name: str, scene: Scene) -> list[str]:
    """Return every reason against putting the copy `name` in a database's place, each a sentence with the next step."""
    return [*_backup(store, backup, scene), *_live(store, scene), *_copy(backup, name, scene)]


def _backup(store: Store, backup: Backup, scene: Scene) -> list[str]:
    manifest, found = backup.manifest, []
    if manifest.database != store.dbname:
        found.append(f"backup {backup.id} is of database '{manifest.database}'")
    if manifest.system != scene.system:
        where = f"{store.host}:{store.port} is system {scene.system}"
        found.append(f"backup {backup.id} is from system {manifest.system}, and {where}: name the server it was made on")
    if not backup.verified:
        found.append(f"backup {backup.id} has never been restored and compared: drill it first")
    return found


def _live(store: Store, scene: Scene) -> list[str]:
    if not scene.live:
        return [f"database '{store.dbname}' is not there: make it empty, so that the copy knows its encoding and owner, then again"]
    name = f"database '{store.dbname}'"
    return [f"{name} holds the prepared transaction '{one}', which keeps it where it is: commit or roll it back" for one in scene.prepared]


def _copy(backup: Backup, name: str, scene: Scene) -> list[str]:
    if scene.making:
        return []
    if not scene.copy_:
        return [f"the copy '{name}' is gone: restore backup {backup.id} into a new one"]
    return [f"the copy '{name}' is in use by {one}: end that, it may be changing it" for one in scene.busy]
