"""What a stack's state holds about hooks, and what a no-change update pays for them."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from sluice.hooks.base import Hook
from sluice.hooks.gate import Gate, GateProvider
from sluice.hooks.mark import Mark, MarkProvider
from sluice.hooks.notify import Notify, NotifyProvider
from sluice.hooks.preflight import Preflight, PreflightProvider
from sluice.hooks.record import Record, RecordProvider
from sluice.hooks.restore import Restore, RestoreProvider

PINNED = [
    (Gate, GateProvider, "sluice.hooks.gate"),
    (Mark, MarkProvider, "sluice.hooks.mark"),
    (Notify, NotifyProvider, "sluice.hooks.notify"),
    (Preflight, PreflightProvider, "sluice.hooks.preflight"),
    (Record, RecordProvider, "sluice.hooks.record"),
    (Restore, RestoreProvider, "sluice.hooks.restore"),
]


@pytest.mark.parametrize(("resource", "provider", "module"), PINNED)
def test_names(resource: type, provider: type[Hook], module: str):
    """A provider is pickled by its name alone, and both names are a stored format: old stacks hold them for ever."""
    stored = base64.b64decode(serialize_provider(provider()))
    assert module.encode() in stored
    assert provider.__name__.encode() in stored
    assert len(stored) < 120
    assert resource._resource_type_name == f"dynamic/sluice:{resource.__name__}"


def test_light():
    """Importing the hooks, and a settled hook's check and diff, load no driver and no parser of settings."""
    program = """
import sys
from sluice.hooks import canary, gate, mark, notify, preflight, record
for provider in (gate.GateProvider(), mark.MarkProvider(), notify.NotifyProvider(), preflight.PreflightProvider(), record.RecordProvider()):
    props = {"release": "r1", "settled": True, "checks": [{}], "due": [], "passed": {}}
    assert provider.check({}, props).failures == []
    assert provider.diff("r1", props, props).changes is False
split = {"kind": "envoy", "folder": "/nonexistent", "admin": "", "routes": []}
assert canary.CanaryProvider().diff("r1", {}, {"release": "r1", "settled": True, "split": split}).changes is False
heavy = {"pydantic", "httpx", "psycopg", "jsonpath_ng", "sluice.core.check"}
print(*heavy & set(sys.modules), end="")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
