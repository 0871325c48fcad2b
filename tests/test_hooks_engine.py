"""Preflight, gate and record with the real engine: what people see, and what runs again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.engine import PROGRAM, Engine
from tests.fixtures.web import Answer, Web

pytestmark = pytest.mark.engine


@pytest.fixture
def stack(web: Web) -> Iterator[Engine]:
    one = Engine(PROGRAM.parent / "hooks")
    one.configure("sluice:url", web.tell("/health", Answer(200)))
    yield one
    one.close()


def test_life(stack: Engine, web: Web):
    """A failed gate is one line and proves nothing; the next update runs it again; a settled one runs nothing, and refresh sees nothing."""
    web.tell("/health", Answer(503))
    failed = stack.up()
    line = f"health of r1: status 503 != 200 ({web.url}/health) [P2]; 1 of 1 check failed within 0 s; next: Ada"
    assert not failed.ok
    assert f"    error: GateFailed: {line}\n" in failed.out
    assert "Traceback" not in failed.out
    assert "live" not in stack.outputs()

    web.tell("/health", Answer(200))
    assert stack.up().ok
    assert stack.outputs()["live"]["version"] == "1.1"

    stack.configure("sluice:settled", True)
    asked = len(web.asked)
    assert "4 unchanged" in stack.up().out
    assert stack.run("refresh", "--yes", "--expect-no-changes").ok
    assert len(web.asked) == asked


def test_refused(stack: Engine):
    """A refused release is a headline and a line each, and nothing after it runs."""
    stack.configure("sluice:open", False)
    refused = stack.up()
    assert not refused.ok
    expected = (
        "    error: Refused: r1 does not begin, nothing was touched: 1 thing to mend\n      - window: closed; run: date\n    next: Ada\n"
    )
    assert expected in refused.out
    assert "sluice:Gate" not in refused.out


def test_preview(stack: Engine):
    """A question that nobody can answer is refused in preview."""
    stack.configure("sluice:ask", "http.stat")
    refused = stack.preview()
    assert not refused.ok
    known = "http.status, http.json, http.duration, http.header"
    assert f"resource 'health' has a problem: check 'status': unknown question 'http.stat': known are {known}\n" in refused.out
