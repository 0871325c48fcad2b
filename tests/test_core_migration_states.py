"""Every row that a crash or a failure can leave, against every next command: what runs, or why nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from sluice.core.migration import dirty
from sluice.core.migration.file import Migration, parse
from sluice.core.migration.history import Plan, Step, plan
from sluice.core.migration.row import Row, State

# Scripts of two statements (a backfill has one), by what their statements are.
COUNT, SAFE, UNSAFE = (
    "insert into a values ({})",
    "create index concurrently if not exists i{} on a (b)",
    "create index concurrently i{} on a (b)",
)
COMMIT = "call p({})"
NONE = "-- transaction: none\n"
KINDS = {
    "whole": ("", COUNT, COUNT),
    "count": (NONE, COUNT, COUNT),
    "safe": (NONE, SAFE, COUNT),
    "unsafe": (NONE, UNSAFE, COUNT),
    "last": (NONE, COUNT, UNSAFE),
    "commit": (NONE, COMMIT, COUNT),
    "fill": ("-- backfill: batch=5\n", "update a set b = {} where b in (select b from a limit :batch)"),
}
DOWN = {name: (head.replace("-- backfill: batch=5\n", ""), *rest) for name, (head, *rest) in KINDS.items()}
NEXT = parse("0002_next", "select 2", "select 1")


def text(parts: tuple[str, ...], *, edited: int = -1, sign: str = "") -> str:
    """Write a script; `edited` is the statement that is another one."""
    head, *statements = parts
    return head + ";\n".join(one.format(f"{sign or ''}{n + (10 if n == edited else 1)}") for n, one in enumerate(statements))


def made(kind: str, *, edited: int = -1, phase: str = "expand", way: str = "reversible") -> Migration:
    """Return a migration; its way back is of the same kind, but in a transaction for a backfill."""
    head = f"-- phase: {phase}\n-- way: {way}\n"
    back = text(DOWN[kind], sign="7").replace(":batch", "5")
    return parse("0001_one", head + text(KINDS[kind], edited=edited), back)


def texts(one: Migration) -> dict[str, str]:
    """Return what a row keeps of its file."""
    return {name: getattr(one, name) for name in ("id", "name", "sha256", "phase", "way", "up", "down")}


def row(kind: str, state: State, done: int, doing: int, *, one: Migration | None = None) -> Row:
    one = one or made(kind)
    script = one.back if state == "reverting" else one.forward
    assert script
    error = "as the server said" if state == "failed" else ""
    return Row(**texts(one), state=state, total=len(script.statements), done=done, doing=doing, error=error)


def reachable(kind: str) -> Iterator[tuple[State, int, int]]:
    """Yield every row that `systems/migration_step.py` can leave, wherever it is stopped, and what a person is told to write into it."""
    one = made(kind)
    yield "applied", len(one.forward.statements), 0
    for state in ("running", "failed", "reverting"):
        script = one.back if state == "reverting" else one.forward
        assert script
        if script.transactional:
            yield state, 0, 0
            continue
        for done in range(len(script.statements) + 1):
            yield state, done, 0
            for next in script.statements[done : done + 1]:
                # Of a failure the end is known, except where a part may have been committed.
                if next.commits or (next.alone and state != "failed"):
                    yield state, done, done + 1


# What is asked next: `same` and `settle` want this migration, with the file as it was; `tail` and `head` with its last or first
# statement changed; `newer` the one after it; `gone` too, but this one's file is no more; `older` wants neither, in expand; `runs`
# too, with a record that says that it runs on a newer database; `back` is settle to before it.
COMMANDS = ("same", "tail", "head", "settle", "newer", "gone", "older", "runs", "back")


def asked(command: str, kind: str, found: Row | None) -> str:
    """Plan one command, and say in one word what comes of this migration."""
    last = len(KINDS[kind]) - 2
    one = made(kind, edited={"tail": last, "head": 0}.get(command, -1))
    files = {"gone": [NEXT], "newer": [one, NEXT]}.get(command, [one])
    target = {"newer": "0002", "gone": "0002", "older": "", "runs": "", "back": ""}.get(command, "0001")
    phase: Any = "settle" if command in ("settle", "back") else "expand"
    way = plan(files, [found] if found else [], target=target, phase=phase, compatible=command == "runs")
    return outcome(way, found)


WHY = {
    "may have happened before the crash": "!look",
    "may have committed a part of it": "!look",
    "have changed in the file since": "!changed",
    "has changed since it was applied": "!changed",
    "no file here": "!gone",
    "an expand that has not run": "!expand",
    "no way back from it": "!half",
    "newer than '', whose record does not say": "!newer",
    "newer than '': release a revision": "!half",
    "finish going back": "!back",
}


def outcome(way: Plan, found: Row | None) -> str:
    """`up1` runs it from its second statement; a word with ! is a refusal; `runs` leaves it and says so; `-` leaves it."""
    if way.refusals:
        (said,) = way.refusals
        (word,) = {word for words, word in WHY.items() if words in said}
        return word
    assert (way.target == "0002") == (way.steps[-1:] == (Step(action="up", migration=NEXT),))
    mine = [step for step in way.steps if step.migration.id == "0001"]
    if mine:
        (step,) = mine
        assert not found or step.action != "up" or step.start <= found.done
        return step.action if step.action in ("mark", "clear") else f"{step.action}{step.start}"
    return "runs" if any("said to run with it" in note for note in way.notes) else "-"


def rows() -> Iterator[tuple[str, str, int, int]]:
    """Yield every kind of script with every row, and without one."""
    for kind in KINDS:
        yield kind, "absent", 0, 0
        for state, done, doing in reachable(kind):
            yield kind, state, done, doing


TABLE = """
    row        done  doing  same   tail      head      settle   newer  gone   older   runs  back   of
    absent        0      0  up0    up0       up0       !expand  up0    -      -       -     -      whole count safe unsafe last commit fill
    applied       1      0  -      !changed  !changed  -        -      !gone  !newer  runs  down0  fill
    applied       2      0  -      !changed  !changed  -        -      !gone  !newer  runs  down0  whole count safe unsafe last commit
    running       0      0  up0    up0       up0       !expand  up0    -      -       -     clear  whole count last
    running       0      0  up0    up0       up0       !expand  up0    !gone  !half   runs  !half  safe unsafe commit fill
    running       0      1  up0    up0       !look     !expand  up0    !gone  !half   runs  !half  safe
    running       0      1  !look  !look     !look     !expand  !look  !gone  !half   runs  !half  unsafe commit
    running       1      0  up1    up1       !changed  !expand  up1    !gone  !half   runs  !half  count safe unsafe last commit
    running       1      0  up1    !changed  !changed  !expand  up1    !gone  !half   runs  !half  fill
    running       1      2  !look  !look     !changed  !expand  !look  !gone  !half   runs  !half  last
    running       2      0  up2    !changed  !changed  !expand  up2    !gone  !half   runs  !half  count safe unsafe last commit
    failed        0      0  up0    up0       up0       !expand  up0    -      -       -     clear  whole count last
    failed        0      0  up0    up0       up0       !expand  up0    !gone  !half   runs  !half  safe unsafe commit fill
    failed        0      1  !look  !look     !look     !expand  !look  !gone  !half   runs  !half  commit
    failed        1      0  up1    up1       !changed  !expand  up1    !gone  !half   runs  !half  count safe unsafe last commit
    failed        1      0  up1    !changed  !changed  !expand  up1    !gone  !half   runs  !half  fill
    failed        2      0  up2    !changed  !changed  !expand  up2    !gone  !half   runs  !half  count safe unsafe last commit
    reverting     0      0  mark   !changed  !changed  mark     mark   !gone  !newer  runs  down0  whole count last fill
    reverting     0      0  !back  !changed  !changed  !back    !back  !gone  !newer  runs  down0  safe unsafe commit
    reverting     0      1  !back  !changed  !changed  !back    !back  !gone  !newer  runs  down0  safe
    reverting     0      1  !back  !changed  !changed  !back    !back  !gone  !newer  runs  !look  unsafe commit
    reverting     1      0  !back  !changed  !changed  !back    !back  !gone  !newer  runs  down1  count safe unsafe last commit
    reverting     1      2  !back  !changed  !changed  !back    !back  !gone  !newer  runs  !look  last
    reverting     2      0  !back  !changed  !changed  !back    !back  !gone  !newer  runs  down2  count safe unsafe last commit
