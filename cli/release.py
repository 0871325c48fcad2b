"""`sluice release`: bring out a version."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli import options, say
from sluice.cli.plan import make, orders, show
from sluice.cli.rollback import confirm

Version = Annotated[str, typer.Argument(help="The version to bring out.")]
Kind = Annotated[str | None, typer.Option("--kind", help="configuration, patch, minor, major or hotfix.")]
Schema = Annotated[list[str], typer.Option("--schema", help="A database's revision, as in shop=0007.")]


def release(
    version: Version,
    kind: Kind = None,
    schema: Schema = [],  # noqa: B006
    yes: options.Yes = False,
    stack: options.StackName = None,
    cwd: options.Folder = options.HERE,
) -> None:
    """Set the version in config, and run `pulumi up`. When that fails, the way back is printed, and nothing is done by itself.

    In plain Pulumi: `pulumi config set --path sluice:release.version VERSION`, then `pulumi up`.
    """
    from sluice.core.errors import Refused
    from sluice.core.rollback.plan import Wish
    from sluice.history.locks import held, turn
    from sluice.history.orders import shown
    from sluice.history.pulumi import find
    from sluice.history.stack import look

    pulumi = find(cwd.resolve(), stack)
    with turn(pulumi):
        if locks := held(pulumi, pulumi.backend()):
            raise Refused([f"{lock}; nothing was touched" for lock in locks])
        words = pulumi.argv("config", "set-all", "--path", *settings(version, kind, schema))
        up = pulumi.argv("up", "--yes", "--skip-preview", "--message", f"release {version}")
        say.lines("in plain Pulumi:", *(f"  {command}" for command in shown([words, up])))
        confirm(f"release {version} to '{pulumi.stack}'?", yes)
        pulumi.do(words)
        code = pulumi.watch(up)
        if code:
            seen = look(pulumi)
            made = make(seen, Wish())
            show(seen, made, orders(seen, made))
        raise typer.Exit(code)


def settings(version: str, kind: str | None, schema: list[str]) -> list[str]:
    """Return what is set, as words of `pulumi config set-all`; Refused when a revision has no database."""
    from sluice.core.errors import Refused
    from sluice.core.settings.tree import RELEASE, path

    pairs = [one.partition("=") for one in schema]
    if wrong := [f"--schema {database}{mark}{revision}: write database=revision" for database, mark, revision in pairs if not revision]:
        raise Refused(wrong)
    told = {path(RELEASE, ["version"]): version, **({path(RELEASE, ["kind"]): kind} if kind else {})}
    told |= {path(RELEASE, ["schema", database]): revision for database, _, revision in pairs}
    return [word for key, value in told.items() for word in ("--plaintext", f"{key}={value}")]
