"""Journeys read from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.core.errors import ConfigError
from sluice.systems.journey import load

REDCUBE = Path(__file__).parent.parent / "examples" / "redcube" / "smoke" / "journeys.yaml"


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def write(folder: Path, text: str) -> Path:
    path = folder / "journeys.yaml"
    path.write_text(text)
    return path


def test_bodies(tmp_path: Path):
    """A body from a file is part of the journey, with its references, so that nobody needs the file later."""
    (tmp_path / "body.json").write_text('{"run": "${run}"}')
    path = write(tmp_path, "[{name: j, target: web, steps: [{name: s, path: /, body_file: body.json}]}]")
    (one,) = load(path)
    assert one.wire()["steps"][0]["body"] == '{"run": "${run}"}'


def test_references(tmp_path: Path):
    """A reference in a body's file is checked like any other."""
    (tmp_path / "body.json").write_text('{"id": "${id}"}')
    path = write(tmp_path, "[{name: j, target: web, steps: [{name: s, path: /, body_file: body.json}]}]")
    assert problems(path) == ["journeys.yaml.0.steps.0.body: unknown '${id}', no earlier step saves it: known are run"]


def test_problems(tmp_path: Path):
    """Everything that is wrong with a file comes at once: missing bodies and wrong settings."""
    steps = "[{name: a, path: /, body_file: gone.json}, {name: b, path: /, body: 1, body_file: x}, {name: c, path: d}]"
    path = write(tmp_path, f"[{{name: j, target: web, steps: {steps}}}]")
    assert problems(path) == [
        f"journeys.yaml.0.steps.0.body_file: '{tmp_path}/gone.json' cannot be read (FileNotFoundError)",
        "journeys.yaml.0.steps.1: has both body and body_file, keep one",
        "journeys.yaml.0.steps.2.path: string should match pattern '^/'",
    ]


def test_paths(tmp_path: Path):
    """A JSONPath that cannot be read is refused."""
    step = "{name: s, path: /, expect: [{path: '$.a[', is: ==, value: 1}], save: {id: '$..'}}"
    found = problems(write(tmp_path, f"[{{name: j, target: web, steps: [{step}]}}]"))
    assert [line.partition("' is not a JSONPath: ")[0] for line in found] == [
        "journeys.yaml.0.steps.0.expect.0.path: '$.a[",
        "journeys.yaml.0.steps.0.save.id: '$..",
    ]


def test_file(tmp_path: Path):
    """A file that is missing, no YAML, or no list is refused by its name."""
    gone = tmp_path / "gone.yaml"
    assert problems(gone) == [f"'{gone}' cannot be read: no such file or directory"]
    path = write(tmp_path, "[")
    assert problems(path)[0].startswith(f"'{path}' is not YAML: ")
    assert problems(write(tmp_path, "name: j")) == [f"'{path}' is not a list of journeys"]


def test_redcube():
    """The example's file is sound, and asks what the runbook's third phase asks."""
    listed, analyzed = load(REDCUBE)
    assert (listed.targets, analyzed.targets) == ({"content-service"}, {"content-service", "user-service"})
    assert analyzed.databases == {"postgres", "redcube_users"}
    assert [step.deadline for step in analyzed.steps if step.name == "analyze a text"] == [60]
