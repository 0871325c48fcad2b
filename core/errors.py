"""The tree of errors. Each says what, where, observed against expected, and the next command.

SluiceError
├── ConfigError         the settings are wrong; all problems at once; nothing was touched
├── Refused             preflight found a reason not to start; nothing was touched
├── GateFailed          a gate, smoke test or canary said no; the live version serves
├── Interrupted         told to stop, or the deployer is gone; traffic went back first
├── Superseded          another deployer took over the split; nothing more is written
├── Unreachable         a live system could not be asked or changed
├── BackupFailed        a backup or its drill did not hold; nothing was changed
├── MigrationFailed     a migration did not go through; the text says what the database is now
├── RestoreFailed       a restored copy did not take a database's place; the text says which one serves
└── RuntimeFailed       a process did not start, stop, or stay as it was told
"""

from __future__ import annotations

from collections.abc import Sequence


class SluiceError(Exception):
    """The base of every error that Sluice raises on purpose: one clear line, or one line a problem.

    `stays`: traffic must not go back to the live version, which may not run with what has been changed.
    """

    stays = False


class ConfigError(SluiceError):
    """The settings are wrong; `problems` holds every one of them, each beginning with its path."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Refused(SluiceError):
    """A fact that must be true before a release is not; `reasons` holds all of them, each a line under a headline."""

    def __init__(self, reasons: Sequence[str], *, headline: str = "") -> None:
        self.reasons = list(reasons)
        super().__init__("\n  - ".join([headline, *self.reasons]) if headline else "; ".join(self.reasons))


class GateFailed(SluiceError):
    """Checks at one moment did not hold until the deadline."""


# Why a call that was under way ended: also the words of what it was doing when that wraps it.
TOLD, GONE = "told to stop", "the deployer is gone"


class Interrupted(SluiceError):
    """The deployer was told to stop or has died."""


class Superseded(SluiceError):
    """The split has another owner now."""


class Unreachable(SluiceError):
    """A live system could not be asked or changed: refused, timed out, or answered nonsense."""


class BackupFailed(SluiceError):
    """A backup or its drill did not hold; nothing was changed. `reasons` holds all of them, each a line under a headline."""

    def __init__(self, headline: str, reasons: Sequence[str] = ()) -> None:
        self.reasons = list(reasons)
        super().__init__("\n  - ".join([headline, *self.reasons]))


class MigrationFailed(SluiceError):
    """A migration did not go through; the text says what the database is now."""


class RestoreFailed(SluiceError):
    """A restored copy did not take a database's place; the text says which one serves."""


class RuntimeFailed(SluiceError):
    """A process did not start, stop, or stay as it was told."""
