"""What commands add to a stack's journal, and what a report is made of."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from sluice.cli.journal import done
from sluice.core.errors import Refused
from sluice.core.journal import Happened
from sluice.core.moment import Moment
from sluice.core.record import Record
from sluice.history.journal import known, note
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import home, journal
from sluice.systems.keeper import file
from tests.fixtures.journal import NOON, good

ROLLOUT = {
    "contacts": {"on-call": {"name": "Ben", "contact": "ben@example.org"}},
    "approvals": {"given": [{"release": "r", "by": "grace", "role": "manager", "nonce": "1"}]},
}


def stack(tmp_path: Path, rollout: object = None, **outputs: Any) -> Stack:
    """Return a stack whose state and config are these."""
    state = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    text = None if rollout is None else json.dumps(rollout)
    return Stack(Pulumi(tmp_path, "organization/shop/production"), "file://", state, '{"version":"1.2.0"}', [], text)


def test_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever asks is written down with why, about the release in config unless another is named; no secret of the deployer's with it."""
    monkeypatch.setenv("DEPLOY_TOKEN", "pl4nted-token")
    seen = stack(tmp_path, journal=str(tmp_path / "journal.jsonl"))
    assert note(seen, Moment.ABORT, "orders are lost, pl4nted-token") == []
    assert note(seen, Moment.ROLLBACK, "", release="1.0.0-x", figures={"failing": "1.1.0-y"}) == []
    (abort, rollback), _ = journal.read(tmp_path / "journal.jsonl")
    assert (abort.event, abort.moment, abort.stack, abort.text) == (Happened.ASKED, "abort", "production", "orders are lost, ***")
    assert (abort.release, abort.run) == (seen.configured, "")
    assert (rollback.release, rollback.figures) == ("1.0.0-x", {"failing": "1.1.0-y"})


def test_a_message_that_is_no_text(tmp_path: Path):
    """Bytes of a command line that are no UTF-8 keep nothing from being written down, and nobody from going on."""
    seen = stack(tmp_path, journal=str(tmp_path / "journal.jsonl"))
    assert note(seen, Moment.ABORT, os.fsdecode(b"orders \xff lost")) == []
    ((one,), skipped) = journal.read(tmp_path / "journal.jsonl")
    assert (one.text, skipped) == ("orders ? lost", 0)


@pytest.mark.parametrize(
    ("error", "text"),
    [(None, "one; two"), (Refused(["no"]), "no"), (ValueError("s3cret"), "ValueError"), (KeyboardInterrupt(), "KeyboardInterrupt")],
)
def test_done(tmp_path: Path, error: BaseException | None, text: str):
    """Of what is done at once the end is written down too: its lines, or why it failed; of an error that nobody raised on purpose only
    its kind."""

    def act() -> list[str]:
        if error:
            raise error
        return ["one", "two"]

    seen = stack(tmp_path, journal=str(tmp_path / "journal.jsonl"))
    with pytest.raises(type(error)) if error else nullcontext():
        assert done(seen, Moment.REPAIR, "rows of users", act, release="1-a", database="shop") == ["one", "two"]
    (asked, came), _ = journal.read(tmp_path / "journal.jsonl")
    assert (asked.event, asked.text, asked.figures) == (Happened.ASKED, "rows of users", {"database": "shop"})
    assert (came.event, came.text) == (Happened.FAILED if error else Happened.PASSED, text)
    assert (asked.release, came.release, came.figures) == ("1-a", "1-a", {} if error else {"lines": ["one", "two"]})


def test_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stack from before there were journals has nothing to write to, and no report; one that cannot be written is a warning."""
    seen = stack(tmp_path)
    assert note(seen, Moment.ABORT, "x") == []
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    with pytest.raises(Refused) as error:
        known(seen)
    place = f"{tmp_path}/home/shop-production/journal.jsonl"
    assert str(error.value) == (
        f"'organization/shop/production' has no journal: state names none, and '{place}' is not there; "
        "the next release begins one, and one that was destroyed is found where SLUICE_HOME was then"
    )
    blocked = stack(tmp_path, journal=str(tmp_path))
    assert note(blocked, Moment.ABORT, "x") == [f"the journal '{tmp_path}' cannot be written (Is a directory)"]


def test_known(tmp_path: Path):
    """A report has the journal, with what could not be read of it, the records, and from config who approved and who is called."""
    path = tmp_path / "journal.jsonl"
    for event in good():
        journal.append(path, event.line())
    with path.open("a") as file:
        file.write("{torn")
    record = Record(id=good()[0].release, version="1.1.0", kind="minor", services={}, at=NOON)
    found = known(stack(tmp_path, ROLLOUT, journal=str(path), proven=[record.text]))
    assert (found.events, found.skipped, found.stack) == (good(), 1, "production")
    assert [one.id for one in found.records] == [record.id]
    assert ([one.by for one in found.approvals], [one.name for one in found.contacts]) == (["grace"], ["Ben"])
    assert found.notes == []


def test_destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stack that was destroyed has no outputs, and its journal is where it was: the report finds it there. What another stack has written
    there is not taken for its own."""
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    path = home.journal("shop", "production")
    path.parent.mkdir(parents=True)
    other = good()[0].model_copy(update={"stack": "p-production"})
    for event in (*good(), other):
        journal.append(path, event.line())
    seen = stack(tmp_path)
    found = known(Stack(seen.pulumi, seen.backend, {}, seen.config, []))
    assert (found.events, found.notes) == (good(), [])


