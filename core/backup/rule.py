"""The rules about backups: pure, so that every branch is tested."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sluice.core.backup.manifest import Backup, Manifest, Rehearsed
from sluice.core.migration.file import key

# What a migration relies on must be proved just before it: what is written later is lost in a restore.
MOST = 900.0
# A clock may be off by this much between two machines; a backup from further in the future is a mistake.
SKEW = 60.0


def stale(id: str, ready: float, now: float, most: float = MOST) -> str:
    """Return why a backup is too old to rely on at `now`, "" when it is not; both times are in seconds since the epoch.

    `ready` is when its drill and its rehearsal had ended: what they take, a large database cannot do without. What is written meanwhile is
    not in the backup; the rule is about the time that nothing needs.
    """
    age = now - ready
    if age < -SKEW:
        return f"backup {id} is from {-age:.0f} s in the future: set the clocks right, then make another"
    if age > most:
        return f"backup {id} has been ready for {age:.0f} s, at most {most:.0f} s are allowed: make another"
    return ""


def unfit(backup: Backup, *, database: str, release: str, system: str) -> str:
    """Return why a backup does not protect a database for a release, "" when it does; `system` is the live server's."""
    manifest, named = backup.manifest, f"backup '{backup.id}' of '{database}'"
    if manifest.for_release != release:
        return f"{named} was made for release '{manifest.for_release}', not for '{release}'"
    if manifest.system != system:
        return f"{named} is from system {manifest.system}, and the server is system {system}"
    if not backup.verified:
        return f"{named} has not been restored and compared"
    return "" if backup.rehearsed else f"nothing was rehearsed on {named}"


def unrehearsed(rehearsed: Rehearsed, phase: str, *, contents: Sequence[str], history: str) -> str:
    """Return what would run without having been rehearsed, "" when all has been, on the same history."""
    known = rehearsed.steps.get(phase, ())
    if strange := [f"'{one.split()[1]}'" for one in contents if one not in known]:
        return f"{', '.join(strange)} is not what was rehearsed for {phase}: its file has changed since, or was not there"
    if tuple(contents) != known or history != rehearsed.histories.get(phase):
        return f"the history of migrations is not the one that {phase} was rehearsed on: somebody has migrated since"
    return ""


def durations(rehearsed: Rehearsed) -> dict[str, float]:
    """Return the seconds that each migration took, by its key (`core.migration.file.key`)."""
    ups = [one.split()[1:] for steps in rehearsed.steps.values() for one in steps if one.startswith("up ")]
    return {key(name, sha256): rehearsed.seconds[name] for name, sha256 in ups if name in rehearsed.seconds}


def empty(rows: Mapping[str, int]) -> bool:
    """Say whether a database has no row at all."""
    return not any(rows.values())


def nothing(dbname: str) -> str:
    """Return the sentence about a database without a row."""
    return f"'{dbname}' holds no row, which is right on a first deployment only: was it the right database?"


def hollow(manifest: Manifest) -> str:
    """Return why a backup of nothing is none, "" when it has rows, or nothing was there yet on the first deployment."""
    if manifest.first or not empty(manifest.rows) or (manifest.large or (0, ""))[0]:
        return ""
    return f"backup {manifest.id} of {nothing(manifest.database)}"


def differs(
    manifest: Manifest,
    *,
    rows: Mapping[str, int],
    sequences: Mapping[str, int],
    shape: str,
    large: tuple[int, str] = (0, ""),
    change: Sequence[str] = (),
) -> list[str]:
    """Return every difference between a manifest and its restored copy, each a sentence; `change` is how the schemas differ."""
    found = [*_rows(manifest.rows, rows), *_sequences(manifest.sequences, sequences), *_large(manifest.large, large)]
    if shape != manifest.shape:
        found.append("\n    ".join([f"schema: SHA-256 {shape[:12]} in the copy, {manifest.shape[:12]} in the manifest", *change]))
    return found


