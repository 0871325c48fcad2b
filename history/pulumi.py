"""The Pulumi CLI for one stack: asked, never driven behind the user's back, and each command as the user would type it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from sluice.core.errors import Refused, Unreachable

PROJECT = ("Pulumi.yaml", "Pulumi.yml")
# Seconds between two looks at a running command.
TICK = 1.0
# A question takes the CLI a third of a second, and a backend that is far away perhaps a minute on a bad day: later nothing comes.
LIMIT = 120.0
# An update that was agreed to. Its outputs are for programs: of one that fails the CLI lists them as if they were deleted.
UP = ("up", "--yes", "--skip-preview", "--suppress-outputs")
PREVIEW = ("preview", "--suppress-outputs")


@dataclass(frozen=True)
class Pulumi:
    """Runs the CLI in the program's folder; `stack` is a name as `--stack` takes it; a question may take `limit` seconds."""

    folder: Path
    stack: str
    limit: float = LIMIT

    @property
    def short(self) -> str:
        """Return the stack's name without organization and project."""
        return self.stack.rsplit("/", 1)[-1]

    @property
    def project(self) -> str:
        """Return the program's name."""
        return str(_project(self.folder)["name"])

    def argv(self, *words: str) -> list[str]:
        """Build a command for this stack, as it is run and as it is shown."""
        return ["pulumi", *words, "--stack", self.stack]

    def ask(self, *words: str) -> str:
        """Run a command that prints something, and return it; Unreachable with the CLI's own reason when it fails, or does not end."""
        return _run(self.argv(*words), self.folder, self.limit)

    def do(self, argv: list[str]) -> None:
        """Run one of its commands quietly; Unreachable when it fails."""
        _run(argv, self.folder, self.limit)

    def json(self, *words: str) -> Any:
        """Return what a command prints as JSON."""
        return json.loads(self.ask(*words, "--json"))

    def state(self) -> dict[str, Any]:
        """Return the stack's state, secrets encrypted; empty before its first update."""
        return json.loads(self.ask("stack", "export")).get("deployment") or {}

    def configs(self, *keys: str, file: Path | None = None) -> list[str | None]:
        """Return keys of the stack's config, or of another `file` of its own, as JSON text, as the program gets them: secrets in clear, so
        never to be shown. None for each that is not there."""
        words = ["config", *(["--config-file", str(file)] if file else [])]
        found = self.json(*words)
        # Only what has secrets in it is decrypted: that takes a passphrase, or a key.
        hidden = any("value" not in found[key] for key in keys if key in found)
        known = self.json(*words, "--show-secrets") if hidden else found
        return [_text(known.get(key)) for key in keys]

    def settings(self) -> dict[str, Any]:
        """Return the stack's config as its file has it, secrets encrypted; {} where there is no file. Read here: the CLI takes longer."""
        own = self.folder / f"Pulumi.{self.short}.yaml"
        document = (yaml.safe_load(own.read_text()) if own.exists() else None) or {}
        found: dict[str, Any] = document.get("config") or {}
        return found

    def known(self) -> set[str]:
        """Return the names of the program's stacks."""
        return {str(one["name"]) for one in json.loads(_run(["pulumi", "stack", "ls", "--json"], self.folder, self.limit))}

    def version(self) -> str:
        """Return the CLI's version."""
        return _run(["pulumi", "version"], self.folder, self.limit).strip()

    def backend(self) -> str:
        """Return the address of the backend that is logged in to: the command knows no stack."""
        return _backend(self.folder, self.limit)

    def hear(self, *words: str, env: Mapping[str, str], limit: float) -> tuple[int, str]:
        """Run a command with more variables, for at most so many seconds, and return its exit code and all that it says."""
        quiet = [*self.argv(*words), "--non-interactive", "--color", "never"]
        try:
            done = subprocess.run(
                quiet, cwd=self.folder, env={**_env(), **env}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise _endless(self.argv(*words), limit) from None
        return done.returncode, done.stdout

    def attend(self, argv: list[str], tick: Callable[[], None] | None) -> int:
        """Run one of its commands, which the user sees, and return its exit code; `tick` is called each second meanwhile.

        Ctrl-C reaches the CLI, which ends in its own way.
        """
        # Whoever speaks meanwhile would tear the moving lines of a terminal.
        return self._watch([*argv, "--non-interactive"] if tick else argv, tick, {})

    def preview(self, changes: list[str]) -> tuple[int, list[str]]:
        """Preview what an update would do once one of its commands has changed config, which stays as it is; the user sees it. Return the
        exit code and the engine's events."""
        with self.changed(changes) as file:
            return self.events([*self.argv(*PREVIEW), "--config-file", str(file)])

    @contextmanager
    def changed(self, changes: list[str]) -> Iterator[Path]:
        """Lend a copy of config as one of its commands would leave it."""
        own = self.folder / f"Pulumi.{self.short}.yaml"
        with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
            copy = Path(folder) / own.name
            if own.exists():
                shutil.copyfile(own, copy)
            self.do([*changes, "--config-file", str(copy)])
            yield copy

    def events(self, argv: list[str]) -> tuple[int, list[str]]:
        """Watch an update or a preview, and return its exit code and the engine's events, a JSON object a line."""
        with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
            log = Path(folder) / "events.json"
            # The CLI has the option only with its commands for debugging; it is how the Automation API listens.
            code = self._watch([*argv, "--event-log", str(log)], None, {"PULUMI_DEBUG_COMMANDS": "true"})
            # An engine that was killed may have left half a letter.
            return code, log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []

    def _watch(self, argv: list[str], tick: Callable[[], None] | None, more: dict[str, str]) -> int:
        child = subprocess.Popen(argv, cwd=self.folder, env={**_env(), **more})
        while True:
            try:
                return child.wait(TICK if tick else None)
            except subprocess.TimeoutExpired:
                if tick:
                    tick()
            except KeyboardInterrupt:
                # The terminal has told the CLI as well: it puts the traffic back, and that is waited for.
                continue


def _text(value: dict[str, Any] | None) -> str | None:
    if not value:
        return None
    return str(value["value"]) if "objectValue" in value else json.dumps(value["value"])


def find(folder: Path, stack: str | None) -> Pulumi:
    """Return the CLI for a stack of the program in this folder or above; without a name, for the selected one."""
    home = next((place for place in (folder, *folder.parents) if any((place / name).exists() for name in PROJECT)), None)
    if home is None:
        raise Refused([f"no Pulumi.yaml in '{folder}' or above it: go to the program's folder, or name it with --cwd"])
    return Pulumi(home, stack or _run(["pulumi", "stack", "--show-name"], home, LIMIT).strip())


def place(backend: str) -> Path | None:
    """Return the folder of a file backend, by its address; None of any other."""
    address = urlsplit(backend)
    return Path(unquote(address.netloc + address.path)).expanduser() if address.scheme == "file" else None


def typed(argv: Sequence[str]) -> str:
    """Return a command as it is typed."""
    return shlex.join(argv)


def _project(folder: Path) -> dict[str, Any]:
    path = next(folder / name for name in PROJECT if (folder / name).exists())
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def _env() -> dict[str, str]:
    return {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}


def _backend(folder: Path, limit: float) -> str:
    return str(json.loads(_run(["pulumi", "whoami", "--verbose", "--json"], folder, limit))["url"])


def _run(argv: list[str], folder: Path, limit: float) -> str:
    quiet = [*argv, "--non-interactive", "--color", "never"]
    try:
        done = subprocess.run(
            quiet, cwd=folder, env=_env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False
        )
    except FileNotFoundError:
        raise Unreachable("no `pulumi` on PATH: run `make setup`, then `. scripts/env`, or install Pulumi's CLI") from None
    except subprocess.TimeoutExpired:
        raise _endless(argv, limit) from None
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}").strip()
        raise Unreachable(f"`{typed(argv)}`: {why.removeprefix('error: ')}{_torn(why, folder, limit)}")
    return done.stdout


def _endless(argv: Sequence[str], limit: float) -> Unreachable:
    return Unreachable(f"`{typed(argv)}` did not end within {limit:g} s, and was ended: run it by hand to see what it waits for")


def _torn(why: str, folder: Path, limit: float) -> str:
    """Say what helps where a CLI was killed as it saved. Its file backend replaces a state at once, but not the attributes beside it:
    those may be left empty, which it then cannot read, and which say nothing that it needs."""
    if not why.endswith("failed to load checkpoint: EOF"):
        return ""
    root = place(_backend(folder, limit))
    empty = sorted(str(path) for path in (root / ".pulumi").rglob("*.attrs") if not path.stat().st_size) if root else []
    return f"; it was killed as it saved, and the state is whole: run `rm {shlex.join(empty)}`" if empty else ""
