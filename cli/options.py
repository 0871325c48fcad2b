"""Options that several verbs have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sluice.core.rollback.plan import Wish

StackName = Annotated[str | None, typer.Option("--stack", "-s", help="The stack; without it the one that is selected.", show_default=False)]
Folder = Annotated[Path, typer.Option("--cwd", "-C", help="The program's folder, or one below it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
To = Annotated[str | None, typer.Option("--to", help="A proven release, by its id or version; without it the newest one but the failing.")]
Services = Annotated[
    bool, typer.Option("--services-only", help="Leave the databases alone; refused where the older code needs a step there.")
]
Data = Annotated[bool, typer.Option("--db-only", help="The databases alone; refused where what runs does not run with the result.")]
Revision = Annotated[list[str], typer.Option("--to-revision", help="With --db-only: a revision, or DATABASE=REVISION; else the target's.")]
Saved = Annotated[list[str], typer.Option("--to-backup", help="Restore this backup, by its id, and lose what was written since.")]
Exact = Annotated[bool, typer.Option("--exact", help="Give back expands too, which older code runs with, once the newer code is gone.")]
Accept = Annotated[list[str], typer.Option("--accept-loss", help="A lossy migration, by its id, whose loss is accepted.")]
Trouble = Annotated[
    list[str], typer.Option("--symptom", help="What is seen: migration, artifact, service, health, smoke, performance, corruption, ...")
]
Rate = Annotated[float | None, typer.Option("--rate", help="The share of requests that fail, 0 to 1, for `--symptom errors`.")]
Severity = Annotated[str | None, typer.Option("--severity", help="P0 to P3, where people know better than the table.")]
Why = Annotated[str, typer.Option("--message", "-m", help="Why, in your words: for the journal, and the report.", show_default=False)]

HERE = Path()


@dataclass(frozen=True)
class At:
    """The stack that is meant: by its program's folder and its name, None for the selected one."""

    cwd: Path
    stack: str | None

    @property
    def folder(self) -> Path:
        """Return the folder as it is found from anywhere."""
        return self.cwd.resolve()


def wish(
    *,
    to: str | None = None,
    services_only: bool = False,
    db_only: bool = False,
    to_revision: list[str] | None = None,
    to_backup: list[str] | None = None,
    exact: bool = False,
    accept_loss: list[str] | None = None,
    symptom: list[str] | None = None,
    rate: float | None = None,
    severity: str | None = None,
) -> Wish:
    """Read what somebody asks for; Refused with everything in it that does not go together."""
    from sluice.core.errors import Refused
    from sluice.core.rollback.plan import Wish
    from sluice.core.rollback.symptom import read

    made = Wish(
        to=to,
        only="services" if services_only else "database" if db_only else None,
        revisions=dict(map(_revision, to_revision or [])),
        backups=to_backup or [],
        exact=exact,
        allowed=accept_loss or [],
        symptoms=read(symptom or [], rate, severity),
        severity=severity,  # type: ignore[arg-type]  # read has looked at it
    )
    both = ["--services-only and --db-only: each leaves the other half alone"] if services_only and db_only else []
    if problems := [*both, *made.problems]:
        raise Refused(problems)
    return made


def _revision(text: str) -> tuple[str, str]:
    """Read 'shop=0007', or '0007' of the only database there is."""
    database, _, revision = text.rpartition("=")
    return database, revision