def _rows(wanted: Mapping[str, int], seen: Mapping[str, int]) -> list[str]:
    lost = [f"table {name}: not in the copy, {count} rows in the manifest" for name, count in wanted.items() if name not in seen]
    more = [f"table {name}: {count} rows in the copy, not in the manifest" for name, count in seen.items() if name not in wanted]
    both = [(name, count, seen[name]) for name, count in wanted.items() if name in seen]
    other = [f"table {name}: {now} rows in the copy, {was} in the manifest" for name, was, now in both if now != was]
    return sorted([*lost, *more, *other])


def _sequences(wanted: Mapping[str, tuple[int, int]], seen: Mapping[str, int]) -> list[str]:
    lost = [f"sequence {name}: not in the copy" for name in wanted if name not in seen]
    more = [f"sequence {name}: not in the manifest" for name in seen if name not in wanted]
    both = [(name, sorted(ends), seen[name]) for name, ends in wanted.items() if name in seen]
    other = [
        f"sequence {name}: {now} in the copy, {_span(*ends)} in the manifest" for name, ends, now in both if not ends[0] <= now <= ends[1]
    ]
    return sorted([*lost, *more, *other])


def _large(wanted: tuple[int, str] | None, seen: tuple[int, str]) -> list[str]:
    """Compare what both know: an older manifest, or a role that may not read large objects, knows less."""
    if wanted is None:
        return []
    if wanted[0] != seen[0]:
        return [f"large objects: {seen[0]} in the copy, {wanted[0]} in the manifest"]
    return ["large objects: other contents in the copy than in the manifest"] if all((wanted[1], seen[1])) and wanted[1] != seen[1] else []


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def expendable(backups: Sequence[Backup], needed: Collection[str], keep: int) -> list[Backup]:
    """Return the backups of one database that may go, oldest first.

    The newest `keep` verified ones stay, at least one, and those that a proven release needs (`needed`, ids). What is not verified counts
    for nothing, and goes when it is older than all verified ones that stay; while there are fewer than `keep`, nothing goes.
    """
    proven = sorted((one for one in backups if one.verified), key=_age)
    kept = proven[-max(1, keep) :]
    if len(kept) < max(1, keep):
        return []
    return [one for one in sorted(backups, key=_age) if _age(one) < _age(kept[0]) and one.id not in needed]


def _age(backup: Backup) -> tuple[float, str]:
    return backup.manifest.made_at, backup.id


def apart(backups: Sequence[Backup]) -> list[str]:
    """Return in what the restored copies of several databases do not come to the same, though they should: a sentence for each name."""
    found: dict[str, dict[str, str]] = {}
    for one in backups:
        for name, value in (one.drilled.agreed if one.drilled else {}).items():
            found.setdefault(name, {})[one.manifest.database] = value
    return [
        f"'{name}' is {', '.join(f'{value} in {database!r}' for database, value in values.items())}"
        for name, values in found.items()
        if len(set(values.values())) > 1
    ]


def joint(manifests: Sequence[Manifest]) -> bool:
    """Say whether several backups are of one moment at which nobody was writing, so that they must fit together."""
    shared = {one.joint for one in manifests}
    return len(shared) == 1 and "" not in shared and (all(one.paused for one in manifests) or all(one.idle for one in manifests))


def mutual(manifests: Sequence[Manifest]) -> str:
    """Return the honest sentence about several backups that belong together."""
    names = ", ".join(f"'{one.database}'" for one in manifests)
    if len(manifests) < 2:
        return f"{names}: consistent in itself, its snapshot is one moment"
    times, joints = [one.made_at for one in manifests], {one.joint for one in manifests}
    if len(joints) > 1 or "" in joints:
        apart = max(times) - min(times)
        return f"{names}: not consistent with each other, somebody wrote between the snapshots, which are {apart:.3f} s apart"
    if all(one.paused for one in manifests):
        objects = ", those of large objects aside" if any(one.large and one.large[0] for one in manifests) else ""
        return f"{names}: consistent with each other, of one moment for which writers were held up{objects}"
    if all(one.idle for one in manifests):
        return f"{names}: consistent with each other, of one moment at which nobody was writing"
    return f"{names}: of one moment, at which transactions were open: what is written to several by several may be there in part"
