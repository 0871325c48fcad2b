"""The program's course: connect, shut, load, and answer what the parent asks."""

from __future__ import annotations

import sys
from pathlib import Path

from sluice.systems.alembic_child.connection import connect
from sluice.systems.alembic_child.cursor import Ear
from sluice.systems.alembic_child.error import reason, spot
from sluice.systems.alembic_child.files import watch
from sluice.systems.alembic_child.lines import Lines
from sluice.systems.alembic_child.read import read
from sluice.systems.alembic_child.runner import Runner
from sluice.systems.alembic_child.shut import shut
from sluice.systems.alembic_child.tree import Tree


def serve() -> None:
    """Answer what the parent asks, until it has nothing more."""
    lines, ear = Lines(), Ear()
    asked = lines.hear()
    sys.path[:0] = asked["path"]
    try:
        connection = connect(asked["connect"], ear) if asked.get("connect") else None
        shut()
        watch()
        tree = Tree(asked)
        found = read(tree) if connection is None else {}
    except Exception as error:
        lines.say({"error": f"{spot(Path(asked['folder'] or '.'), error)}{reason(error)}"})
        return
    if connection is None:
        lines.say(found)
        return
    runner = Runner(lines, tree, connection, ear)
    lines.say({"ready": connection.connection.dbapi_connection.info.backend_pid})
    while (asked := lines.hear()) is not None:
        lines.say(runner.asked(asked))
