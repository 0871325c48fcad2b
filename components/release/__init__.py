"""A release: everything that changes together. `runbook` is its order, each other file one part of it."""

from sluice.components.release.args import ReleaseArgs
from sluice.components.release.runbook import Release

__all__ = ["Release", "ReleaseArgs"]
