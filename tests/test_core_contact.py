"""Who is next."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.core.contact import Contact, chain


def test_order():
    """People come in the order of time, however they were written down."""
    bob, ada = Contact(name="Bob", after=900), Contact(name="Ada", address="ada@example.org")
    assert chain([bob, ada]) == "Ada (ada@example.org), then Bob after 15 min"


def test_role():
    """A role stands beside the address, and a short wait is said in seconds."""
    eve = Contact(name="Eve", role="database", address="+1 555", after=45)
    assert chain([eve]) == "Eve (database, +1 555) after 45 s"


def test_nobody():
    """Nobody is an empty text, which callers leave out."""
    assert chain([]) == ""


def test_past():
    """Nobody is called before the failure."""
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Contact(name="Ada", after=-1)
