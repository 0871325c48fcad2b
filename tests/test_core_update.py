"""Entries of history, as a file backend keeps them and as the CLI prints them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.update import Outcome, creating, encrypted, pending, pieces, raw, shown

BLOCK = '{"flags":{"A":true},"version":"1.10","n":1e3,"u":"\\u003cb>"}'


def entry(**changes: object) -> str:
    """Return the text of an entry as version 3.250 of the CLI writes it."""
    data = {"kind": "update", "startTime": 100, "message": "m", "environment": {"git.head": "abc", "git.dirty": "true"}}
    told = {**data, "version": 0, "result": "succeeded", "endTime": 110, **changes}
    return json.dumps(told)[:-1] + f', "config":{{"sluice:rollout":{{}} , "sluice:release" : {BLOCK} }} }}'


def state(**more: object) -> str:
    resources = [{"type": "pulumi:pulumi:Stack", "outputs": {"proven": ["release {}", 7, "another program's"]}}]
    latest = {"secrets_providers": {"type": "passphrase"}, "resources": resources, **more}
    return json.dumps({"version": 3, "checkpoint": {"latest": latest}})


def test_raw():
    """An entry of a file backend has the block byte for byte, the git commit, and what was proven when it ended."""
    update = raw(entry(), state())
    assert update.release == BLOCK
    assert (update.kind, update.outcome, update.begun, update.ended) == ("update", Outcome.SUCCEEDED, 100, 110)
    assert (update.git, update.dirty, update.message, update.proven) == ("abc", True, "m", ["release {}"])
    assert update.secrets == '{"type": "passphrase"}'


@pytest.mark.parametrize(
    ("kind", "result", "pending", "outcome", "deploys"),
    [
        ("update", "succeeded", False, Outcome.SUCCEEDED, True),
        ("update", "failed", False, Outcome.FAILED, True),
        ("update", "failed", True, Outcome.INTERRUPTED, True),
        ("update", "in-progress", False, Outcome.RUNNING, True),
        ("preview", "succeeded", False, Outcome.SUCCEEDED, False),
        ("refresh", "succeeded", False, Outcome.SUCCEEDED, False),
        ("import", "succeeded", False, Outcome.SUCCEEDED, False),
        ("destroy", "succeeded", False, Outcome.SUCCEEDED, False),
    ],
)
def test_kinds(kind: str, result: str, pending: bool, outcome: Outcome, deploys: bool):
    """Failed, interrupted, refreshed, imported, destroyed and preview-only entries are told apart."""
    update = raw(entry(kind=kind, result=result), state(**({"pending_operations": [{}]} if pending else {})))
    assert (update.outcome, update.deploys) == (outcome, deploys)


def test_no_release():
    """An entry without the key, or without config, has no release."""
    assert raw('{"kind":"update","startTime":1,"endTime":2,"result":"failed","config":{}}').release is None
    assert raw('{"kind":"update","startTime":1,"endTime":2,"result":"failed"}').release is None


def test_spans():
    """Times of history are whole seconds: the moment is in an entry from its first second to its last."""
    update = raw(entry())
    inside = [update.spans(datetime.fromtimestamp(at, UTC)) for at in (99.9, 100.0, 110.9, 111.0)]
    assert inside == [False, True, True, False]


def printed(value: object) -> dict[str, object]:
    times = {"startTime": "2026-11-24T19:14:28.000Z", "endTime": "2026-11-24T19:14:30.000Z"}
    return {"kind": "update", "result": "succeeded", "message": "", "environment": {}, **times, "config": {"sluice:release": value}}


@pytest.mark.parametrize(
    ("value", "release", "hidden"),
    [
        ({"value": BLOCK, "objectValue": {}, "secret": False}, BLOCK, False),
        ({"value": BLOCK, "secret": False}, json.dumps(BLOCK), False),
        ({"secret": True}, None, True),
        ({"value": "ERROR_UNABLE_TO_DECRYPT", "secret": True}, None, True),
        ({"value": '{"a":"ERROR_UNABLE_TO_DECRYPT"}', "objectValue": {}, "secret": False}, None, True),
        (None, None, False),
    ],
)
def test_shown(value: object, release: str | None, hidden: bool):
    """What the CLI prints has the block as text; a secret one, or one that could not be decrypted, is no block at all."""
    update = shown(printed(value))
    assert (update.release, update.hidden) == (release, hidden)
    assert update.ended - update.begun == 2


def test_encrypted():
    """Secrets are found wherever they are in a block."""
    assert encrypted('{"services":{"web":{"settings":{"PW":{"secure":"v1:a"}}}}}')
    assert encrypted('[{"secure":"v1:a"}]')
    assert not encrypted('{"services":{"web":{"settings":{"secure":"on","A":"1"}}},"version":"1"}')


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from([None, 1, 4]), st.booleans())
def test_pieces(data: dict[str, object], indent: int | None, ascii: bool):
    """Whatever an object holds and however it is written, its values are found byte for byte."""
    text = json.dumps(data, indent=indent, ensure_ascii=ascii)
    found = dict(pieces(f" {text}\n"))
    assert {key: json.loads(value) for key, value in found.items()} == data
    assert all(value in text for value in found.values())


def test_pending():
    """What was being created and is there since is not pending, whatever the engine keeps of it; what was being updated or deleted is."""
    made = [{"urn": "a"}, {"urn": "b"}, {"urn": "d", "delete": True}]
    cut = [
        {"resource": {"urn": urn}, "type": kind} for urn, kind in zip("abcd", ("creating", "updating", "creating", "creating"), strict=True)
    ]
    assert pending({"resources": made, "pending_operations": cut}) == ["b", "c", "d"]
    assert pending({"resources": made}) == pending({}) == creating({}) == []
    assert creating({"resources": made, "pending_operations": cut}) == ["a", "c", "d"]
