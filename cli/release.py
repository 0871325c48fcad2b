"""`sluice release`: bring out a version."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli import options, say
from sluice.cli.plan import make, show
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
    from sluice.history import facts
    from sluice.history.locks import held
    from sluice.history.pulumi import find
    from sluice.history.stack import look

    pulumi = find(cwd.resolve(), stack)
    if locks := held(pulumi, pulumi.backend()):
        raise Refused([f"{lock}; nothing was touched" for lock in locks])
    words = settings(version, kind, schema)
    commands = [pulumi.argv("config", "set-all", "--path", *words), pulumi.argv("up", "--yes", "--skip-preview")]
    say.lines("in plain Pulumi:", *(f"  {command}" for command in facts.shown(commands)))
    confirm(f"release {version} to '{pulumi.stack}'?", yes)
    pulumi.ask("config", "set-all", "--path", *words)
    code = pulumi.watch("up", "--yes", "--skip-preview", "--message", f"release {version}")
    if code:
        seen = look(pulumi)
        show(seen, make(seen, to=None, services_only=False, allowed=[], symptoms=[]))
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
