"""The base of every value that crosses a boundary: settings, checks, descriptors, records."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown keys and travels as plain JSON (`wire` and `read`)."""

    # Pulumi hands numbers over as doubles (protobuf Struct), so 10.0 must read as the integer 10: no strict mode.
    # Secrets may sit in any input: an error must not repeat it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    def wire(self) -> dict[str, Any]:
        """Return the value as JSON-ready data, without keys that are None."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def read(cls, data: Any) -> Self:
        """Parse what `wire` returned."""
        return cls.model_validate(data)
