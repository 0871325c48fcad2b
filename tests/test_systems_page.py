"""The page: facts in it, nothing from elsewhere, and no way for a text to become code."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from sluice.core.journal import Event
from sluice.core.record import Record
from sluice.core.report.build import report
from sluice.core.report.report import Known, Report
from sluice.systems import page
from tests.fixtures.journal import NOON, WHY, back, bad, good

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & {{ 7 * 7 }} ]]>\x1b[31m\x00\u202e\ud800"


def made(release: str, events: list[Event], **more: object) -> Report:
    records = [Record(id=good()[0].release, version="1.1.0", kind="minor", services={}, at=NOON + timedelta(seconds=21))]
    return report(Known(stack="production", events=events, records=records, **more), release, NOON + timedelta(days=1))  # type: ignore[arg-type]


def parsed(html: str) -> ElementTree.Element:
    """Return the page as a tree; it is well formed, so that every reader sees the same one."""
    return ElementTree.fromstring(html.strip().removeprefix("<!doctype html>"))


def texts(tree: ElementTree.Element, path: str) -> list[str]:
    return [" ".join("".join(one.itertext()).split()) for one in tree.iterfind(path)]


@pytest.fixture(scope="module")
def failed() -> ElementTree.Element:
    return parsed(page.html(made(bad()[0].release, [*good(), *bad(), *back()])))


def test_headline(failed: ElementTree.Element):
    """The first lines say which release, on which stack, and what became of it."""
    assert texts(failed, ".//h1") == ["1.2.0 failed"]
    assert texts(failed, ".//header/p")[1] == "1.2.0-8cbcf7 failed at 'canary', and all traffic was back on what was live at 13:00:11."
    facts = dict(zip(texts(failed, ".//header//dt"), texts(failed, ".//header//dd"), strict=True))
    assert facts == {
        "release": "1.2.0-8cbcf7", "kind": "minor", "by": "ada on deploy-1", "commit": "4f2a9c81d07e", "began": "2026-11-24 13:00:00 UTC",
        "took": "11 s", "live before": "1.1.0-0d2f3a", "next release": "1.0.0-5e6f70, proven",
    }  # fmt: skip


def test_incident(failed: ElementTree.Element):
    """Severity, impact, commander and the postmortem's time are at the top; boxes that are known are ticked."""
    tiles = texts(failed, ".//div[@class='tile']")
    assert texts(failed, ".//div[@class='tile loud']")[0].startswith("Severity P1 go back within 15 minutes")
    assert tiles[0].startswith("Impact 3 failed The new version answered 10.3 %")
    assert tiles[1].startswith("Incident commander Cleo incident-commander, +49 30 1234, proposed")
    assert tiles[2] == "Postmortem due 2026-11-26 13:00:11 UTC 48 hours (runbook 004, incident checklist, step 6)"
    boxes = failed.findall(".//li/label/input")
    assert [box.get("checked") for box in boxes].count("checked") == 8
    assert texts(failed, ".//blockquote") == [WHY]


def test_verdicts(failed: ElementTree.Element):
    """Every check has a row with what was observed and expected."""
    rows = texts(failed, ".//table[@class='verdicts']/tbody/tr[@class='failed']/td")
    assert rows == ["content: error rate", "12.0 % (3 of 25)", "<= 5.0 %", "failed P1"]


def test_pictures(failed: ElementTree.Element):
    """The moments and the climb are drawn, and each point says its figures."""
    assert texts(failed, ".//div[@class='row']/span[@class='name']")[-1] == "canary"
    assert texts(failed, ".//figcaption") == ["Error rate", "Latency, 95th percentile", "Requests a second", "Share of the traffic"]
    assert "13:00:11 canary 15.4 % (2 of 13) live 0.926 % (1 of 108)" in texts(failed, ".//g[@class='hit']/text")
    assert all(svg.get("aria-label") for svg in failed.iterfind(".//figure/svg"))


def test_alone(failed: ElementTree.Element):
    """Nothing is fetched, no script is there, and the page's policy would let none run."""
    names = {one.tag for one in failed.iter()}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "a", "form", "base"}
    assert not [one for one in failed.iter() for name in one.attrib if name.startswith("on") or name in ("href", "src")]
    policy = failed.find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.get("content") == "default-src 'none'; style-src 'unsafe-inline'"
    style = "".join(texts(failed, ".//style"))
    assert not re.search(r"url\(|@import|https?:", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_no_text_becomes_code():
    """A version's name, an error, an actor and a figure from whoever deploys are texts, wherever they stand."""
    release = f"{EVIL}-8cbcf7"
    events = [
        event.model_copy(
            update={
                "text": EVIL if event.text else "",
                "actor": event.actor.model_copy(update={"user": EVIL, "host": EVIL, "job": EVIL, "git": EVIL}),
                "stack": EVIL,
            }
        )
        for event in bad(release)
    ]
    for event in events:
        for row in event.figures.get("verdicts", []):
            row.update(check=EVIL, observed=EVIL, expected=EVIL, outcome=EVIL, severity=EVIL)
        for side in event.figures.get("sides", []):
            side.update(service=EVIL, version=EVIL)
        if "contacts" in event.figures:
            event.figures["contacts"] = [{"name": EVIL, "role": EVIL, "address": EVIL}]
    report = made(release, events, notes=[EVIL])
    tree = parsed(page.html(report))
    assert not {one.tag for one in tree.iter()} & {"script", "img"}
    assert not [one for one in tree.iter() if "onerror" in one.attrib]
    found = "".join(tree.itertext())
    assert found.count("<script>alert(1)</script>") > 20
    assert "{{ 7 * 7 }} ]]>\ufffd[31m\ufffd\ufffd\ufffd" in found
    assert not page.CONTROL.search(found)
    said = page.markdown(report)
    assert not page.CONTROL.search(said)
    assert not re.search(r"(?<!\\)<", said)
    assert not re.search(r"(?<!\\)\[(?![ x]\] )", said)


def test_criteria(failed: ElementTree.Element):
    """What makes a release a success is a table of its own, on the page and in Markdown, with what was seen."""
    rows = [texts(row, "./td")[:3] for row in failed.iterfind(".//tr") if row.get("class") in ("passed", "failed", "not asked")]
    line = ["new version as good as live, under traffic", "failed", "0 of 1 check passed; content: error rate: 12.0 % (3 of 25)"]
    assert line in rows
    said = page.markdown(made(bad()[0].release, [*good(), *bad(), *back()]))
    assert f"| {' | '.join(line)} | canary, " in said


def test_markdown():
    """The same facts without the charts."""
    said = page.markdown(made(bad()[0].release, [*good(), *bad()]))
    assert said.splitlines()[0] == "# 1.2.0 on production: failed"
    assert "- Postmortem due: **2026-11-26 13:00:11 UTC** (48 hours, runbook 004)" in said
    assert "| content: error rate | 12.0 % (3 of 25) | \\<= 5.0 % | failed |" in said
    assert "- [x] Timeline documented: this page" in said
    assert "- [ ] Root cause identified" in said


@pytest.mark.parametrize("release", [good()[0].release, back()[0].release])
def test_good(release: str):
    """A release that went through has what remains to be done in place of the incident, and somewhere to sign."""
    tree = parsed(page.html(made(release, [*good(), *bad(), *back()])))
    if release == back()[0].release:
        assert "After the release" in texts(tree, ".//h2")
        assert "Incident" not in texts(tree, ".//h2")
    assert texts(tree, ".//table[@class='sign']/tbody/tr/td")[0] in ("Whoever deployed", "Incident commander")
