"""The listing of an archive, split: views that are computed are restored after everything else, since some read other systems."""

from __future__ import annotations

import re

VIEW = re.compile(r"^\d+; \d+ \d+ MATERIALIZED VIEW DATA ")
REFRESH = re.compile(r"^REFRESH MATERIALIZED VIEW .*;$", re.MULTILINE)


def split(contents: str) -> tuple[str, str]:
    """Return the lines of a listing without the contents of materialized views, and those alone ("" when there are none)."""
    lines = [line for line in contents.splitlines(keepends=True) if not line.startswith(";")]
    views = [line for line in lines if VIEW.match(line)]
    return "".join(line for line in lines if line not in views), "".join(views)


def refreshes(script: str) -> list[str]:
    """Return the statements that compute materialized views, in their order, from an archive's SQL."""
    return REFRESH.findall(script)
