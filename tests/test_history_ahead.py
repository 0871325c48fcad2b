"""A release that is to come, with the real CLI: its commands, and what config would be."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from sluice.core.errors import Refused
from sluice.history.ahead import ahead
from sluice.history.pulumi import Pulumi
from tests.test_history_updates import pulumi

__all__ = ["pulumi"]
WORDS = ["--plaintext", "sluice:release.version=1.1"]


def configured(one: Pulumi) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((one.folder / "Pulumi.test.yaml").read_text())["config"]
    return found


def test_leave(pulumi: Pulumi):
    """The first command writes the version and leave for the very release that it makes; what is there already serves again, and the
    last one takes away no more than that."""
    other = ["--plaintext", "sluice:rollout.permissions[0].release=0.9-aaaaaa", "--plaintext", "sluice:rollout.permissions[0].nonce=n1"]
    first = ["--plaintext", "sluice:release.version=1.0", *other, "--plaintext", "sluice:rollout.permissions[0].by=ada"]
    pulumi.do(pulumi.argv("config", "set-all", "--path", *first, "--plaintext", "sluice:rollout.permissions[0].whole=true"))
    before = configured(pulumi)
    one = ahead(pulumi, WORDS, "release 1.1", ["backup", "tests"])
    assert (list(one.skipped), one.id[:4], configured(pulumi)) == (["backup", "tests"], "1.1-", before)
    pulumi.do(one.orders.before[0])
    again = ahead(pulumi, WORDS, "release 1.1", ["tests"])
    assert (again.id, again.orders.before) == (one.id, [pulumi.argv("config", "set-all", "--path", *WORDS)])
    assert (again.skipped, again.orders.used < one.orders.used) == (one.skipped, True)
    for command in one.orders.after:
        pulumi.do(command)
    assert configured(pulumi) == {**before, "sluice:release": {"version": "1.1"}}


def test_nothing(pulumi: Pulumi):
    """Nobody asks for anything: the version alone is written, and nothing has to be taken away."""
    one = ahead(pulumi, WORDS, "release 1.1")
    assert (one.orders.before, one.orders.after, one.orders.used) == ([pulumi.argv("config", "set-all", "--path", *WORDS)], [], frozenset())


def test_production(pulumi: Pulumi):
    """A stack that another one must prove lets nothing be left out."""
    config = ["pulumi", "config", "set", "--path", "sluice:rollout.requires.stack", "team/shop/staging"]
    subprocess.run(config, cwd=pulumi.folder, check=True)
    with pytest.raises(Refused) as caught:
        ahead(pulumi, WORDS, "release 1.1", ["tests"])
    why = "nothing is left out in production, and 'test' is: its releases are proven on 'staging' first; nothing was touched"
    assert str(caught.value) == f"--skip-tests: {why}"
