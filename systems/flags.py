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

from sluice.core.commands.docker import CONTAINER
from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.systems import files

# Where the file is in a container alone, this is run in there: a change is one step for whoever reads it.
BEGIN = "import json, sys; from pathlib import Path; from sluice.systems import flags; "
READ = BEGIN + "print(json.dumps(flags.read(Path(sys.argv[1]))))"
PUT = BEGIN + "flags.put(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))"


def read(path: Path) -> dict[str, bool]:
    """Return all flags; none when the file is not there yet. A file in a container is `docker:NAME:/path`."""
    if there := _inside(path):
        found: dict[str, bool] = json.loads(_run(there, READ))
        return found
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
    if there := _inside(path):
        _run(there, PUT, name, json.dumps(on))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.lock(path.with_suffix(".lock")):
        flags = {key: value for key, value in read(path).items() if key != name}
        if on is not None:
            flags[name] = on
        files.write(path, json.dumps(flags, sort_keys=True))


def there(path: Path) -> bool:
    """Say whether there is such a file; of one in a container, whether that runs."""
    if not (inside := _inside(path)):
        return path.exists()
    from sluice.systems import docker

    state = docker.state(inside[0])
    return state is not None and state.runs


def _inside(path: Path) -> tuple[str, str] | None:
    """Return the container that has a file, and where; None of a file here."""
    container, _, rest = str(path).removeprefix(CONTAINER).partition(":/")
    return (container, f"/{rest}") if str(path).startswith(CONTAINER) and rest else None


def _run(there: tuple[str, str], code: str, *words: str) -> str:
    from sluice.systems import docker

    container, path = there
    try:
        return docker.ask(["exec", container, "python", "-c", code, path, *words])
    except RuntimeFailed as error:
        raise Unreachable(
            f"the flags in '{path}' of container '{container}' cannot be reached: {str(error).rpartition(' | ')[2]}"
        ) from None


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
    if not file.name or not (file.parent.is_dir() or there(file)):
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
