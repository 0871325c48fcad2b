"""Permissions: for one release and one time, and the command that gives one, run by the real CLI."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluice.core.settings import Leave, Permission, ask, leave, parse_text, production
from sluice.core.settings.permission import without
from tests.test_core_settings_approval import stack

ID = "1.1.0+b-a1b2c3"
ADA = {"release": ID, "by": "ada", "nonce": "n1", "downgrade": "needed", "lossy": ["shop/0007"]}


def left(*given: dict[str, Any], spent: set[str] | None = None) -> Leave:
    return leave([Permission.read(one) for one in given], ID, spent or set())


def void(*given: dict[str, Any], spent: set[str] | None = None) -> str:
    return ask([Permission.read(one) for one in given], ID, spent or set(), "production").void


def test_given():
    """A permission counts for its release while its nonce is new; several add up, and the further way back holds."""
    assert left() == Leave()
    assert left(ADA) == Leave(downgrade="needed", lossy=("shop/0007",))
    more = {**ADA, "nonce": "n2", "downgrade": "exact", "lossy": ["shop/0006", "shop/0007"]}
    assert left(ADA, more) == Leave(downgrade="exact", lossy=("shop/0007", "shop/0006"))


def test_whole():
    """Leave to go all the way stands alone, and says nothing of databases."""
    whole = {"release": ID, "by": "ada", "nonce": "n3", "whole": True}
    assert left(whole) == Leave(whole=True)
    assert left(ADA, whole) == Leave(downgrade="needed", lossy=("shop/0007",), whole=True)
    assert left(whole, spent={"n3"}) == Leave()


def test_skipped():
    """Who lets a release go without something is told, the first of several; a way back alone lets it do nothing of that."""
    skip = {"release": ID, "by": "bob", "nonce": "n2", "skip": "backup"}
    assert left(ADA, skip) == Leave(downgrade="needed", lossy=("shop/0007",), skipped={"backup": "bob"})
    assert [one.skipped for one in (left(ADA), left(skip, spent={"n2"}), left({**skip, "release": "1.0.0-ffffff"}))] == [{}, {}, {}]
    tests = {**skip, "by": "eve", "nonce": "n3", "skip": "tests"}
    assert left(skip, tests, {**tests, "by": "dan", "nonce": "n4"}).skipped == {"backup": "bob", "tests": "eve"}


def test_without():
    """What a release goes without ends a sentence, with who lets it; one that goes through all adds nothing."""
    assert without({}) == ""
    assert without({"tests": "ada"}) == ", without its smoke tests by leave of 'ada'"
    both = ", without a backup by leave of 'bob' and without its smoke tests by leave of 'ada'"
    assert without({"backup": "bob", "tests": "ada"}) == both


@pytest.mark.parametrize(
    ("stack", "requires", "approvals", "why"),
    [
        ("production", "", [], "it is called 'production'"),
        ("dev", "staging", ["lead"], "its releases are proven on 'staging' first"),
        ("dev", "", ["lead"], "its releases are approved by 'lead'"),
        ("staging", "", [], ""),
    ],
)
def test_production(stack: str, requires: str, approvals: list[str], why: str):
    """Production is what is called so, and every stack whose releases somebody must have proven or approved."""
    assert production(stack, requires, approvals) == why


def test_by_database():
    """The same revision of another database is not meant."""
    given = left({**ADA, "lossy": ["shop/0007", "users/0007", "shop/2"]})
    assert (given.of("shop"), given.of("users"), given.of("sho")) == (("0007", "2"), ("0007",), ())


def test_void():
    """One for another release, or with a nonce that a proven release has spent, allows nothing, and people are told so."""
    other = {**ADA, "release": "1.0.0-ffffff"}
    assert (left(other), void(other)) == (Leave(), " ('ada' has allowed '1.0.0-ffffff')")
    assert (left(ADA, spent={"n1"}), void(ADA, spent={"n1"})) == (Leave(), " again (the nonce of its permission is spent)")
    assert void() == ""


@pytest.mark.engine
def test_command(tmp_path: Path):
    """The command works as it stands: run in a shell, with the real CLI, it gives the leave that was missing."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    config = stack(tmp_path)
    asked = ask([], "1.2.0+b-ffffff", set(), "test").command("exact", ["shop/0007", "users/8"], "n0a")
    config.run("bash", "-c", asked)
    again = ask([Permission.read(ADA)], "1.2.0+b-ffffff", set(), "test")
    config.run("bash", "-c", again.command("needed", [], "77"))
    read = parse_text(*config("release", "rollout"), now=datetime.now(UTC)).rollout.permissions
    assert leave(read, "1.2.0+b-ffffff", set()) == Leave(downgrade="exact", lossy=("shop/0007", "users/8"))
    assert leave(read, "1.2.0+b-ffffff", {"n0a"}) == Leave(downgrade="needed")
