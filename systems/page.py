"""A report as a page: one HTML file without a script or anything from elsewhere, or Markdown for a ticket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sluice.core.report import chart, gantt, word
from sluice.core.report.incident import impact
from sluice.core.report.report import Report

PAGES = Path(__file__).with_name("pages")
# What Markdown would take for itself within a line; HTML too, which most of what reads Markdown lets through.
SIGNS = re.compile(r"([\\`*_\[\]|<>~&])")

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def html(report: Report) -> str:
    """Return the page. Every text is escaped, and the page's own policy lets no script run."""
    return _environment(autoescape=True).get_template("report.html").render(_given(report))


def markdown(report: Report) -> str:
    """Return the report without its charts, for a ticket or a chat."""
    environment = _environment(autoescape=False)
    # Everything that is printed goes through it; there is no HTML to escape for, and Markdown has signs of its own.
    environment.finalize = lambda value: escaped(value) if isinstance(value, str) else value
    return environment.get_template("report.md").render(_given(report))


def escaped(text: str) -> str:
    """Return a text that Markdown prints as it is, in one line."""
    return SIGNS.sub(r"\\\1", visible(" ".join(text.split())))


def visible(text: str) -> str:
    """Return a text without what steers a terminal or a reader's eye: control characters, and marks that turn the order of letters."""
    return CONTROL.sub("\ufffd", text)


def _shown(value: Any) -> Any:
    # Markup is what the templates themselves have made, of texts that went through here.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _given(report: Report) -> dict[str, Any]:
    return {"report": report, "last": report.last, "impact": impact, "charts": chart.charts, "timeline": gantt.timeline, "high": chart.HIGH}


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.finalize = _shown
    environment.filters |= {"when": word.when, "clock": word.clock, "span": word.span}
    return environment
