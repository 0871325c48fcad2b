"""What was live one after the other, and what was left by going back."""

from __future__ import annotations

from hypothesis import given

from sluice.core.rollback.course import course
from tests.test_core_rollback_past import EVENTS, GOOD, World, back, block, id_of, play


def walked(world: World) -> tuple[set[str], str]:
    found = course([record.id for record in world.records], world.updates)
    return found.left, found.last


@given(EVENTS)
def test_any_history(events: list[tuple[str, str]]):
    """For any history that is whole, what was left is what our own book-keeping has left."""
    world = play(events)
    assert walked(world)[0] == world.left


def test_by_command():
    """A release that was never proven is left by name: it is in the update's message."""
    world = play([*GOOD, (block("1.3"), "failed")])
    back(world, "1.3", "1.2")
    assert walked(world) == ({id_of("1.3")}, id_of("1.3"))


def test_killed():
    """Of updates that were killed the order in which releases are proven is the only trace: it tells who was left all the same."""
    world = play([*GOOD, (block("1.1"), "gone"), (block("1.3"), "good")])
    assert walked(world) == ({id_of("1.2")}, "")


def test_shortened():
    """Where the older part of history is gone, what was proven before is still older than what came after it."""
    world = play([*GOOD, (block("1.1"), "good")])
    world.updates = world.updates[:2]
    assert walked(world) == ({id_of("1.2")}, id_of("1.2"))


def test_without_state():
    """Where history keeps no state, what went through and is proven was live."""
    world = play([*GOOD, (block("1.3"), "failed"), (block("1.1"), "good")])
    world.updates = [one.model_copy(update={"proven": []}) for one in world.updates]
    assert walked(world) == ({id_of("1.2")}, id_of("1.2"))
