"""What people are told before a maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.announcement import Announcement, between, effect, estimate
from sluice.core.ladder import Ladder, Step

NINE = datetime(2026, 12, 1, 8, tzinfo=UTC)
LADDER = Ladder(steps=[Step(weight=10, soak=60), Step(weight=50, soak=60), Step(weight=100, soak=60)])


def test_text():
    """The message says what, when by each reader's clock and why that long, what is noticed, the way back, and whom to call."""
    one = Announcement(
        stack="production",
        release="1.2.0-3fa2b1",
        version="1.2.0",
        kind="minor",
        begin=NINE,
        end=NINE + timedelta(minutes=25),
        zones=["Europe/Berlin", "UTC"],
        estimate=estimate([600, 1200, 660], LADDER, 21),
        effect=effect(LADDER, ["shop=0007"], first=False),
        back="to '1.1.0-0d2f3a', about 21 s, as the last rollback took",
        contacts="Ada (lead, ada@example.org)",
        told=["slack", "email"],
    )
    assert one.text == (
        "Maintenance of production: version 1.2.0 (minor, 1.2.0-3fa2b1)\n"
        "\n"
        "When      Tue 2026-12-01 09:00 to 09:25 Europe/Berlin\n"
        "          Tue 2026-12-01 08:00 to 08:25 UTC\n"
        "Because   the last 3 releases took 11 min at the median, 20 min at most; the ladder alone soaks for 3 min; going back has 21 s\n"
        "Effect    none is expected: the version that serves goes on until the new one has passed; "
        "that one gets 10 %, 50 % of the requests, step by step, and none when it fails\n"
        "          database shop goes to revision 0007 while it serves\n"
        "Way back  to '1.1.0-0d2f3a', about 21 s, as the last rollback took\n"
        "Contact   Ada (lead, ada@example.org)\n"
        "News      by slack, email"
    )


@pytest.mark.parametrize(
    ("earlier", "back", "minutes"),
    [([], 0, 5), ([200], 20, 5), ([281], 20, 10), ([10, 20, 30, 40, 50, 9000], 0, 5), ([60], 3600, 65)],
)
def test_estimate(earlier: list[float], back: float, minutes: int):
    """The longest of the last five counts, at least the ladder's soak, with time to go back, in whole steps of five minutes."""
    assert estimate(earlier, LADDER, back).seconds == 60 * minutes


def test_nothing_before():
    """Where nothing was released there is nothing to go by, which is said."""
    assert estimate([], LADDER, 0).why == "no release has been proven here before; the ladder alone soaks for 3 min; going back has 0 s"
    assert effect(LADDER, [], first=True) == ["the service opens: there was none before"]


def test_between():
    """A night has two days, and each zone its own."""
    late = datetime(2026, 12, 1, 22, 50, tzinfo=UTC)
    assert between(late, late + timedelta(minutes=30), "UTC") == "Tue 2026-12-01 22:50 to 23:20 UTC"
    assert between(late, late + timedelta(minutes=30), "Europe/Berlin") == "Tue 2026-12-01 23:50 to Wed 2026-12-02 00:20 Europe/Berlin"
