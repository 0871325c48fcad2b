"""The bare program beside a stack in containers."""

from __future__ import annotations

import pytest

from bench import contained
from bench.measure import Skipped


def test_argued():
    """It gets the same inputs as Python's arguments, without what the provider filled in, under names and at ports of its own."""
    told = {
        "__defaults": ["logs"],
        "logs": False,
        "name": "toy-a-web",
        "stopTimeout": 8,
        "labels": [{"__defaults": [], "label": "sluice.stack", "value": "toy-a"}],
        "ports": [{"__defaults": ["protocol"], "protocol": "tcp", "internal": 8080, "external": 23456, "ip": "127.0.0.1"}],
        "volumes": [{"hostPath": "/home/toy-a/flags"}, {"volumeName": "toy-a-files"}],
        "logOpts": {"max-size": "50m"},
    }
    assert contained.argued(told, ("toy-a", "bare-a")) == {
        "name": "bare-a-web",
        "stop_timeout": 8,
        "labels": [{"label": "sluice.stack", "value": "bare-a"}],
        "ports": [{"internal": 8080, "external": 13456, "ip": "127.0.0.1"}],
        "volumes": [{"host_path": "/home/toy-a/flags"}, {"volume_name": "bare-a-files"}],
        "log_opts": {"max-size": "50m"},
    }


def test_skipped(monkeypatch: pytest.MonkeyPatch):
    """Where a part is missing that it measures, it says which."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Skipped, match=r"^the Pulumi CLI is not on PATH: run `make setup`$"):
        contained.preview(1)
