"""`sluice announce`, on a real stack that nothing was released on."""

from __future__ import annotations

import json
import subprocess

import pytest

from sluice.history.pulumi import Pulumi
from tests.fixtures.sluice import SLUICE
from tests.test_history_updates import pulumi

__all__ = ["pulumi"]
WINDOWS = {
    "timezone": "Europe/Berlin",
    "open": [{"days": ["tue"], "from": "02:00", "to": "04:00"}],
}
ROLLOUT = {
    "windows": WINDOWS,
    "contacts": {"lead": {"name": "Ada", "contact": "ada@example.org"}},
    "notify": [{"kind": "slack", "url": "env:HOOK"}],
}


def run(one: Pulumi, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SLUICE), "announce", "1.2.0", *words], cwd=one.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def stack(pulumi: Pulumi) -> Pulumi:
    """A stack with windows, a contact, and people who are told."""
    block = {"value": json.dumps(ROLLOUT), "objectValue": {}, "secret": False}
    pulumi.do(pulumi.argv("config", "set-all", "--json", json.dumps({"sluice:rollout": block})))
    return pulumi


def test_text(stack: Pulumi):
    """The message is made of config and history, and config stays as it is."""
    config = stack.folder / "Pulumi.test.yaml"
    before = config.read_text()
    done = run(stack, "--begin", "2026-12-01T02:30+01:00", "--zone", "America/New_York", "--effect", "logins wait", "--kind", "major")
    assert (done.returncode, done.stderr, config.read_text()) == (0, "", before)
    first, *rest = done.stdout.splitlines()
    assert first.startswith("Maintenance of test: version 1.2.0 (major, 1.2.0-")
    assert rest == [
        "",
        "When      Mon 2026-11-30 20:30 to 20:50 America/New_York",
        "          Tue 2026-12-01 01:30 to 01:50 UTC",
        "Because   no release has been proven here before; the ladder alone soaks for 20 min; going back has 0 s",
        "Effect    logins wait",
        "Way back  none: nothing serves before it",
        "Contact   Ada (lead, ada@example.org)",
        "News      by slack",
    ]


def test_json(stack: Pulumi):
    """Without a time it begins when releases next may, a day from now or later; programs get the parts, and the text."""
    done = run(stack, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["zones"], found["begin"][10:16], found["kind"]) == (["Europe/Berlin", "UTC"], "T02:00", "minor")
    assert found["text"].startswith("Maintenance of test: version 1.2.0 (minor, ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["--begin", "2026-12-02T02:30+01:00"],
            "--begin 2026-12-02T02:30+01:00: no release may begin then: closed on wed at 02:30 (Europe/Berlin); "
            "opens tue 2026-12-08 02:00 (Europe/Berlin)",
        ),
        (
            ["--begin", "2026-12-01T02:30"],
            "--begin 2026-12-01T02:30: of which time zone? write it as 2026-12-01T02:30+01:00, or 2026-12-01T02:30Z",
        ),
        (["--begin", "soon"], "--begin soon: is no time: write it as 2026-12-01T09:00+01:00"),
        (["--zone", "Berlin"], "--zone Berlin: is no time zone: write a name such as Europe/Berlin"),
    ],
)
def test_refused(stack: Pulumi, words: list[str], why: str):
    """No message names a time at which nothing could begin, nor one that nobody could read."""
    done = run(stack, *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {why}\n")
