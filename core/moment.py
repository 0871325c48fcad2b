"""The moments of a release: a closed list, shared by code, logs, and docs."""

from __future__ import annotations

from enum import StrEnum


class Moment(StrEnum):
    """When something happens around a release; `meaning` is the sentence for people."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Moment:
        """Attach the sentence to the word."""
        moment = str.__new__(cls, word)
        moment._value_ = word
        moment.meaning = meaning
        return moment

    PREFLIGHT = "preflight", "what must be true before anything is touched"
    BACKUP = "backup", "the data is saved, with a manifest"
    DRILL = "drill", "the backup is restored into a scratch database and compared"
    DRAIN = "drain", "intake stops and work in flight ends"
    EXPAND = "expand", "the schema grows so that it serves both versions"
    BACKFILL = "backfill", "old rows get what the new schema wants, in batches"
    DEPLOY = "deploy", "the new version starts beside the live one"
    HEALTH = "health", "the new version says on its own address that it is well"
    SMOKE = "smoke", "a few real journeys work, first on its own address, then through the front door"
    CANARY = "canary", "traffic moves to the new version step by step, judged all the way"
    PROMOTE = "promote", "a held canary goes on"
    SETTLE = "settle", "the schema becomes exactly the configured revision"
    RECORD = "record", "the release is written down as proven, and people are told"
    MARK = "mark", "the release is looked at again, 30 minutes, 1 hour and 24 hours later"
    ABORT = "abort", "all traffic goes back to the live version, at once"
    RESTORE = "restore", "data comes back from a verified backup"
    REPAIR = "repair", "chosen rows come back from a backup, while what writes them is paused"
    ROLLBACK = "rollback", "a proven release is deployed again"
