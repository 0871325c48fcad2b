"""Which module answers which question. Modules are imported when first asked: a settled stack asks nothing, and pays nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sluice.core import question
from sluice.core.check import Check, judge
from sluice.core.errors import Unreachable
from sluice.core.reading import Reading, Unasked
from sluice.core.verdict import Verdict

# The first word of a check's question names the module: `http.status` is answered by `sluice.systems.http`.
# Each has `ask(question, of, timeout) -> Reading`, which raises nothing but Unreachable and ValueError, and `QUESTIONS`.
SYSTEMS = ("http", "sql", "logs", "process", "files", "supervisord", "prometheus")


def ask(check: Check) -> Reading:
    """Put one check's question to its system. A question nobody knows is an error, never a pass."""
    try:
        reading: Reading = _system(check).ask(check.ask, check.of, check.timeout)
    except Unreachable as error:
        return Unasked(str(error))
    except ValueError as error:
        raise ValueError(f"check '{check.name}': {error}") from None
    return reading


def problems(check: Check) -> list[str]:
    """Return what is wrong with a check's question and parameters, without asking it."""
    try:
        found = question.problems(check.ask, check.of, _system(check).QUESTIONS)
    except ValueError as error:
        found = [str(error)]
    return [f"check '{check.name}': {problem}" for problem in found]


def _system(check: Check) -> Any:
    system = check.ask.partition(".")[0]
    if system not in SYSTEMS:
        raise ValueError(f"no system named '{system}' for '{check.ask}': known are {', '.join(SYSTEMS)}")
    return import_module(f"sluice.systems.{'postgres' if system == 'sql' else system}")


def verdict(check: Check) -> Verdict:
    """Ask and judge one check."""
    return judge(check, ask(check))
