"""Who is told next when a release fails."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from sluice.core.value import Value

MINUTE = 60


class Contact(Value):
    """A person or a rota. `after`, in seconds, is how long the ones before get to answer (runbook 004, "Runbook Contacts")."""

    name: str
    address: str = ""
    role: str = ""
    after: float = Field(default=0.0, ge=0)


def chain(contacts: Iterable[Contact]) -> str:
    """Say who is next, in order of time: `Ada (ada@example.org), then Bob after 15 min`; empty when there is nobody."""
    ordered = sorted(contacts, key=lambda contact: contact.after)
    return ", then ".join(_spoken(contact) for contact in ordered)


def _spoken(contact: Contact) -> str:
    known = ", ".join(word for word in (contact.role, contact.address) if word)
    return contact.name + (f" ({known})" if known else "") + (f" after {_span(contact.after)}" if contact.after else "")


def _span(seconds: float) -> str:
    return f"{seconds / MINUTE:g} min" if seconds >= MINUTE else f"{seconds:g} s"
