"""What a stack's config says, typed: `sluice:release` and `sluice:rollout` (docs/settings.md)."""

from sluice.core.settings.approval import Approvals, Given, missing
from sluice.core.settings.check import Threshold
from sluice.core.settings.parse import Settings, parse, parse_text, problems
from sluice.core.settings.permission import Ask, Leave, Permission, ask, leave, production
from sluice.core.settings.place import Place, parse_place
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.window import Windows, closed

__all__ = [
    "Approvals", "Ask", "Given", "Leave", "Permission", "Place", "Release", "Rollout", "Settings", "Threshold", "Windows",
    "ask", "closed", "leave", "missing", "parse", "parse_place", "parse_text", "problems", "production",
]  # fmt: skip
