"""`sluice backup`: a verified backup now, and what is on the shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.cli import options, say
from sluice.cli.stop import CODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sluice.history.stack import Stack

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="DATABASE", help="Databases, by name; without one all that the program declares.", show_default=False),
]
Listed = Annotated[bool, typer.Option("--list", help="Show what is on the shelf, and make nothing.")]
Verify = Annotated[bool, typer.Option("--verify", help="Read every backup again: sizes, SHA-256, and each block; make nothing.")]

HEAD = ("database", "id", "made", "size", "revision", "verified", "copy", "needed by")


@options.spread
def backup(
    databases: Names = None,
    listed: Listed = False,
    verify: Verify = False,
    at: options.At = options.HERE,
    json: options.Json = False,
) -> None:
    """Save databases now, restore each backup beside the live one and compare, as before a migration, with the same locks and retention.

    The restore point of the last release stays what it is. Exit code 1 when a backup did not hold. In plain Pulumi:
    `pulumi config set --path sluice:rollout.backup.when always` saves with every release; by hand it is pg_dump, which is printed.
    """
    from sluice.core.errors import Unreachable

    try:
        code = _backup(at.look(), databases or [], listed=listed, verify=verify, json=json)
    except Unreachable as error:
        raise Unreachable(at.told(error)) from None
    raise typer.Exit(code)


def _backup(seen: Stack, databases: Sequence[str], *, listed: bool, verify: bool, json: bool) -> int:
    names = chosen(seen, databases)
    if verify:
        return again(seen, names, json)
    if listed:
        show(seen, names, json)
        return 0
    try:
        make(seen, names, json)
    except KeyboardInterrupt:
        # On its way here everything that was begun has been taken back.
        say.error("told to stop: what was not whole yet is removed, older backups stay")
        return CODE
    return 0


def chosen(seen: Stack, names: Sequence[str]) -> list[str]:
    """Return the databases that are meant; Refused for one that the stack does not have."""
    from sluice.core.errors import Refused

    there = list(seen.stores)
    unknown = [
        f"no database '{name}' in '{seen.pulumi.stack}': known are {', '.join(there) or 'none'}" for name in names if name not in there
    ]
    if unknown or not there:
        raise Refused(unknown or [f"'{seen.pulumi.stack}' has no database: there is nothing to save"])
    return list(names or there)


def make(seen: Stack, names: Sequence[str], json: bool) -> None:
    """Save, prove, prune, and say so."""
    from pathlib import Path

    from sluice.core.errors import Refused
    from sluice.history.questions import ask
    from sluice.history.shelf import entries
    from sluice.systems import able, save, schema

    asked = ask(seen).saved
    wanted = [one for one in asked.databases if one.name in names]
    if reasons := strange(names, [one.name for one in asked.databases]) or able.unable(wanted):
        raise Refused(reasons, headline="no backup was begun:")
    bare = [one.name for one in wanted if schema.bare(one)]
    told = save.quiet if json else say.lines
    folder = Path(asked.folder)
    how = save.How(folder=folder, rules=asked.rules, needed=asked.needed, owner=asked.owner, copy=False, log=told)
    with save.written(folder, "sluice backup"):
        made = save.save([one for one in wanted if one.name not in bare], how)
    if json:
        say.data([one for one in entries(seen, names) if one["id"] in {backup.id for backup in made.values()}])
        return
    say.lines(*(f"{name}: {schema.BARE}" for name in bare), *save.lines(list(made.values())), *_plainly(seen, made))


def strange(names: Sequence[str], declared: Sequence[str]) -> list[str]:
    """Return why databases that the stack has cannot be saved by its program, which declares others by now."""
    known = ", ".join(declared) or "none"
    return [
        f"the program here does not declare '{name}', which the stack has: it declares {known}" for name in names if name not in declared
    ]


def _plainly(seen: Stack, made: Iterable[str]) -> list[str]:
    from sluice.core.diagnosis.finding import client

    dumps = [f"    {client(seen.stores[name], 'pg_dump', '-Fc', '-f', f'{name}.dump')}" for name in made]
    return ["by hand, without a proof:", *dumps] if dumps else []


def show(seen: Stack, names: Sequence[str], json: bool) -> None:
    """Show what there is."""
    from sluice.history.shelf import beside, entries, torn

    rows, others = entries(seen, names), beside(seen, names)
    if json:
        say.data({"backups": rows, "databases": others, "broken": torn(seen, names)})
        return
    say.table(HEAD, [_row(one) for one in rows])
    say.lines(
        *(f"beside: {one['line']}" for one in others), *torn(seen, names), *([] if rows else ["no backup yet: `sluice backup` makes one"])
    )


def _row(one: dict[str, Any]) -> list[str]:
    from sluice.core.diagnosis.finding import size

    proof = say.when(one["verified_at"]) if one["verified_at"] else "no"
    cells = [
        one["database"],
        one["id"],
        say.when(one["made_at"]),
        size(one["size"]),
        one["revision"],
        proof,
        one["copy"],
        ", ".join(one["needed_by"]),
    ]
    return [str(cell or "") for cell in cells]


def again(seen: Stack, names: Sequence[str], json: bool) -> int:
    """Read every backup again, and return the exit code."""
    from sluice.history.shelf import check, torn

    found: list[dict[str, Any]] = []
    for one in check(seen, names):
        found.append(one)
        if not json:
            say.lines(f"{one['database']} {one['id']}: {'; '.join(one['problems']) or 'as it was made'}")
    broken = torn(seen, names)
    if json:
        say.data({"backups": found, "broken": broken})
    else:
        say.lines(*broken, *([] if found else ["no backup yet: `sluice backup` makes one"]))
    return 1 if broken or any(one["problems"] for one in found) else 0
