"""What a failing hook does and says."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from sluice.core.errors import GateFailed, Refused, SluiceError, Superseded, Unreachable
from sluice.core.split import Route
from sluice.hooks.failure import Unexpected, reported
from sluice.hooks.gate import rules
from sluice.systems import splits
from tests.fixtures.front import Front
from tests.fixtures.web import Answer, Web

CONTACTS = [{"name": "Bob", "after": 900}, {"name": "Ada", "address": "ada@example.org"}]


def printed(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what the engine would be given."""
    monkeypatch.setattr(sys, "tracebacklimit", 0, raising=False)
    try:
        raise error
    except BaseException:
        return traceback.format_exc()


def failing(error: Exception, **props: Any) -> SluiceError:
    with pytest.raises(SluiceError) as caught, reported(props):
        raise error
    return caught.value


def test_line(monkeypatch: pytest.MonkeyPatch):
    """What is printed is one line: the kind of error without its module, why, who is next, and where to look."""
    error = failing(GateFailed("status 503 != 200"), contacts=CONTACTS, look="web.log")
    assert isinstance(error, GateFailed)
    expected = "GateFailed: status 503 != 200; next: Ada (ada@example.org), then Bob after 15 min; look at web.log\n"
    assert printed(error, monkeypatch) == expected


def test_lines(monkeypatch: pytest.MonkeyPatch):
    """A list of reasons stays a list, and keeps its reasons."""
    error = failing(Refused(["a", "b"], headline="r1 does not begin"), contacts=CONTACTS[1:])
    assert isinstance(error, Refused)
    assert error.reasons == ["a", "b"]
    assert printed(error, monkeypatch) == "Refused: r1 does not begin\n  - a\n  - b\nnext: Ada (ada@example.org)\n"


def test_pass():
    """Nothing happens when nothing fails."""
    with reported({"fallback": {"kind": "none"}, "notify": [{"kind": "slack", "url": "env:NONE"}]}):
        pass


def test_bug(monkeypatch: pytest.MonkeyPatch):
    """A bug is one line with its type and the last place of ours; not its text, which may hold a secret."""

    def broken() -> None:
        rules({"release": "r1", "moment": "planted"})

    error = failing(caught(broken))
    place = "Unexpected: ValidationError in sluice.core.value, line "
    assert isinstance(error, Unexpected)
    assert printed(error, monkeypatch).startswith(place)
    assert printed(error, monkeypatch).endswith("; this is a bug, please report this line\n")
    assert "planted" not in printed(error, monkeypatch)


def caught(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_bug_elsewhere():
    """A bug without a line of ours is said to be at an unknown place."""
    assert str(failing(KeyError("x"))) == "KeyError in an unknown place; this is a bug, please report this line"


def test_fallback_broken():
    """When traffic cannot be put back, that is said in capitals, beside the first reason."""
    error = failing(GateFailed("smoke failed"), fallback={"kind": "rope"})
    assert str(error).startswith("smoke failed; AND TRAFFIC IS NOT BACK: ValueError in sluice.systems.splits, line ")


def test_notify(web: Web, monkeypatch: pytest.MonkeyPatch):
    """People are told with the reason, the release and who is next."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(200)))
    hooks = [{"kind": "discord", "url": "env:HOOK"}]
    error = failing(GateFailed("status 503 != 200"), release="r1", moment="health", contacts=CONTACTS[1:], notify=hooks)
    assert str(error) == "status 503 != 200; next: Ada (ada@example.org)"
    told = json.loads(web.asked[0].body)
    assert told["content"] == "GateFailed: status 503 != 200"
    assert [(field["name"], field["value"]) for field in told["embeds"][0]["fields"]] == [
        ("release", "r1"),
        ("state", "failed"),
        ("moment", "health"),
        ("next", "Ada (ada@example.org)"),
    ]


def test_notify_broken(web: Web, monkeypatch: pytest.MonkeyPatch):
    """A webhook that fails leaves a warning in the line, and hides nothing."""
    monkeypatch.setenv("HOOK", web.tell("/hook", Answer(500)))
    error = failing(Unreachable("no answer"), notify=[{"kind": "slack", "url": "env:HOOK"}])
    assert isinstance(error, Unreachable)
    assert str(error) == "no answer; slack webhook not told, 2 tries: status 500"


def test_contacts_broken():
    """Contacts that cannot be read leave a note, and hide nothing."""
    text = str(failing(GateFailed("smoke failed"), contacts=[{"nam": "Ada"}]))
    assert text.startswith("smoke failed; contacts not known: ValidationError in sluice.core.value, line ")


@pytest.fixture
def canary(front: Front) -> dict[str, Any]:
    """Return a split whose canary has 10 %."""
    route = Route(service="web", prefix="/web/", live="web@1.0", canary="web@1.1")
    front.divide("r1", route, 10)
    return front.descriptor([route])


@pytest.mark.embedded
def test_fallback(canary: dict[str, Any]):
    """Traffic is back on the live version before the error goes on, and the line says so; after a bug too."""
    error = failing(GateFailed("smoke failed"), fallback=canary)
    assert splits.settled(canary)
    assert str(error) == "smoke failed; traffic is back on the live version"


@pytest.mark.embedded
def test_fallback_after_bug(canary: dict[str, Any]):
    """After a bug traffic is back too."""
    failing(KeyError("x"), fallback=canary)
    assert splits.settled(canary)


@pytest.mark.embedded
def test_superseded(canary: dict[str, Any]):
    """After a takeover the split is another deployer's, and left alone."""
    error = failing(Superseded("another deployer has it"), fallback=canary)
    assert not splits.settled(canary)
    assert str(error) == "another deployer has it"
