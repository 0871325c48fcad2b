"""Where secrets are: in the environment or in files of the machine that deploys. Config and state hold references only."""

from __future__ import annotations

import os
from pathlib import Path

from sluice.core.errors import Unreachable
from sluice.core.secret import Secret, named

# A credential is a line or a key; a larger file is another file.
MOST = 64 * 1024


def resolve(reference: str) -> Secret:
    """Return the secret that `env:NAME` or `file:/path` refers to; a file's last line break is not part of it.

    Unreachable when there is none, ValueError when it is no reference; neither repeats a value.
    """
    where = named(reference)
    if where is None:
        raise ValueError("not a reference to a secret: write 'env:NAME' or 'file:/path'")
    kind, name = where
    secret = _variable(name) if kind == "env" else _file(Path(name))
    if not secret:
        raise Unreachable(f"the secret '{reference}' is empty on the machine that deploys")
    return Secret(secret)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise Unreachable(f"the secret 'env:{name}' is not set on the machine that deploys; run: export {name}=...")
    return os.environ[name]


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"the secret 'file:{path}' cannot be read on the machine that deploys ({type(error).__name__})") from None
    if len(content) > MOST:
        raise Unreachable(f"the secret 'file:{path}' is larger than {MOST // 1024} KiB: is it the right file?")
    return text.removesuffix("\n").removesuffix("\r")
