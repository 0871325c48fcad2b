"""How the command speaks: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Where nobody looks at a screen there is no width to fit into.
WIDE = 240


def data(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def lines(*texts: str) -> None:
    """Print lines as they are; nothing when there is none."""
    if texts:
        print("\n".join(texts), flush=True)


def error(text: str) -> None:
    """Print an error."""
    print(f"error: {text}", file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str] | None = None) -> None:
    """Print a table; `styles` are how words look in its cells."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    console.print(made)


def when(at: float) -> str:
    """Write a moment in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}Z"
