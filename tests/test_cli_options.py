"""Options in groups: each group's fields are options of the verb that takes it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from sluice.cli import options
from sluice.core.errors import Refused, SluiceError, Unreachable

TOLD: list[object] = []


@options.spread
def verb(
    word: Annotated[str, typer.Argument()], asked: options.Asked = options.NEWEST, at: options.At = options.HERE, json: options.Json = False
) -> None:
    """Write down what came."""
    TOLD[:] = [word, asked, at, json]


def run(*words: str) -> list[object]:
    app = typer.Typer()
    app.command()(verb)
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return TOLD


def test_spread():
    """A verb gets each group whole, from options anywhere among its own, and the usual where nothing is said."""
    assert run("x") == ["x", options.NEWEST, options.HERE, False]
    given = run("--to-backup", "B1", "x", "--to-backup", "B2", "--stack", "prod", "--json", "-C", "/there")
    assert given == ["x", options.Asked(to_backup=["B1", "B2"]), options.At("prod", Path("/there")), True]
    verb(word="y", stack="prod")
    assert ["y", options.NEWEST, options.At("prod"), False] == TOLD


def test_signature():
    """What typer reads is the group's fields in the group's place."""
    assert list(inspect.signature(verb).parameters)[:3] == ["word", "to", "services_only"]
    assert list(inspect.signature(verb).parameters)[-3:] == ["stack", "cwd", "json"]


def test_wish():
    """A wish is read as a whole, and refused with all that does not go together."""
    wish = options.Asked(to_revision=["shop=0007", "0008"], db_only=True, symptom=["errors"], rate=0.2, severity="P0").wish
    assert (wish.only, wish.revisions, wish.severity) == ("database", {"shop": "0007", "": "0008"}, "P0")
    with pytest.raises(Refused) as caught:
        _ = options.Asked(services_only=True, db_only=True, to="").wish
    both = "--services-only and --db-only: each leaves the other half alone"
    assert caught.value.reasons == [both, "--to: is empty: name a release, or leave it out"]


@pytest.mark.parametrize(
    ("error", "at", "text"),
    [
        (
            Unreachable("database x: Connection refused"),
            options.HERE,
            "database x: Connection refused: `sluice doctor` looks for the cause",
        ),
        (
            Unreachable("`pulumi preview` failed: database x: Connection refused"),
            options.At("prod", Path("/a b")),
            "`pulumi preview` failed: database x: Connection refused: `sluice doctor --stack prod --cwd '/a b'` looks for the cause",
        ),
        (Unreachable("the shelf is locked: `pulumi up` goes on"), options.HERE, "the shelf is locked: `pulumi up` goes on"),
        (Refused(["no database 'x'"]), options.HERE, "no database 'x'"),
    ],
)
def test_told(error: SluiceError, at: options.At, text: str):
    """What cannot be asked has a next command: its own, or the one that looks for the cause, of the stack that was meant."""
    assert at.told(error) == text
