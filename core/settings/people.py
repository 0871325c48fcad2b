"""Who is told."""

from __future__ import annotations

from typing import Any, Literal

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

    kind: Literal["slack", "discord", "json", "email", "pushgateway"] = Field(
        description="whose shape a notice has: a chat's, plain JSON, a mail, or figures for Prometheus"
    )
    url: Reference = Field(
        description="where its URL is on the machine that deploys: `env:NAME` or `file:/path`; whoever has it can post. "
        "email: `smtp://user:password@host:587`, or `smtps://`; pushgateway: `host:9091`, or a URL"
    )
    to: list[Text] = Field(default=[], description="email: who gets it")
    sender: Text | None = Field(default=None, description="email: who it is from")
    token: Reference | None = Field(default=None, description="json: where the token is that is sent along (`Authorization: Bearer`)")
    body: Text | None = Field(
        default=None,
        description="json: what is posted, as JSON with `${text}`, `${release}`, `${stack}`, `${state}`, `${moment}` and `${next}` in its "
        "texts; default: `text` and `fields`",
    )

    def wire(self) -> dict[str, Any]:
        """Return it without what its kind does not have."""
        return {name: value for name, value in super().wire().items() if value != []}
