"""Which version of a single service runs, whatever ends and starts it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.swap import Swap
from tests.fixtures.stack import tracebacks

__all__ = ["tracebacks"]


class Fake(Swap):
    """Versions that run in a set; `ill` are those that do not become well, `gone` those that cannot be started."""

    def __init__(self, *running: str, ill: tuple[str, ...] = (), gone: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.running, self.ill, self.gone, self.most = set(running), ill, gone, len(running)
        self.error = error or RuntimeFailed("it is ill")

    def there(self, props: dict[str, Any]) -> None:
        if props["name"] in self.gone:
            raise RuntimeFailed("it is gone")

    def others(self, props: dict[str, Any]) -> list[str]:
        return sorted(self.running - {props["name"]})

    def rest(self, props: dict[str, Any], name: str) -> None:
        self.running.discard(name)

    def wake(self, props: dict[str, Any]) -> None:
        self.running.add(props["name"])
        self.most = max(self.most, len(self.running))
        if props["name"] in self.ill:
            raise self.error

    def alive(self, props: dict[str, Any]) -> bool:
        return props["name"] in self.running


def props(name: str) -> dict[str, Any]:
    return {"spec": json.dumps({"name": name, "service": "dlq", "known": {"name": name}}), "secrets": {}}


def outs(name: str) -> dict[str, Any]:
    return {**props(name), "descriptor": {"name": name}}


def test_takes_the_place():
    """The others end before the new one starts: at no time do two run."""
    fake = Fake("dlq@1")
    assert fake.update("dlq", outs("dlq@1"), props("dlq@2")).outs == outs("dlq@2")
    assert (fake.running, fake.most) == ({"dlq@2"}, 1)
    # What a failed update has left, of which nobody knows any more.
    left = Fake("dlq@0", "dlq@1")
    left.create(props("dlq@2"))
    assert left.running == {"dlq@2"}


def test_not_well():
    """When the new one does not become well the old one runs again, and the error says so; what ran besides stays at rest."""
    fake = Fake("dlq@0", "dlq@1", ill=("dlq@2",))
    with pytest.raises(RuntimeFailed) as error:
        fake.update("dlq", outs("dlq@1"), props("dlq@2"))
    assert str(error.value) == "it is ill; 'dlq@1' runs again"
    assert fake.running == {"dlq@1"}


def test_neither():
    """When the old one does not start either, both reasons are told."""
    fake = Fake("dlq@1", ill=("dlq@1", "dlq@2"))
    with pytest.raises(RuntimeFailed) as error:
        fake.update("dlq", outs("dlq@1"), props("dlq@2"))
    assert str(error.value) == "it is ill; and 'dlq@1', which ran before it, did not start again: it is ill"


def test_first():
    """Where nothing ran before nothing runs after a failure; one that is started again has nobody before it."""
    for olds in ({}, outs("dlq@2")):
        fake = Fake(ill=("dlq@2",))
        with pytest.raises(RuntimeFailed, match=r"^it is ill$"):
            fake.update("dlq", olds, props("dlq@2")) if olds else fake.create(props("dlq@2"))
        assert fake.running == set()


def test_gone():
    """Nobody is ended for one that cannot be started."""
    fake = Fake("dlq@1", gone=("dlq@2",))
    with pytest.raises(RuntimeFailed, match=r"^it is gone$"):
        fake.update("dlq", outs("dlq@1"), props("dlq@2"))
    assert fake.running == {"dlq@1"}


def test_told_to_stop():
    """An update that is ended while it waits brings the old one back too, and ends as it was told to."""
    fake = Fake("dlq@1", ill=("dlq@2",), error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        fake.update("dlq", outs("dlq@1"), props("dlq@2"))
    assert fake.running == {"dlq@1"}


def test_diff():
    """Another version, and a death, are changes; that others rest is none."""
    fake = Fake("dlq@1")
    assert not fake.diff("dlq", outs("dlq@1"), props("dlq@1")).changes
    assert fake.diff("dlq", outs("dlq@1"), props("dlq@2")).changes
    fake.running.clear()
    assert fake.diff("dlq", outs("dlq@1"), props("dlq@1")).changes


def test_delete():
    """Who runs is ended by its own resource."""
    fake = Fake("dlq@1")
    fake.delete("dlq", outs("dlq@1"))
    assert fake.running == {"dlq@1"}
