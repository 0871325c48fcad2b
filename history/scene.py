"""A stack as `doctor` looks at it: its state, and where its things are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sluice.core.lease import said
from sluice.core.split import Share
from sluice.core.store import Store
from sluice.history.stack import Stack
from sluice.history.watch import Watch, watch

if TYPE_CHECKING:
    from sluice.systems.splits.port import Split


@dataclass(frozen=True)
class Scene:
    """A stack that is looked at. `long`, in seconds, is when a transaction or a statement is told; `locks` are those on the stack."""

    seen: Stack
    locks: Sequence[tuple[str, bool]]
    long: float
    limit: float
    lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    @property
    def busy(self) -> bool:
        """Say whether an update may be at work."""
        return any(not dead for _, dead in self.locks)

    @cached_property
    def watch(self) -> Watch:
        """Return who watches traffic that is not proven."""
        return watch(self.seen, self.split)

    @property
    def split(self) -> Split | None:
        """Return the splitter, opened once for all questions: in a container each opening starts a program there."""
        with self.lock:
            return self._split

    @cached_property
    def _split(self) -> Split | None:
        from sluice.systems import splits

        return splits.open(self.seen.split) if self.seen.split else None

    @property
    def share(self) -> Share:
        """Return who has the traffic, as the splitter says; Unreachable when it says nothing. It is asked once for all questions."""
        with self.lock:
            return self._share

    @cached_property
    def _share(self) -> Share:
        return self._split.get() if self._split else Share()

    @property
    def contained(self) -> bool:
        """Say whether the stack runs in containers."""
        return bool(self.seen.split and self.seen.split.get("through"))

    @property
    def held(self) -> str:
        """Return how a release is held on its way, "" when none is."""
        return said(self.watch.held) if self.watch.held else ""

    @cached_property
    def root(self) -> Path | None:
        """Return the folder of the stack's programs, where it is on this machine."""
        place = Path(self.seen.root) if self.seen.root else None
        return place if place and place.is_dir() else None

    @cached_property
    def store(self) -> Store | None:
        """Return one of the databases, through which their server is asked."""
        return next(iter(self.seen.stores.values()), None)

    def pidfile(self, name: str) -> Path:
        """Return the file with the process number of a program, or of a database server."""
        root = self.root or Path("/nonexistent")
        return root / "postgres" / name / "data" / "postmaster.pid" if name in self.seen.servers else root / "run" / f"{name}.pid"
