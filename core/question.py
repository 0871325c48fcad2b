"""What may be asked: each question with the parameters it needs and takes, so that a typo is refused before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """The parameters of one question: those it needs, and those it takes besides."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Return every parameter, needed ones first."""
        return self.needs + self.takes


def problems(question: str, of: Mapping[str, Any], questions: Mapping[str, Question]) -> list[str]:
    """Return what is wrong with a question's name and the names of its parameters, all of it."""
    if question not in questions:
        return [f"unknown question '{question}': known are {', '.join(questions)}"]
    known = questions[question].known
    strange = [name for name in of if name not in known]
    missing = [name for name in questions[question].needs if of.get(name) is None]
    wrong = [f"'{question}' takes no '{name}': known are {', '.join(known)}" for name in strange]
    return wrong + [f"'{question}' needs '{name}'" for name in missing]


def expect(question: str, of: Mapping[str, Any], questions: Mapping[str, Question]) -> None:
    """Raise ValueError with everything that is wrong with a question's name or parameters."""
    found = problems(question, of, questions)
    if found:
        raise ValueError("; ".join(found))
