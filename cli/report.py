"""`sluice report`: what happened to a release, as a page that can be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.cli import options, say

Which = Annotated[
    str | None,
    typer.Argument(metavar="RELEASE", help="A release, by its id or version; without it the newest attempt.", show_default=False),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file; default: report-RELEASE.html here, - is the screen.")
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Write Markdown, for a ticket or a chat.")]


@options.spread
def report(
    release: Which = None,
    output: Output = None,
    markdown: Markdown = False,
    at: options.At = options.HERE,
    json: options.Json = False,
) -> None:
    """Write one page about a release: timeline, verdicts, canary against live, database, what was gone back from, the incident checklist.

    In plain Pulumi: `pulumi stack output journal` names the file that it is made of, and `pulumi stack history` has the rest.
    """
    from datetime import UTC, datetime

    from sluice.core.report.build import report as make
    from sluice.core.report.report import choose
    from sluice.history.journal import known
    from sluice.systems import page

    found = known(at.look())
    made = make(found, choose(found, release), datetime.now(UTC))
    if json:
        say.data(made.wire())
        return
    text = page.markdown(made) if markdown else page.html(made)
    # The journal is a file like any other: what it calls a release must not become a path.
    name = f"report-{made.release.replace('/', '-')}.html"
    write(output or Path("-" if markdown else name), text)


def write(path: Path, text: str) -> None:
    """Write a file, and say where it is; - is the screen. What is there is written into: it may be a link, or a device."""
    from sluice.core.errors import Unreachable

    if path == Path("-"):
        say.lines(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unreachable(f"'{path}' cannot be written ({error.strerror}): name another file with --output") from None
    say.lines(f"written: {path}")
