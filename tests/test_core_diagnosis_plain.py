"""What one would type to ask a check oneself."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.core.check import Check, Limit
from sluice.core.diagnosis.plain import plain


@pytest.mark.parametrize(
    ("ask", "of", "typed"),
    [
        ("http.status", {"url": "http://u:p@h:1/a?token=x"}, "curl -sS -i -X GET http://h:1/a"),
        ("http.json", {"url": "http://h/", "path": "$.a", "method": "POST", "headers": {"a": "env:T"}}, "curl -sS -i -X POST http://h/"),
        (
            "sql",
            {"host": "db", "user": "u", "dbname": "shop", "passfile": "/p", "port": 7.0, "query": "select 1"},
            "PGPASSFILE=/p psql -h db -p 7 -U u -d shop -c 'select 1'",
        ),
        ("logs.ratio", {"path": "/log/a b"}, "tail -n 100 '/log/a b'"),
        ("process.cpu", {"pidfile": "/run/web.pid", "cpu": 1}, ""),
    ],
)
def test_plain(ask: str, of: dict[str, Any], typed: str):
    """A command asks the same, without what a URL or a header may hold in secrets; where there is none, none is made up."""
    assert plain(Check(name="c", ask=ask, of=of, limit=Limit(is_="==", value=1))) == typed
