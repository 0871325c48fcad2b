"""Who is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sluice.core.settings.kind import Duration, Name, Reference, Text
from sluice.core.value import Value


class Person(Value):
    """Who has a role (runbook 004, "Runbook Contacts")."""

    name: Text = Field(description="a person or a rota")
    contact: Text = Field(description="how to reach them")
    backup: Text | None = Field(default=None, description="who stands in for them")


class Escalation(Value):
    """Who is next when nobody has answered."""

    after: Duration = Field(description="how long those before get to answer")
    to: Name = Field(description="a role of `contacts`")


class Webhook(Value):
    """Where notices go."""

    kind: Literal["slack", "discord"] = Field(description="whose shape a notice has")
    url: Reference = Field(description="where its URL is on the machine that deploys: `env:NAME` or `file:/path`; whoever has it can post")
