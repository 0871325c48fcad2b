"""The program in the team's Python: what it is made of, and that the team's code sees nothing of it."""

from __future__ import annotations

import sys
from pathlib import Path

from sluice.systems import alembic_child
from sluice.systems.alembic_tree import read
from tests.fixtures.alembic import ENV, two
from tests.test_layers import imported

FOLDER = Path(alembic_child.__path__[0])


def test_imports():
    """It is made of the standard library, Alembic, SQLAlchemy and itself: the team's Python need not have more."""
    names = {name for path in FOLDER.glob("*.py") for name in imported(path.read_text())}
    own = {name for name in names if name.startswith(f"{alembic_child.__name__}.")}
    assert {name.partition(".")[0] for name in names - own} - sys.stdlib_module_names == {"alembic", "sqlalchemy"}


def test_nothing_of_it_is_seen(tmp_path: Path):
    """The team's modules may have the names of this program's, and Sluice's; its files do not tie a rehearsal."""
    lib = tmp_path / "lib"
    names = [*(path.stem for path in FOLDER.glob("[a-z]*.py")), "sluice"]
    lib.mkdir()
    for name in names:
        (lib / f"{name}.py").write_text("TEAM = True\n")
    env = "".join(f"import {name}\nassert {name}.TEAM\n" for name in names)
    spec = two(tmp_path / "tree", path=[str(lib)])
    (tmp_path / "tree" / "env.py").write_text(env + ENV)
    files = {file for one in read(spec).revisions for file in one.migration.files}
    assert {str(lib / f"{name}.py") for name in names} <= files
    assert not any(Path(file).is_relative_to(FOLDER) for file in files)
