"""Print which suites a test run had, one line each, from its JUnit report: `suites.py build/tests.xml`."""

import sys
from collections import Counter
from xml.etree import ElementTree

COUNTS = ("passed", "failed", "skipped")


def outcome(case: ElementTree.Element) -> str:
    """Say how one test ended; an error in a fixture is a failure."""
    if case.find("skipped") is not None:
        return "skipped"
    return "passed" if case.find("failure") is None and case.find("error") is None else "failed"


def suites(report: str) -> None:
    """Print the counts and seconds of every test file."""
    counts: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        count = counts.setdefault(case.get("classname", "").removeprefix("tests.") or case.get("name", "?"), Counter())
        count[outcome(case)] += 1
        count["ms"] += round(float(case.get("time", 0)) * 1000)
    width = max(map(len, counts), default=5)
    print(f"{'suite':{width}}  {'passed':>7} {'failed':>7} {'skipped':>7} {'seconds':>8}")
    for name, count in sorted(counts.items()):
        print(f"{name:{width}}  " + " ".join(f"{count[word]:7}" for word in COUNTS) + f" {count['ms'] / 1000:8.1f}")


suites(sys.argv[1])
