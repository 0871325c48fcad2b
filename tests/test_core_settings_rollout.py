"""The rollout, as components take it."""

from __future__ import annotations

from sluice.core.contact import Contact
from sluice.core.ladder import Cohort, Step
from sluice.core.settings.rollout import Rollout

PEOPLE = {"lead": {"name": "Ada", "contact": "ada@example.org", "backup": "Bob"}, "dba": {"name": "Cyd", "contact": "cyd@example.org"}}


def test_walked():
    """A step has what it says, and the rollout's soak and samples where it says nothing."""
    rollout = Rollout.read({"ladder": [10, {"weight": 100, "soak": 0, "samples": 5}], "soak": "1m", "samples": 20, "patience": "2m"})
    assert rollout.walked.steps == [Step(weight=10, soak=60, samples=20), Step(weight=100, soak=0, samples=5)]
    assert rollout.walked.patience == 120


def test_cohort():
    """Beta users keep the new version on the steps after theirs, until another cohort takes their place."""
    beta, second = {"header": "x-beta"}, {"cookie": "beta", "value": "yes"}
    rollout = Rollout.read({"ladder": [{"cohort": beta}, 10, {"weight": 50, "cohort": second}, 100]})
    first = Cohort(header="x-beta", value="1")
    assert [step.cohort for step in rollout.walked.steps] == [first, first, *2 * [Cohort(cookie="beta", value="yes")]]


def test_webhooks():
    """Notices go where references point; no URL is in what hooks are given."""
    assert Rollout.read({"notify": [{"kind": "slack", "url": "env:HOOK"}]}).webhooks == [{"kind": "slack", "url": "env:HOOK"}]


def test_chain():
    """The escalation says who is next and when, each with a backup."""
    rollout = Rollout.read({"contacts": PEOPLE, "escalation": [{"after": 0, "to": "dba"}, {"after": "15m", "to": "lead"}]})
    assert rollout.chain == [
        Contact(name="Cyd", address="cyd@example.org", role="dba"),
        Contact(name="Ada", address="ada@example.org", role="lead", after=900),
        Contact(name="Bob", role="backup of lead", after=900),
    ]


def test_chain_without_escalation():
    """Without an escalation all contacts are next, in the order of config."""
    assert [contact.name for contact in Rollout.read({"contacts": PEOPLE}).chain] == ["Ada", "Bob", "Cyd"]
    assert Rollout.read({}).chain == []


def test_thresholds():
    """The limits that are watched are those of `checks`."""
    assert "cpu" not in Rollout.read({"checks": {"cpu": {"off": True}}}).thresholds
    assert Rollout.read({"checks": {"memory": {"max": "90%"}}}).thresholds["memory"].max == 0.9
