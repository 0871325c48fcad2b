"""Options that several verbs have, alone and in groups: `spread` gives a verb the options of each group that it takes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from sluice.core.errors import SluiceError
    from sluice.core.rollback.plan import Wish
    from sluice.history.pulumi import Pulumi
    from sluice.history.stack import Stack

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Print the plan and its commands, and change nothing.")]
Why = Annotated[
    str, typer.Option("--message", "-m", metavar="TEXT", help="Why, in your words: for the journal, and the report.", show_default=False)
]

StackName = Annotated[
    str | None,
    typer.Option("--stack", "-s", metavar="STACK", help="The stack; without it the one that is selected.", show_default=False),
]
Folder = Annotated[Path, typer.Option("--cwd", "-C", metavar="FOLDER", help="The program's folder, or one below it.", show_default=False)]

To = Annotated[
    str | None,
    typer.Option("--to", metavar="RELEASE", help="A proven release, by its id or version; without it the newest that nobody has left."),
]
Services = Annotated[
    bool, typer.Option("--services-only", help="Leave the databases alone; refused where the older code needs a step there.")
]
Data = Annotated[bool, typer.Option("--db-only", help="The databases alone; refused where what runs does not run with the result.")]
Revision = Annotated[
    list[str],
    typer.Option(
        "--to-revision", metavar="REVISION", help="With --db-only: a revision, or DATABASE=REVISION; else the target's.", show_default=False
    ),
]
Saved = Annotated[
    list[str],
    typer.Option("--to-backup", metavar="ID", help="Restore this backup, by its id, and lose what was written since.", show_default=False),
]
Exact = Annotated[bool, typer.Option("--exact", help="Give back expands too, which older code runs with, once the newer code is gone.")]
Accept = Annotated[
    list[str],
    typer.Option("--accept-loss", metavar="ID", help="A lossy migration, by its id, whose loss is accepted.", show_default=False),
]
Trouble = Annotated[
    list[str],
    typer.Option(
        "--symptom",
        metavar="WORD",
        help="What is seen: migration, artifact, service, health, smoke, performance, corruption, ...",
        show_default=False,
    ),
]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="SHARE", help="The share of requests that fail, 0 to 1, for `--symptom errors`.")
]
Severity = Annotated[str | None, typer.Option("--severity", metavar="P0..P3", help="Where people know better than the table.")]


@dataclass(frozen=True)
class At:
    """The stack that is meant: by its name, None for the selected one, and its program's folder."""

    stack: StackName = None
    cwd: Folder = Path()

    @property
    def pulumi(self) -> Pulumi:
        """Return the CLI for it."""
        from sluice.cli.job import chosen
        from sluice.history.pulumi import find

        return find(self.cwd.resolve(), self.stack or chosen(self.cwd.resolve()))

    def look(self) -> Stack:
        """Return it as it is now."""
        from sluice.history.stack import look

        return look(self.pulumi)

    @property
    def doctor(self) -> str:
        """Return the command that looks for what is wrong with it, as it is typed where this one was."""
        import shlex

        words = [*(["--stack", self.stack] if self.stack else []), *(["--cwd", str(self.cwd)] if self.cwd != Path() else [])]
        return f"`{shlex.join(['sluice', 'doctor', *words])}`"

    def told(self, error: SluiceError) -> str:
        """Return an error's text; of a system that cannot be asked with the command that looks for the cause, unless it names one."""
        from sluice.core.errors import Unreachable

        text = str(error)
        named = "`" in text.rpartition(": ")[2]
        return f"{text}: {self.doctor} looks for the cause" if isinstance(error, Unreachable) and not named else text


@dataclass(frozen=True)
class Asked:
    """What somebody asks for who wants to go back."""

    to: To = None
    services_only: Services = False
    db_only: Data = False
    to_revision: Revision = field(default_factory=list)
    to_backup: Saved = field(default_factory=list)
    exact: Exact = False
    accept_loss: Accept = field(default_factory=list)
    symptom: Trouble = field(default_factory=list)
    rate: Rate = None
    severity: Severity = None

    @property
    def wish(self) -> Wish:
        """Return it as it is read; Refused with everything in it that does not go together."""
        from sluice.core.errors import Refused
        from sluice.core.rollback.plan import Wish
        from sluice.core.rollback.symptom import read

        made = Wish(
            to=self.to,
            only="services" if self.services_only else "database" if self.db_only else None,
            revisions=dict(map(_revision, self.to_revision)),
            backups=self.to_backup,
            exact=self.exact,
            allowed=self.accept_loss,
            symptoms=read(self.symptom, self.rate, self.severity),
            severity=self.severity,  # type: ignore[arg-type]  # read has looked at it
        )
        halves = self.services_only and self.db_only
        both = ["--services-only and --db-only: each leaves the other half alone"] if halves else []
        if problems := [*both, *made.problems]:
            raise Refused(problems)
        return made


def _revision(text: str) -> tuple[str, str]:
    """Read 'shop=0007', or '0007' of the only database there is."""
    database, _, revision = text.rpartition("=")
    return database, revision


# What is meant where nobody says anything.
HERE, NEWEST = At(), Asked()
GROUPS = (At, Asked)


def spread(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the fields of each group that it takes as options of its own, and hand it the group: typer knows no groups."""
    given = inspect.signature(verb, eval_str=True).parameters
    groups = {name: one.annotation for name, one in given.items() if one.annotation in GROUPS}
    own = [made for name, one in given.items() for made in (_options(groups[name]) if name in groups else [one])]

    @functools.wraps(verb)
    def run(**words: Any) -> None:
        names = {name: [one.name for one in dataclasses.fields(group)] for name, group in groups.items()}
        parts = {name: group(**{one: words.pop(one) for one in names[name] if one in words}) for name, group in groups.items()}
        verb(**words, **parts)

    run.__signature__ = inspect.Signature([one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in own}
    return run


def _options(group: type) -> list[inspect.Parameter]:
    types, empty = get_type_hints(group, include_extras=True), group()
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(empty, name), annotation=types[name])
        for name in inspect.signature(group).parameters
    ]
