"""What `sluice repair` says before it asks a database; what it does is in test_engine_repair and test_systems_repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli.repair import saved
from sluice.core.errors import Refused
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack


def test_no_backup(tmp_path: Path):
    """Where there is no backup to take rows from, it is said how to make one."""
    seen = Stack(Pulumi(tmp_path, "prod"), "", {}, None, [])
    with pytest.raises(Refused) as caught:
        saved(seen, "shop", None)
    assert str(caught.value) == "no verified backup of 'shop': there is none, and `sluice backup shop` makes one"
    with pytest.raises(Refused, match=r"^no verified backup of 'shop' is called b1: there is none, and `sluice backup shop` makes one$"):
        saved(seen, "shop", "b1")
