"""On which port of the loopback a container is published: its own for as long as it is there, as the engine's labels say.

A port that the engine chooses is another one each time the container is started again; these stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from sluice.core.commands.docker import PORT
from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process.ports import COUNT, FIRST, free


def choose(labels: Mapping[str, Mapping[str, str]], stack: str, name: str, taken: set[int], *, here: bool = True) -> int:
    """Return the port of a container: the one it has, else the first that is free from a place that depends on stack and name alone.

    `labels` are those of the stack's containers, `taken` the ports that this run of the program has given to others, and others have;
    `here`: it is published on this machine, where a stranger's port can be seen.
    """
    own = int(labels.get(name, {}).get(PORT, 0))
    if own:
        return own
    others = taken | {int(one.get(PORT, 0)) for one in labels.values()}
    begin = int(sha256(f"{stack}:{name}".encode()).hexdigest()[:8], 16)
    for step in range(COUNT):
        port = FIRST + (begin + step) % COUNT
        if port not in others and (not here or free(port)):
            return port
    last = FIRST + COUNT - 1
    raise RuntimeFailed(f"no port of 127.0.0.1 from {FIRST} to {last} is free: end what listens there, then `pulumi up`")
