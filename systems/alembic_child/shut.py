"""What shuts this process in: from here on it opens no connection and starts no program."""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

from sluice.systems.alembic_child.connection import DRIVERS
from sluice.systems.alembic_child.error import Blocked
from sluice.systems.alembic_child.kernel import kernel

# What reaches out, as the interpreter itself announces it.
EVENTS = {
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
}
CLOSED = "a migration works on the connection it is given (`op.get_bind()`) and opens no other, nor starts programs"


def shut() -> None:
    """Close every way out that Python code takes."""

    def hook(event: str, given: Any) -> None:
        if event in EVENTS and not (event == "os.exec" and not given):
            raise Blocked(f"{event}: {CLOSED}")

    kernel()
    sys.addaudithook(hook)
    for driver, places in DRIVERS.items():
        try:
            importlib.import_module(driver)
        except ImportError:
            continue
        for module, name in places:
            _close(module, name)


def _close(module: str, name: str) -> None:
    *above, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for one in above:
        owner = getattr(owner, one)
    setattr(owner, last, _blocked)


def _blocked(*_: Any, **__: Any) -> NoReturn:
    raise Blocked(CLOSED)
