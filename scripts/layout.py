"""Show the sources to a type checker under the names they are imported by: build/layout/sluice/<folder>, by the map in pyproject.toml."""

import shutil
import tomllib
from pathlib import Path


def layout(root: Path) -> None:
    """Link each mapped folder into build/layout, afresh, so that a folder that is gone leaves no link."""
    folders = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    shutil.rmtree(root / "build" / "layout", ignore_errors=True)
    for package, folder in folders.items():
        link = root.joinpath("build", "layout", *package.split("."))
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / folder)


layout(Path(__file__).parent.parent.resolve())
