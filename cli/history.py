"""`sluice history`: every update of a stack, and what it proved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.cli import options, say

if TYPE_CHECKING:
    from sluice.core.update import Update
    from sluice.history.stack import Stack

HEAD = ("when", "what", "ended", "release", "is", "commit", "message")


@options.spread
def history(at: options.At = options.HERE, json: options.Json = False) -> None:
    """Show what was deployed: failed, interrupted and refreshed updates told apart, and which release each one proved.

    In plain Pulumi: `pulumi stack history --full-dates`, and `pulumi stack output proven`.
    """

    seen = at.look()
    rows = [row(one, seen) for one in seen.updates]
    if json:
        say.data(rows)
        return
    if rows:
        say.table(HEAD, [[*told(one)] for one in rows])
    else:
        say.lines(f"no update of '{seen.pulumi.stack}' yet: `pulumi up` makes the first")
    lost = [past for past in seen.pasts if past.config is None]
    say.lines(*(f"{past.id}: {past.why}" for past in lost))
    if seen.pending:
        say.lines(f"an update was killed while it worked on {', '.join(seen.pending)}: `pulumi up` goes on")


def row(update: Update, stack: Stack) -> dict[str, Any]:
    """Return an update as data."""
    from sluice.core.rollback.block import release_id, version

    text = update.release
    proved = next((past.id for past in stack.pasts if past.update is update), None)
    return {
        "begun": update.begun,
        "ended": update.ended,
        "kind": update.kind,
        "outcome": update.outcome.value,
        "release": (release_id(text) or version(text)) if text else None,
        "proved": proved,
        "live": proved is not None and stack.live is not None and proved == stack.live.id,
        "git": update.git,
        "skipped": next((past.record.skipped for past in stack.pasts if past.update is update), {}),
        "message": update.message,
    }


def told(row: dict[str, Any]) -> list[str]:
    """Return a row's cells."""
    from sluice.core.settings.permission import without

    mark = ("live" if row["live"] else "proven" if row["proved"] else "") + without(row["skipped"])
    release = row["release"] or ""
    return [say.when(row["begun"]), row["kind"], row["outcome"], release, mark, (row["git"] or "")[:12], row["message"]]
