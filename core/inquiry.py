"""Where a program that is only asked finds what is known, and writes what it would ask.

Apart from `core.questions`, whose values an ordinary update would import for nothing.
"""

from __future__ import annotations

# The variable with the folder; nobody sets it but the command.
VARIABLE = "SLUICE_QUESTIONS"
KNOWN, ASKED = "known.json", "asked.json"
