"""The start: the program's modules come from this folder, whatever Sluice the team's Python has, or none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

NAME = "sluice.systems.alembic_child"


def main() -> None:
    """Make the package known by its name, and nothing else of Sluice: the folder itself on the path would shadow the team's modules."""
    package = ModuleType(NAME)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[NAME] = package
    from sluice.systems.alembic_child.serve import serve

    serve()


if __name__ == "__main__":
    main()
