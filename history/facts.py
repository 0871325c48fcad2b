"""Whether a proven release can be reached from here, now."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import yaml

from sluice.core.errors import Unreachable
from sluice.core.record import Record, before
from sluice.core.rollback.past import Past
from sluice.core.settings import closed, missing
from sluice.core.settings.tree import RELEASE
from sluice.core.spec import Spec
from sluice.core.update import encrypted
from sluice.history.pulumi import Pulumi, typed
from sluice.history.stack import Stack
from sluice.systems import files
from sluice.systems.actor import commit

# What a stack's file says beside its config: how its secrets are encrypted.
HEADER = ("encryptionsalt", "secretsprovider", "encryptedkey")
SHORT = 12


def unreachable(stack: Stack, past: Past) -> list[str]:
    """Return everything that a proven release lacks here and now, each a sentence: nothing has been touched yet."""
    return [*_artifacts(past.record), *_secrets(stack, past)]


def barred(stack: Stack, id: str, now: datetime) -> list[str]:
    """Return why preflight would not let a release begin now: windows and approvals, which the live and the warm one need not."""
    if (stack.live and id == stack.live.id) or _warm(stack, id, now):
        return []
    rollout = stack.settings
    why = closed(rollout.windows, now)
    approvals = missing(rollout.approvals, id, stack.spent)
    return [*([f"deployment window: {why}"] if why else []), *(f"approval: {one} --stack {stack.pulumi.short}" for one in approvals)]


def _warm(stack: Stack, id: str, now: datetime) -> bool:
    """Say whether a release is the one that still runs beside the live one, and may be taken back at once."""
    found = before(stack.records)
    return found is not None and found[0].id == id and found[1] + stack.settings.window >= now


def _artifacts(record: Record) -> Iterator[str]:
    """What a team declares is named by its content: another content would be another release, which nobody has proven."""
    for service, built in record.services.items():
        if not built.spec:
            continue
        place = Path(Spec.parse(built.spec).artifact)
        if not place.is_dir():
            yield f"{service}: '{place}', which {built.name} ran from, is gone: put it back{_from(record)}"
        elif built.digest and (seen := files.digest(place)) != built.digest.removeprefix("sha256:"):
            content = f"{seen[:SHORT]} now, {built.digest.removeprefix('sha256:')[:SHORT]} when {record.id} was proven"
            yield f"{service}: '{place}' is {content}: put that content back{_from(record)}"


def _from(record: Record) -> str:
    return f", as by `git checkout {record.git}`" if record.git else ""


def _secrets(stack: Stack, past: Past) -> Iterator[str]:
    """A secret stays encrypted on its way from history to config, so the stack must still be able to read it."""
    if past.config is None or not encrypted(past.config):
        return
    then = past.update.secrets if past.update else ""
    if then and stack.secrets and then != stack.secrets:
        yield f"the secrets provider has changed since '{past.id}': set its secrets anew, with `pulumi config set --secret --path`"
        return
    try:
        decrypt(stack.pulumi, past.config)
    except Unreachable as error:
        yield f"the secrets of '{past.id}' cannot be decrypted: {error}"


def decrypt(pulumi: Pulumi, config: str) -> str:
    """Return a release's block with its secrets readable, never to be shown; by a file of its own. Unreachable when the stack cannot."""
    own = pulumi.folder / f"Pulumi.{pulumi.short}.yaml"
    known = yaml.safe_load(own.read_text()) if own.exists() else {}
    header = {key: known[key] for key in HEADER if key in (known or {})}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({**header, "config": {RELEASE: json.loads(config)}}, file)
        file.flush()
        return pulumi.ask("config", "get", RELEASE, "--config-file", file.name)


def clear(stack: Stack, past: Past) -> str | None:
    """Return a release's block as the program reads it; None where that cannot be told."""
    if past.config is None or not encrypted(past.config):
        return past.config
    try:
        return decrypt(stack.pulumi, past.config)
    except Unreachable:
        return None


def notes(stack: Stack, past: Past) -> list[str]:
    """Return what is good to know, and stops nothing."""
    here = commit(stack.pulumi.folder)
    then = past.record.git
    if not then or not here or then == here:
        return []
    return [f"the program is at commit {here[:SHORT]}, and was at {then[:SHORT]} when '{past.id}' was proven: the one that is here runs"]


def shown(commands: Sequence[Sequence[str]]) -> list[str]:
    """Return commands as they are typed."""
    return [typed(argv) for argv in commands]
