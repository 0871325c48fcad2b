"""What a stack promises to others, and when it may not take it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluice.core.contract import OUTPUTS, Terms, leaving, lost, notes, problems, terms

DOORS = {"web": "/web/", "api": "/api/"}


def promise(contract: int = 1, *, doors: dict[str, str] = DOORS, databases: tuple[str, ...] = ("shop",), **deprecated: str) -> Terms:
    told = {name.replace("_", "."): use for name, use in deprecated.items()}
    return terms(contract, doors=doors, databases=databases, deprecated=told)


def test_terms():
    """Doors by their prefix, databases by their keys, and every output of a stack with its type; one line that reads back as it was."""
    one = promise(endpoints_web="endpoints.api")
    assert {name: one.things[name] for name in ("endpoints.web", "databases.shop", "url", "live.version")} == {
        "endpoints.web": "/web/",
        "databases.shop": "host, port, dbname",
        "url": "text",
        "live.version": "text",
    }
    assert one.things.keys() == {*OUTPUTS, "endpoints.web", "endpoints.api", "databases.shop"}
    assert one.text.startswith('terms {"contract": 1,')
    assert "\n" not in one.text
    assert Terms.parse(one.text) == one
    assert Terms.parse(one.text.replace('"contract": 1', '"contract": 1, "later": true')) == one


def test_additions_are_compatible():
    """Another door, another database, another output take no new number; nor does a stack that has promised nothing yet."""
    bare = promise(doors={"web": "/web/"}, databases=())
    older = replace(bare, things={name: kind for name, kind in bare.things.items() if name != "marks"})
    assert problems(older, promise()) == []
    assert problems(None, promise(7)) == []
    assert notes(None, promise(7)) == notes(older, promise()) == []


GONE = "contract 1: endpoints.api: '/api/' goes, and other stacks may read it"


@pytest.mark.parametrize(
    ("now", "wrong", "first"),
    [
        ({"doors": {"web": "/web/"}}, [GONE], "'endpoints.api': 'what to use'"),
        (
            {"doors": {"web": "/web/", "api": "/v2/"}},
            ["contract 1: endpoints.api: '/api/' becomes '/v2/', and other stacks may read it"],
            "'endpoints.api': 'what to use'",
        ),
        (
            {"databases": ("shop_2",)},
            ["contract 1: databases.shop: 'host, port, dbname' goes, and other stacks may read it"],
            "'databases.shop': 'what to use'",
        ),
        (
            {"doors": {"web": "/web/", "other": "/api/"}, "databases": ()},
            ["contract 1: databases.shop: 'host, port, dbname' goes, and other stacks may read it", GONE],
            "'databases.shop': 'what to use', 'endpoints.api': 'what to use'",
        ),
    ],
)
def test_what_others_may_read_does_not_go_silently(now: dict[str, Any], wrong: list[str], first: str):
    """A door or database that goes, is renamed or moved is told by name, all at once, with the way to take it back in two steps."""
    remedy = (
        f"contract 1: keep it; or tell others first, by deprecated={{{first}}}, and once they have moved say contract=2 in program(...)"
    )
    assert problems(promise(), promise(**now)) == [*wrong, remedy]
    assert problems(promise(), promise(2, **now)) == []


def test_shape():
    """An output of another type, as another Sluice may have it, is a change like any other."""
    before = promise()
    changed = replace(before, things={**before.things, "live.at": "number"})
    assert problems(changed, before)[0] == "contract 1: live.at: 'number' becomes 'text', and other stacks may read it"


def test_deprecated():
    """What was deprecated goes with the next number without another word, and not before; whoever takes it without is told."""
    before = promise(endpoints_api="endpoints.web")
    without = {"doors": {"web": "/web/"}}
    assert problems(promise(), before) == []
    assert problems(before, promise(**without)) == [GONE, "contract 1: keep it, or say contract=2 in program(...): it was deprecated"]
    assert problems(before, promise(2, **without)) == []
    assert notes(before, promise(2, **without)) == ["contract 2: endpoints.api: '/api/' goes (deprecated)"]
    assert notes(promise(), promise(2, **without)) == ["contract 2: endpoints.api: '/api/' goes (never deprecated)"]
    assert leaving(before, ["endpoints.web", "endpoints.api"]) == ["endpoints.api goes with contract 2: endpoints.web"]


def test_what_is_deprecated_is_there():
    """A name that the stack does not tell cannot be deprecated: it is a slip."""
    assert problems(None, promise(endpoints_wbe="x")) == [
        "deprecated 'endpoints.wbe': the stack tells no such thing: doors and databases are databases.shop, endpoints.api, endpoints.web"
    ]


def test_numbers():
    """Numbers come one after the other, also when nothing goes; a lower one is for a release that is proven already."""
    skipped = "contract 3: comes after 1, and others wait for 2: say contract=2 in program(...)"
    lower = "contract 1: others were promised 2: say contract=2, or go back to a release that is proven"
    assert problems(promise(), promise(3)) == [skipped]
    assert problems(promise(2), promise(1)) == [lower]
    assert problems(promise(), promise(2)) == []
    assert problems(None, promise(0)) == ["contract 0: numbers begin with 1"]


def test_the_way_back_is_open():
    """A release that is proven may take back what came after it, and people are told whom that meets."""
    new, old = promise(2, doors={**DOORS, "extra": "/extra/"}), promise(doors=DOORS)
    assert problems(new, old, back=True) == []
    assert notes(new, old) == [
        "contract 1: others were promised 2",
        "contract 1: endpoints.extra: '/extra/' goes (never deprecated)",
    ]
    assert lost(old, new) == {}
