"""Any history, in the files that a backend writes: where going back leads, and the bytes that it brings again."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.rollback.block import release_id
from sluice.core.rollback.course import BACK
from sluice.core.update import Outcome, Update
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.history.updates import entries
from tests.test_core_rollback_past import TEXTS, World

OTHERS = ("refresh", "destroy", "import", "preview")
HOW = st.sampled_from(["good", "failed", "late", "interrupted", "gone", "back", *OTHERS])
EVENTS = st.lists(st.tuples(TEXTS, HOW), min_size=1, max_size=20)


def play(events: list[tuple[str, str]]) -> World:
    """Play events; `back` is a rollback that came through, to where the rules lead from what is live."""
    world = World()
    for text, how in events:
        if how == "back":
            back(world)
        elif how in OTHERS:
            world.other(how, text)
        else:
            world.update(text, how)
    return world


def back(world: World) -> None:
    live = world.records[0] if world.records else None
    # The record's own bookkeeping, not the history that is under test.
    past = [one for one in world.records[1:] if one.id in world.proving]
    if live and past:
        world.update(world.proving[past[0].id], "good")
        world.left.add(live.id)
        world.updates[0] = world.updates[0].model_copy(update={"message": f"{BACK}{live.id} to {past[0].id}"})


def written(world: World, folder: Path, *, packed: bool) -> None:
    """Write a world as `pulumi` does: an entry a run, its number the time in nanoseconds, and the state that it left beside it."""
    for number, update in enumerate(reversed(world.updates)):
        stem = f"prod-{(update.begun * 10**9) + number}"
        files = {"history": entry(update), "checkpoint": json.dumps(checkpoint(update), indent=4)}
        for kind, text in files.items():
            path = folder / f"{stem}.{kind}.json"
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode())) if packed else path.write_text(text)


def entry(update: Update) -> str:
    told = {
        "kind": update.kind,
        "startTime": update.begun,
        "message": update.message,
        "environment": {"git.head": "0" * 40, "git.dirty": "true"},
        "config": {"sluice:other": "x"},
        "result": "failed" if update.outcome is not Outcome.SUCCEEDED else "succeeded",
        "endTime": update.ended,
        "version": 0,
    }
    # The value is bytes that no parser has touched.
    return json.dumps(told, indent=4).replace('"sluice:other": "x"', f'"sluice:other": "x",\n        "sluice:release": {update.release}')


def checkpoint(update: Update) -> dict[str, Any]:
    resources = [{"type": "pulumi:pulumi:Stack", "outputs": {"proven": update.proven}}]
    pending = [{"resource": {"urn": "urn:pulumi:prod::shop::x::y"}, "type": "creating"}] if update.outcome is Outcome.INTERRUPTED else []
    latest = {"secrets_providers": {"type": "passphrase"}, "resources": resources, "pending_operations": pending}
    return {"version": 3, "checkpoint": {"stack": "prod", "latest": latest}}


def read(world: World, configured: str | None, *, packed: bool) -> Stack:
    """Return the stack as the command sees it, from files and state alone."""
    with tempfile.TemporaryDirectory() as folder:
        written(world, Path(folder), packed=packed)
        found = entries(Path(folder))
    outputs = {"proven": [record.text for record in world.records]}
    return Stack(Pulumi(Path(), "prod"), "", {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}, configured, found)


def reached(world: World) -> dict[str, str]:
    """Return the blocks that history can know: a killed CLI leaves no entry, until another update has the very same release."""
    entries = [one.release for one in world.updates if one.kind == "update" and one.release]
    known = {release_id(text): text for text in entries}
    return {id: text for id, text in world.proving.items() if id in known}


@settings(max_examples=150, deadline=None)
@given(EVENTS, TEXTS, st.booleans())
def test_any_history(events: list[tuple[str, str]], configured: str, packed: bool):
    """For any history the files say what was live, each proven release has the bytes that proved it, and the target is the newest other."""
    world = play(events)
    seen = read(world, configured, packed=packed)
    assert [past.id for past in seen.pasts] == [record.id for record in world.records]
    known = reached(world)
    assert {past.id for past in seen.pasts if past.config is not None} == {record.id for record in world.records} & set(known)
    # Of a release whose own entry is missing the same release stands in, which may be spaced otherwise.
    assert all(release_id(past.config) == past.id for past in seen.pasts if past.config)
    if "gone" not in {how for _, how in events}:
        assert {past.id: past.config for past in seen.pasts} == {record.id: world.proving[record.id] for record in world.records}
        world.check(seen.aim, seen.configured)
    assert seen.aim.target is None or seen.aim.target.id != seen.aim.failing