def test_a_keeper_apart(tmp_path: Path):
    """Lines that a keeper has written elsewhere are where they belong in time; a splitter that cannot be reached is a note."""
    first, *_, last = good()
    journal.append(tmp_path / "journal.jsonl", first.line())
    journal.append(tmp_path / "journal.jsonl", last.line())
    between = first.model_copy(update={"text": "the hold is over", "at": first.at + (last.at - first.at) / 2})
    there = tmp_path / "there"
    there.mkdir()
    journal.append(there / "journal.jsonl", between.line())
    assert [one.text for one in known(apart(tmp_path, there, ["env"])).events] == [first.text, "the hold is over", last.text]
    found = known(apart(tmp_path, there, ["sh", "-c", "echo no such container >&2"]))
    why = "'sh -c 'echo no such container >&2' python ...' does not answer: no such container"
    assert (len(found.events), found.notes) == (2, [f"what the keeper has written is not known: {why}"])


def apart(tmp_path: Path, folder: Path, through: list[str]) -> Stack:
    """Return a stack whose splitter is behind a command."""
    seen = stack(tmp_path, journal=str(tmp_path / "journal.jsonl"))
    split = {"kind": "envoy", "folder": str(folder), "admin": "", "through": through}
    door = {"type": "pulumi-python:dynamic/docker:Healthy", "inputs": {}, "outputs": {"descriptor": {"split": split}}}
    return Stack(seen.pulumi, seen.backend, {"resources": [*seen.state["resources"], door]}, seen.config, [])


def test_the_keepers_word(tmp_path: Path):
    """What the keeper took back and could not write down is told from what it says."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, good()[0].line())
    file.say(
        str(tmp_path), {"judges": None, "ended": {"release": "1.2.0-8cbcf7", "why": "error rate 12.0 % > 5.0 %", "at": NOON.timestamp()}}
    )
    seen = stack(tmp_path, journal=str(path))
    proxy = {"type": "pulumi-python:dynamic/process:Proxy", "inputs": {}, "outputs": {"split": {"folder": str(tmp_path)}}}
    found = known(Stack(seen.pulumi, seen.backend, {"resources": [*seen.state["resources"], proxy]}, seen.config, []))
    assert found.notes == ["the keeper took back the traffic of 1.2.0-8cbcf7 at 2026-11-24 12:00:00 UTC: error rate 12.0 % > 5.0 %"]
    ended = {"release": "1.2.0-8cbcf7", "why": "error rate", "at": NOON.timestamp(), "noted": True}
    file.say(str(tmp_path), {"judges": None, "ended": ended})
    assert known(Stack(seen.pulumi, seen.backend, {"resources": [*seen.state["resources"], proxy]}, seen.config, [])).notes == []


def test_broken_rollout(tmp_path: Path):
    """Settings that are wrong by now keep nobody from a report."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, good()[0].line())
    found = known(stack(tmp_path, {"ladder": "up"}, journal=str(path)))
    assert (found.approvals, found.contacts) == ((), ())
    assert found.notes == ["approvals and contacts are not known, as sluice:rollout is not valid"]


def test_rollout_as_text(tmp_path: Path):
    """A rollout that was set as one text is read like any other."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, good()[0].line())
    assert [one.name for one in known(stack(tmp_path, json.dumps(ROLLOUT), journal=str(path))).contacts] == ["Ben"]


def test_database_down(tmp_path: Path):
    """A database that does not answer is a note, and the rest of the report is there."""
    path = tmp_path / "journal.jsonl"
    journal.append(path, good()[0].line())
    seen = stack(tmp_path, journal=str(path), databases={"shop": {}})
    server = {"host": "127.0.0.1", "port": 1, "user": "u", "passfile": "/none", "tools": "/none"}
    resources = [*seen.state["resources"], {"type": "pulumi-python:dynamic/process:Postgres", "inputs": server}]
    found = known(Stack(seen.pulumi, seen.backend, {"resources": resources}, seen.config, []))
    assert len(found.events) == 1
    (why,) = found.notes
    assert why.startswith("the migrations of 'shop' are not known: ")
