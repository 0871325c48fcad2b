"""Whether a proven release can be reached from here, and by which plain commands."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from sluice.core.errors import Unreachable
from sluice.core.record import Record
from sluice.core.rollback.past import Past
from sluice.core.settings.tree import RELEASE
from sluice.core.spec import Spec
from sluice.core.update import encrypted
from sluice.history.pulumi import Pulumi, typed
from sluice.history.stack import Stack
from sluice.systems import files

# What a stack's file says beside its config: how its secrets are encrypted.
HEADER = ("encryptionsalt", "secretsprovider", "encryptedkey")
SHORT = 12


def unreachable(stack: Stack, past: Past) -> list[str]:
    """Return everything that a proven release lacks here and now, each a sentence: nothing has been touched yet."""
    return [*_artifacts(past.record), *_secrets(stack, past)]


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


def decrypt(pulumi: Pulumi, config: str) -> None:
    """See whether the stack can read a release's secrets, in a file of its own. Unreachable when it cannot."""
    own = pulumi.folder / f"Pulumi.{pulumi.short}.yaml"
    known = yaml.safe_load(own.read_text()) if own.exists() else {}
    header = {key: known[key] for key in HEADER if key in (known or {})}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({**header, "config": {RELEASE: json.loads(config)}}, file)
        file.flush()
        pulumi.ask("config", "get", RELEASE, "--config-file", file.name)


def notes(stack: Stack, past: Past) -> list[str]:
    """Return what is good to know, and stops nothing."""
    here = commit(stack.pulumi.folder)
    then = past.record.git
    if not then or not here or then == here:
        return []
    return [f"the program is at commit {here[:SHORT]}, and was at {then[:SHORT]} when '{past.id}' was proven: the one that is here runs"]


def commit(folder: Path) -> str | None:
    """Return the commit of the program that is here; None outside a repository."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def commands(pulumi: Pulumi, config: str, message: str) -> list[list[str]]:
    """Return the plain commands that write a release back and deploy it: what the CLI runs, and what anybody may type."""
    return [*written(pulumi, config), pulumi.argv("up", "--yes", "--skip-preview", "--message", message)]


def written(pulumi: Pulumi, config: str) -> list[list[str]]:
    """Return the commands that put a release into config. What is there goes first: where a text was, the CLI would write a number
    as a text too, since it keeps the quotes."""
    return [pulumi.argv("config", "rm", RELEASE), pulumi.argv("config", "set-all", "--json", block(config))]


def block(config: str) -> str:
    """Write a release as `pulumi config set-all --json` takes it: as the map that it was, secrets still encrypted."""
    data = json.loads(config)
    # The CLI reads a map from the text in `value`, and wants `objectValue` only as the sign that it is one.
    value = {"value": config, "objectValue": {}} if isinstance(data, dict) else {"value": data}
    return json.dumps({RELEASE: {**value, "secret": False}}, ensure_ascii=False)


def shown(commands: Sequence[Sequence[str]]) -> list[str]:
    """Return commands as they are typed."""
    return [typed(argv) for argv in commands]
