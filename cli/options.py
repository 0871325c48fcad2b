"""Options that several verbs have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

StackName = Annotated[str | None, typer.Option("--stack", "-s", help="The stack; without it the one that is selected.", show_default=False)]
Folder = Annotated[Path, typer.Option("--cwd", "-C", help="The program's folder, or one below it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
To = Annotated[str | None, typer.Option("--to", help="A proven release, by its id or version; without it the newest one but the failing.")]
Only = Annotated[bool, typer.Option("--services-only", help="Leave the databases alone; refused where the older code needs a step there.")]
Accept = Annotated[list[str], typer.Option("--accept-loss", help="A lossy migration, by its id, whose loss is accepted.")]
Trouble = Annotated[
    list[str], typer.Option("--symptom", help="What is seen: migration, artifact, service, health, smoke, performance, corruption, ...")
]
Rate = Annotated[float | None, typer.Option("--rate", help="The share of requests that fail, 0 to 1, for `--symptom errors`.")]
Severity = Annotated[str | None, typer.Option("--severity", help="P0 to P3, where people know better than the table.")]

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
