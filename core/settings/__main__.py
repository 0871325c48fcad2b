"""Writes docs/settings.md: python -m sluice.core.settings > docs/settings.md."""

from sluice.core.settings.page import page

print(page(), end="")
