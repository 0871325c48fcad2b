"""Feature flags as one small file that running services read: turning one off needs no deployment and no restart.

As a kill switch, from the checkout of the stack:  python -m sluice.systems.flags FILE NAME off --stack production
It changes the world first, then the stack's config, so that the next `pulumi up` keeps it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from sluice.core.errors import Unreachable
from sluice.systems import files


def read(path: Path) -> dict[str, bool]:
    """Return all flags; none when the file is not there yet."""
    try:
        flags = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Unreachable(f"the flags in '{path}' cannot be read ({type(error).__name__}): mend or remove the file") from None
    if not isinstance(flags, dict):
        raise Unreachable(f"the flags in '{path}' are no map of names: mend or remove the file")
    return flags


def put(path: Path, name: str, on: bool | None) -> None:
    """Set one flag, or forget it (None); the others stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.lock(path.with_suffix(".lock")):
        flags = {key: value for key, value in read(path).items() if key != name}
        if on is not None:
            flags[name] = on
        files.write(path, json.dumps(flags, sort_keys=True))


def command(name: str, on: bool, stack: str) -> list[str]:
    """Return the command that makes a flag last."""
    # Imported late: reading flags needs no settings.
    from sluice.core.settings.tree import RELEASE, path

    return ["pulumi", "config", "set", "--stack", stack, "--path", path(RELEASE, ["flags", name]), str(on).lower()]


def main() -> None:
    """Switch a flag: the world first, then config."""
    asked = argparse.ArgumentParser(prog="python -m sluice.systems.flags", description="Switch a feature flag at once, then in config.")
    asked.add_argument("file", type=Path, help="the stack's output `flags`")
    asked.add_argument("name")
    asked.add_argument("to", choices=["on", "off"])
    asked.add_argument("--stack", required=True)
    given = asked.parse_args()
    on = given.to == "on"
    _switch(given.file, given.name, on, given.stack)
    print(f"'{given.name}' is {given.to} for every version that runs", flush=True)
    asking = command(given.name, on, given.stack)
    if not _kept(asking):
        sys.exit(f"but not in config, so the next `pulumi up` takes it back; run: {shlex.join(asking)}")
    print(f"and in the config of '{given.stack}': the next `pulumi up` keeps it")


def _switch(file: Path, name: str, on: bool, stack: str) -> None:
    """Switch it for what runs. A file where no stack has its own is read by nobody, and the feature would go on."""
    if not file.name or not file.parent.is_dir():
        output = shlex.join(["pulumi", "stack", "output", "flags", "--stack", stack])
        sys.exit(f"'{file}' is in no stack's folder, nothing was switched: name the file that this prints: {output}")
    try:
        put(file, name, on)
    except Unreachable as error:
        sys.exit(f"{error}; nothing was switched")


def _kept(asking: list[str]) -> bool:
    try:
        return not subprocess.run(asking, check=False).returncode
    except FileNotFoundError:
        print("no `pulumi` on PATH", file=sys.stderr)
        return False


if __name__ == "__main__":
    main()
