"""A release's text in config."""

from __future__ import annotations

from sluice.core.rollback.block import release_id, version


def test_ids():
    """A block's id is the one that the program gives it; a text that is no release has none."""
    assert release_id('{"version":"1.0"}') == release_id('"{\\"version\\":\\"1.0\\"}"')
    assert release_id('{"version":"1.0","colour":"red"}') is None
    assert release_id('"red"') is None


def test_version():
    """The version is told also of what is no release, if it names one."""
    assert version('{"version":"1.0","colour":"red"}') == "1.0"
    assert version('{"colour":"red"}') is None
    assert version('"red"') is None
