"""Whether a release's code runs with what a database becomes by a restore: pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sluice.core.migration.file import Migration


def unfit(
    revision: str, target: str, *, known: Collection[str], wanted: Sequence[Migration], there: Sequence[Migration], settled: bool
) -> str:
    """Return why code made for `target` does not run with a database at `revision`, "" when it does, or will once expand has run.

    `known` are the ids of all migrations, `wanted` those up to the target, `there` those up to the revision; nothing migrates for a
    `settled` release.
    """
    if revision == target:
        return ""
    if revision and revision not in known:
        return f"is then at '{revision}', which is no file here: release from a checkout that has it"
    newer = [one for one in there if one.id not in {other.id for other in wanted}]
    if contracts := _names([one for one in newer if one.phase == "contract"]):
        return f"is then at '{revision}', and what runs with '{target}' does not run with {contracts}: name a backup from before"
    missing = [one for one in wanted if one.id not in {other.id for other in there}]
    if missing and settled:
        return f"is then at '{revision}', and a live release runs no migrations ({_names(missing)}): release it under another version"
    return _blocked(revision, missing)


def ahead(revision: str, wanted: Sequence[Migration]) -> bool:
    """Say whether a database at a revision has more than the wanted migrations."""
    return bool(revision) and revision not in {one.id for one in wanted}


def _blocked(revision: str, missing: Sequence[Migration]) -> str:
    """An expand after a contract needs two releases, of which a restore is part of one."""
    contract = next((number for number, one in enumerate(missing) if one.phase == "contract"), len(missing))
    if after := _names([one for one in missing[contract:] if one.phase == "expand"]):
        why = f"{after} cannot expand before '{missing[contract].name}', a contract"
        return f"is then at '{revision}', from where {why}: release '{missing[contract].id}' first, with this restore"
    return ""


def _names(migrations: Sequence[Migration]) -> str:
    return " and ".join(f"'{one.name}'" for one in migrations)
