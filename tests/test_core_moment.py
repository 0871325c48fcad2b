"""The moments of a release."""

from __future__ import annotations

import json

from sluice.core.moment import Moment


def test_closed():
    """The list is closed, and its order is that of a release: code, logs and docs share it."""
    assert " ".join(Moment) == (
        "preflight backup drill drain expand backfill deploy health smoke canary promote settle record mark abort restore repair rollback"
    )


def test_meaning():
    """Each moment has a sentence of its own for people, and is its word everywhere else."""
    assert len({moment.meaning for moment in Moment}) == len(Moment)
    assert Moment("abort") is Moment.ABORT
    assert (json.dumps(Moment.ABORT), f"{Moment.ABORT}") == ('"abort"', "abort")
    assert Moment.ABORT.meaning == "all traffic goes back to the live version, at once"