"""
Key = tuple[str, str, int, int]
EXPECTED: dict[Key, dict[str, str]] = {
    (kind, state, int(done), int(doing)): dict(zip(COMMANDS, words, strict=False))
    for state, done, doing, *words in map(str.split, TABLE.strip().splitlines()[1:])
    for kind in words[len(COMMANDS) :]
}


def test_complete():
    """The table has every row that can be, with every command, and no other."""
    assert sorted(EXPECTED) == sorted(rows())
    assert sum(len(line.split()) - len(COMMANDS) - 3 for line in TABLE.strip().splitlines()[1:]) == len(EXPECTED)


def given(key: Key, **more: Any) -> Row | None:
    """Return the row of a line."""
    kind, state, done, doing = key
    return None if state == "absent" else row(kind, state, done, doing, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", COMMANDS)
def test_next(command: str):
    """Each row and each next command have the outcome that the table says."""
    assert {key: asked(command, key[0], given(key)) for key in EXPECTED} == {key: words[command] for key, words in EXPECTED.items()}


def test_contract():
    """A contract is to settle what an expand is to expand, and waits while old code runs; code that is older does not run beside a half."""
    for key, words in EXPECTED.items():
        one, found = made(key[0], phase="contract"), None
        found = given(key, one=one)
        kept = [found] if found else []
        for command, edited in (("same", -1), ("tail", len(KINDS[key[0]]) - 2), ("head", 0)):
            file = made(key[0], edited=edited, phase="contract")
            assert outcome(plan([file], kept, target="0001", phase="settle"), found) == words[command]
        waits = plan([one], kept, target="0001", phase="expand")
        assert outcome(waits, found) == (words["same"] if key[1] in ("applied", "reverting") else "-")
        beside = outcome(plan([one], kept, target="", phase="expand", compatible=True), found)
        assert beside == (words["older"] if words["older"] == "!half" else words["runs"])


def test_loss():
    """A way back that loses data is refused wherever one would go on with it, until it is allowed by its name."""
    for key, words in EXPECTED.items():
        one = made(key[0], way="lossy")
        found = given(key, one=one)
        kept = [found] if found else []
        allowed = plan([one], kept, target="", phase="settle", lossy=["0001"])
        assert outcome(allowed, found) == words["back"]
        refused = plan([one], kept, target="", phase="settle").refusals
        assert any("loses data" in text for text in refused) == (key[1] in ("applied", "reverting"))


# What may be true of the database, told without the code above: each statement happened, did not, or did a part of itself.
World = tuple[str, ...]
STATEMENTS = {"count": COUNT, "again": "create table if not exists t{} ()", "safe": SAFE, "unsafe": UNSAFE, "commit": COMMIT}
REPEATABLE = ("again", "safe")
ALONE = ("safe", "unsafe", "commit")


def scripts() -> Iterator[tuple[str, ...]]:
    """Yield all scripts of one and of two statements."""
    for length in (1, 2):
        yield from product(STATEMENTS, repeat=length)


def left(names: tuple[str, ...]) -> Iterator[tuple[int, int, list[World]]]:
    """Yield how many statements are counted, which one was sent, and every world in which that is what the row says."""
    for done in range(len(names) + 1):
        before, after = ("yes",) * done, ("no",) * (len(names) - done - 1)
        yield done, 0, [before + ("no",) * (len(names) - done)]
        for name in names[done : done + 1]:
            if name in ALONE:
                yield done, done + 1, [(*before, now, *after) for now in ("no", "yes", *(["part"] if name == "commit" else []))]


def fits(names: tuple[str, ...], start: int, world: World) -> bool:
    """Say whether going on at a statement skips none, and repeats none that must not be."""
    done = all(now == "yes" for now in world[:start])
    return done and all(now == "no" or name in REPEATABLE for name, now in zip(names[start:], world[start:], strict=True))


@pytest.mark.parametrize("state", ["running", "failed", "reverting"])
def test_nothing_twice_and_nothing_skipped(state: State):
    """Whatever script, row and command: what runs fits every world that the row allows, and only what left nothing is forgotten."""
    seen = 0
    for names in scripts():
        body = NONE + ";\n".join(STATEMENTS[name].format(n) for n, name in enumerate(names))
        one = parse("0001_one", body, body)
        for done, doing, worlds in left(names):
            found = Row(**{**texts(one), "state": state, "total": len(names), "done": done, "doing": doing})
            for target, phase in product(("", "0001", "0002"), ("expand", "settle")):
                way = plan([one, NEXT], [found], target=target, phase=phase)  # type: ignore[arg-type]
                for step in way.steps if not way.refusals else ():
                    if step.migration.id != "0001":
                        continue
                    seen += 1
                    if step.action in ("up", "down"):
                        assert (step.action == "down") == (state == "reverting")
                        assert all(fits(names, step.start, world) for world in worlds), (names, found, step)
                    else:
                        assert all(set(world) == {"no"} for world in worlds), (names, found, step)
    assert seen > 100


def test_a_doubt_stays():
    """A doubt about what must not be repeated is told by every command that would go on, until a person has looked."""
    for key, words in EXPECTED.items():
        kind, state, _, doing = key
        if doing and kind in ("unsafe", "last", "commit"):
            onward = [words["back"]] if state == "reverting" else [words["same"], words["tail"], words["newer"]]
            assert set(onward) == {"!look"}, key
            assert not {word for word in words.values() if word[:2] == "up" or word in ("mark", "clear")}, key


def test_what_may_be_invalid():
    """An index is left invalid by the statement after those that are done, where it builds one; nothing else leaves one."""
    found = {key: dirty.left(one) for key in EXPECTED if (one := given(key))}
    builds = {("safe", 0), ("unsafe", 0), ("last", 1)}
    names = {key: one.index for key, one in found.items() if one}
    assert names == {key: f"i{key[2] + 1}" for key in found if key[1] in ("running", "failed") and (key[0], key[2]) in builds}


def test_half_of_a_file_stays_in_order():
    """A file that is put below one that is half applied, or half taken back, is as out of order as below one that is applied."""
    for state, half in (("running", "half applied"), ("failed", "half applied"), ("reverting", "applied")):
        found = row("count", state, 1, 0, one=parse("0003_one", made("count").up, made("count").down))  # type: ignore[arg-type]
        way = plan([parse("0002_late", "select 1"), found.migration], [found], target="0003", phase="expand")
        said = f"'0002_late' is pending, but '0003_one' after it is {half}: give it a number above '0003'"
        assert way.refusals[0] == said


@pytest.mark.parametrize(
    ("key", "command", "said"),
    [
        (("whole", "running", 0, 0), "same", "an earlier attempt at '0001_one' has left nothing: from its start"),
        (("whole", "reverting", 0, 0), "back", "an earlier attempt at '0001_one' has left nothing: from its start"),
        (("whole", "reverting", 0, 0), "same", "going back from '0001_one' did not get anywhere: it is applied as before"),
        (("count", "failed", 1, 0), "same", "'0001_one' is half applied (1 of 2 statements): goes on with statement 2"),
        (("count", "running", 2, 0), "same", "'0001_one' is half applied (2 of 2 statements): goes on behind them"),
        (("safe", "failed", 0, 0), "same", "'0001_one' is half applied (0 of 2 statements): goes on with statement 1"),
        (
            ("safe", "running", 0, 1),
            "same",
            "'0001_one' is half applied (0 of 2 statements): goes on with statement 1, which was sent and may have happened, and may be "
            "sent again",
        ),
        (("unsafe", "reverting", 1, 0), "back", "'0001_one' is half reverted (1 of 2 statements): goes on with statement 2"),
        (("fill", "failed", 0, 0), "same", "'0001_one' may be filled in part: goes on with the rows that are left"),
    ],
)
def test_what_was_found_is_said(key: Key, command: str, said: str):
    """A plan that goes on after a crash or a failure says what it found, in preview and in the outputs."""
    target, phase = ("", "settle") if command == "back" else ("0001", "expand")
    found = given(key)
    assert found
    assert plan([made(key[0])], [found], target=target, phase=phase).notes == (said,)  # type: ignore[arg-type]


def test_what_goes_on_says_so():
    """Every plan that goes on from a row says one thing; one that runs for the first time, or nothing at all, says none."""
    for key, words in EXPECTED.items():
        found = given(key)
        way = plan([made(key[0])], [found] if found else [], target="0001", phase="expand")
        assert len(way.notes) == (found is not None and (words["same"][:2] == "up" or words["same"] == "mark")), key
