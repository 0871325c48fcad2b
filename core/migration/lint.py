"""squawk's findings, read beside our own rules: which of its rules count here, and what each says of which statement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sluice.core.migration.file import Migration
from sluice.core.value import Value

OURS = "a rule of our own says it, with the size of the table and the way that is safe"
FRAME = (
    "a file runs in one transaction, or says that it does not, and its statements are counted: a second run goes on where the first ended"
)
LIMITS = "every file runs with a lock_timeout and a statement_timeout, its own or the default"
TASTE = "a matter of taste in a new column; of keys that come near their end preview warns by what is in them"
# Rules that say nothing here, each with the reason.
OFF = {
    "require-concurrent-index-creation": OURS,
    "adding-required-field": OURS,
    "adding-not-nullable-field": OURS,
    "adding-field-with-default": OURS,
    "adding-foreign-key-constraint": OURS,
    "adding-serial-primary-key-field": OURS,
    "constraint-missing-not-valid": OURS,
    "disallowed-unique-constraint": OURS,
    "changing-column-type": OURS,
    "renaming-column": OURS,
    "renaming-table": OURS,
    "ban-drop-table": OURS,
    "ban-drop-column": OURS,
    "ban-truncate-cascade": OURS,
    "ban-concurrent-index-creation-in-transaction": FRAME,
    "ban-uncommitted-transaction": FRAME,
    "transaction-nesting": FRAME,
    "prefer-robust-stmts": FRAME,
    "require-lock-timeout": LIMITS,
    "require-statement-timeout": LIMITS,
    "require-timeout-settings": LIMITS,
    "prefer-text-field": TASTE,
    "prefer-bigint-over-int": TASTE,
    "prefer-bigint-over-smallint": TASTE,
    "prefer-identity": TASTE,
    "prefer-timestamp-tz": TASTE,
    "ban-char-field": TASTE,
    "syntax-error": "PostgreSQL's own parser has read the file, and knows more of the language",
}
# Rules about what takes as long as the table is large: an error on a large one, as ours are.
SIZED = ("require-concurrent-reindex", "require-concurrent-index-deletion", "require-concurrent-partition-detach")
# What is right once the old code is gone.
CONTRACT = ("ban-drop-not-null",)


class Alarm(Value):
    """What a rule says of a statement, counted from 0; `line` is the file's."""

    rule: str
    statement: int
    line: int
    text: str

    @property
    def sized(self) -> bool:
        """Say whether the size of the table decides how bad it is."""
        return self.rule in SIZED


def written(migration: Migration) -> str:
    """Return a migration's statements as squawk reads them: each begins on a line of its own, `:batch` is a number."""
    # So does each end: the last line of a statement may be a comment.
    return "".join(f"{one.sql}\n;\n" for one in migration.forward.statements)


def alarms(migration: Migration, said: str) -> list[Alarm]:
    """Read what squawk has said in JSON of what was `written`; ValueError when it is not that."""
    found = [_alarm(migration, one) for one in _entries(said)]
    return [one for one in found if one.rule not in OFF and not (migration.phase == "contract" and one.rule in CONTRACT)]


def _entries(said: str) -> Iterator[dict[str, Any]]:
    found = json.loads(said or "[]")
    if not isinstance(found, list) or not all(isinstance(one, dict) and {"rule_name", "line", "message"} <= set(one) for one in found):
        raise ValueError("not the list of findings that squawk 2 prints")
    yield from found


def _alarm(migration: Migration, one: dict[str, Any]) -> Alarm:
    number, within = _place(migration, int(one["line"]))
    statement = migration.forward.statements[number]
    text = " ".join(part.strip() for part in (one["message"], one.get("help")) if part)
    return Alarm(rule=one["rule_name"], statement=number, line=statement.line + within, text=text)


def _place(migration: Migration, line: int) -> tuple[int, int]:
    """Return which statement a line of what was written is in, and how far down in it."""
    lengths: Sequence[int] = [one.sql.count("\n") + 2 for one in migration.forward.statements]
    for number, length in enumerate(lengths):
        if line < length:
            return number, line
        line -= length
    return len(lengths) - 1, 0
