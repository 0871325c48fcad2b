"""The start: the program's modules come from this folder, whatever Sluice the team's Python has, or none."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

NAME = "sluice.systems.alembic_child"


def main() -> None:
    """Make the package known by its name, and nothing else of Sluice: the folder itself on the path would shadow the team's modules."""
    package = ModuleType(NAME)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[NAME] = package
    from sluice.systems.alembic_child.serve import serve

    code = 1
    try:
        serve()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # A thread of the team's code would keep this process, and its connection, for ever.
        os._exit(code)


if __name__ == "__main__":
    main()
