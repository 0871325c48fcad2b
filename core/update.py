"""One run of the engine as stack history has it: what it was, how it ended, and the config it ran with. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from json.decoder import JSONDecoder
from typing import Any

from sluice.core.record import MARK
from sluice.core.settings.tree import RELEASE
from sluice.core.value import Value

# How history marks a value that it does not show, and one that it could not decrypt.
SECURE = "secure"
UNREADABLE = "ERROR_UNABLE_TO_DECRYPT"
BLANK = " \t\r\n"


class Outcome(StrEnum):
    """How a run ended. `interrupted`: it left operations behind of which nobody knows the end; `running`: it has not ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"


class Update(Value):
    """An entry of history; `begun` and `ended` in whole seconds since the epoch.

    `kind` is the engine's word: update, preview, refresh, destroy, import. `release` is the JSON text of `sluice:release`, as it was,
    secrets encrypted; None when it had none, or when it is not shown (`hidden`). `proven` are the lines of that output at its end, and
    `secrets` the secrets provider then; both only where history keeps state (file backends).
    """

    kind: str
    outcome: Outcome
    begun: int
    ended: int
    release: str | None = None
    hidden: bool = False
    message: str = ""
    git: str | None = None
    dirty: bool = False
    proven: list[str] = []
    secrets: str = ""

    @property
    def deploys(self) -> bool:
        """Say whether it brought config into the world: a preview did not, and a refresh, import or destroy did something else."""
        return self.kind == "update"

    def spans(self, at: datetime) -> bool:
        """Say whether it was at work at that moment."""
        return self.begun <= int(at.timestamp()) <= self.ended


def raw(text: str, checkpoint: str | None = None) -> Update:
    """Read an entry of a file backend, `checkpoint` being the state beside it. ValueError when it is none."""
    data = json.loads(text)
    state = _deployment(json.loads(checkpoint)) if checkpoint else {}
    release = dict(pieces(dict(pieces(text)).get("config", "{}"))).get(RELEASE)
    return Update(
        **_facts(data, interrupted=bool(pending(state))),
        begun=int(data["startTime"]),
        ended=int(data["endTime"]),
        release=release,
        proven=proven(state),
        secrets=provider(state),
    )


def shown(data: Mapping[str, Any]) -> Update:
    """Read an entry as `pulumi stack history --json` prints it: values are texts, and secret ones are left out."""
    value = (data.get("config") or {}).get(RELEASE) or {}
    text = value.get("value")
    hidden = bool(value) and (value.get("secret", False) or text is None or UNREADABLE in text)
    # A map comes as its JSON text; anything else is a text itself.
    whole = text if "objectValue" in value else json.dumps(text)
    return Update(
        **_facts(data, interrupted=False),
        begun=_epoch(data["startTime"]),
        ended=_epoch(data.get("endTime") or data["startTime"]),
        release=whole if value and not hidden else None,
        hidden=hidden,
    )


def _facts(data: Mapping[str, Any], *, interrupted: bool) -> dict[str, Any]:
    told = data.get("environment") or {}
    result = Outcome.RUNNING if data["result"] == "in-progress" else Outcome(data["result"])
    outcome = Outcome.INTERRUPTED if interrupted and result is Outcome.FAILED else result
    shared = {"kind": data["kind"], "outcome": outcome, "message": data.get("message", "")}
    return {**shared, "git": told.get("git.head") or None, "dirty": told.get("git.dirty") == "true"}


def _epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _deployment(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state inside a checkpoint."""
    return ((checkpoint.get("checkpoint") or {}).get("latest")) or {}


def outputs(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stack's outputs from its state."""
    stacks = [one for one in deployment.get("resources") or () if one.get("type") == "pulumi:pulumi:Stack"]
    return stacks[0].get("outputs") or {} if stacks else {}


def proven(deployment: Mapping[str, Any]) -> list[str]:
    """Return the lines of the output `proven`; none where it is missing, or another program's."""
    lines = outputs(deployment).get("proven")
    return [line for line in lines if isinstance(line, str) and line.startswith(MARK)] if isinstance(lines, list) else []


def pending(deployment: Mapping[str, Any]) -> list[str]:
    """Return the URNs of what an update was killed at, and none has come to the end of since. The engine keeps what it was creating among
    its pending operations until a refresh clears that, also when a later update has made it."""
    made = {one.get("urn") for one in deployment.get("resources") or () if not one.get("delete")}
    return [urn for kind, urn in _cut(deployment) if kind != "creating" or urn not in made]


def creating(deployment: Mapping[str, Any]) -> list[str]:
    """Return the URNs of what an update was killed at as it was creating it, made since or not."""
    return [urn for kind, urn in _cut(deployment) if kind == "creating"]


def _cut(deployment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in deployment.get("pending_operations") or ():
        yield str(one.get("type")), str((one.get("resource") or {}).get("urn", ""))


def saved(deployment: Mapping[str, Any]) -> int:
    """Return when a state was written last, in whole seconds since the epoch; 0 when it does not say."""
    at = (deployment.get("manifest") or {}).get("time")
    return _epoch(at) if at else 0


def provider(deployment: Mapping[str, Any]) -> str:
    """Return what identifies a state's secrets provider: what is encrypted with another one cannot be read with this one."""
    return json.dumps(deployment["secrets_providers"], sort_keys=True) if deployment.get("secrets_providers") else ""


def encrypted(release: str) -> bool:
    """Say whether a release's JSON text has secrets in it."""
    return _secure(json.loads(release))


def _secure(data: Any) -> bool:
    if isinstance(data, Mapping):
        return set(data) == {SECURE} or any(_secure(item) for item in data.values())
    return isinstance(data, Sequence) and not isinstance(data, str) and any(_secure(item) for item in data)


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a JSON object with the text of each value, byte for byte: parsing and writing could change a number."""
    decoder = JSONDecoder()
    at = _skip(text, 0, "{")
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        begin = _skip(text, at, ":")
        _, end = decoder.raw_decode(text, begin)
        yield key, text[begin:end]
        at = _skip(text, end, ",")


def _skip(text: str, at: int, mark: str) -> int:
    """Return the place of what follows blanks and, if it is there, one mark."""
    while text[at] in BLANK:
        at += 1
    at += text[at] == mark
    while text[at] in BLANK:
        at += 1
    return at
