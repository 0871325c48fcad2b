"""Reading the two keys: every key and every rule has a bad case (test_core_settings_bad.yaml), word for word."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice.core.errors import ConfigError
from sluice.core.settings import parse, parse_text, problems
from sluice.core.settings.problem import SENTENCES
from sluice.core.settings.release import Release
from sluice.core.settings.rollout import Rollout
from sluice.core.settings.rule import RULES
from sluice.core.settings.tree import RELEASE, ROLLOUT, keys

NOW = datetime.fromisoformat("2026-11-03T09:00:00+00:00")
DECLARED = {"web", "api"}
BAD = yaml.safe_load(Path(__file__).with_name("test_core_settings_bad.yaml").read_text())
MODELS = ((RELEASE, Release), (ROLLOUT, Rollout))
# Every key there is, at least once.
GOOD: dict[str, Any] = {
    "release": {
        "version": "1.2.0",
        "kind": "patch",
        "services": {
            "web": {"version": "1.2.1", "digest": "sha256:" + "0a" * 32, "replicas": 3, "settings": {"PORT": 8080, "DEBUG": True}}
        },
        "flags": {"dark-mode": True},
    },
    "rollout": {
        "ladder": [
            {"cohort": {"header": "x-beta", "value": "yes"}, "soak": 0, "samples": 0},
            10,
            {"weight": 50, "not_before": "2026-11-03 10:15:00 +0100 CET"},
            100,
        ],
        "soak": "30s",
        "samples": 20,
        "patience": "1m",
        "deadline": "1h",
        "poll": "500ms",
        "until": 100,
        "hold": "12h",
        "heartbeat": "8s",
        "checks": {"error_rate": {"max": "2%"}, "latency": {"max": "800ms", "quantile": 0.99}, "cpu": {"off": True}},
        "marks": ["30m", {"after": "1h", "error_rate": "1%", "latency": "2s", "window": "30s", "smoke": True}],
        "deadlines": {"health": 30, "smoke": "1m"},
        "windows": {
            "timezone": "Europe/Berlin",
            "open": [{"days": ["mon", "tue"], "from": "09:00", "to": "16:00"}],
            "freeze": [{"from": "2026-12-20 00:00:00 +0000 UTC", "to": "2026-12-27", "why": "the shop's best days"}],
            "holidays": ["2026-05-01"],
            "day_before_holiday": False,
        },
        "approvals": {"required": ["lead"], "given": [{"release": "1.2.0-abcdef", "by": "ada", "role": "lead", "nonce": 1}]},
        "permissions": [
            {"release": "1.2.0-abcdef", "by": "ada", "nonce": 2, "downgrade": "needed", "lossy": ["shop/0007"]},
            {"release": "1.2.0-abcdef", "by": "ada", "nonce": 3, "skip": "backup"},
        ],
        "requires": {"stack": "organization/redcube/staging"},
        "contacts": {"lead": {"name": "Ada", "contact": "ada@example.org", "backup": "Bob"}},
        "escalation": [{"after": "15m", "to": "lead"}],
        "notify": [{"kind": "slack", "url": "env:HOOK"}],
        "window": "12h",
    },
}


@pytest.mark.parametrize("case", BAD, ids=[case["name"] for case in BAD])
def test_bad(case: dict[str, Any]):
    """Everything that is wrong is told at once, each problem in one line after its path, and nothing secret with it."""
    with pytest.raises(ConfigError) as caught:
        parse(case["release"], case["rollout"], now=NOW, declared=DECLARED)
    assert caught.value.problems == case["says"]
    assert str(caught.value) == "\n".join(case["says"])
    assert "hunter2" not in str(caught.value)


def wrong() -> list[tuple[str, str]]:
    """Return the key and the rule of every problem in the bad cases."""
    found = [problems(case["release"], case["rollout"], now=NOW, declared=DECLARED) for case in BAD]
    return [(key(problem.path), problem.rule) for some in found for problem in some]


def key(path: str) -> str:
    """Return the key that a path in config is of."""
    listed = re.sub(r"\[\d+\]", "[]", path)
    named = re.sub(r'((?:^sluice:release\.|\.)(?:services|contacts|settings|flags))(?:\.[\w-]+|\["[^"]*"\])', r"\1.<name>", listed)
    return named.removesuffix("[]").removesuffix(".<name>")


def test_every_key():
    """No key is without a bad case of its own value."""
    told = {path for path, rule in wrong() if not rule}
    assert [key.path for root, model in MODELS for key in keys(root, model) if key.path not in told] == []


def test_every_rule():
    """No rule between keys is without a bad case."""
    told = {rule for _, rule in wrong()}
    assert [rule.name for rule in RULES if rule.name not in told] == []


def test_every_sentence():
    """Each kind of error that comes up has a sentence of ours, and each sentence an error that comes up."""
    kinds = {kind for case in BAD for kind in [*raised(Release, case["release"]), *raised(Rollout, case["rollout"])]}
    assert kinds - {"missing", "extra_forbidden", "invalid_key"} == set(SENTENCES)


def raised(model: Any, data: Any) -> list[str]:
    try:
        model.model_validate(data if isinstance(data, dict) else {})
    except ValidationError as error:
        return [one["type"] for one in error.errors()]
    return []


def test_good():
    """Config that has every key is read, in the types that programs use."""
    read = parse(**GOOD, now=NOW, declared=DECLARED)
    assert read.release.services["web"].settings == {"PORT": "8080", "DEBUG": "true"}
    assert (read.rollout.poll, read.rollout.deadlines.health, read.rollout.window.total_seconds()) == (0.5, 30.0, 43200.0)
    assert read.rollout.ladder[2].not_before == datetime.fromisoformat("2026-11-03T10:15:00+01:00")


def test_defaults():
    """A version is all that config must say."""
    read = parse({"version": "1.2.0"}, None, now=NOW)
    assert [step.weight for step in read.rollout.ladder] == [10, 25, 50, 100]
    assert (read.release.kind, read.rollout.until, read.rollout.windows) == ("minor", 100, None)


def test_any_service():
    """Where the program does not say what it declares, any service will do."""
    assert parse({"version": "1", "services": {"anything": {}}}, {}, now=NOW).release.services


def test_text():
    """The engine's texts read as the data in them, and a key that is not there as nothing said."""
    read = parse_text(json.dumps(GOOD["release"]), json.dumps(GOOD["rollout"]), now=NOW, declared=DECLARED)
    assert read == parse(**GOOD, now=NOW, declared=DECLARED)
    assert parse_text('{"version": "1"}', None, now=NOW) == parse({"version": "1"}, {}, now=NOW)


def test_text_broken():
    """A text that is no JSON is not shown, and does not hide what is wrong with the other key."""
    with pytest.raises(ConfigError) as caught:
        parse_text('{"version": "hunter2', '{"soak": "soon"}', now=NOW)
    assert caught.value.problems == [
        "sluice:release: is not a map of keys: write it as YAML in the stack's file, or set each key with pulumi config set --path",
        "sluice:rollout.soak: 'soon' is not a duration of at most a year: "
        "write '30s', '15m', '1h30m', '500ms', '7d', or a number of seconds",
    ]


def test_rules_beside_errors():
    """A key that is wrong silences the rules that read it, and no others."""
    release = {"services": {"wbe": {}}}
    rollout = {"soak": "soon", "ladder": [50, 25, 100], "until": 40, "poll": "10m"}
    assert [problem.rule for problem in problems(release, rollout, now=NOW, declared=DECLARED)] == ["", "", "declared", "climbs", "holds"]


NAMES = sorted({part for root, model in MODELS for key in keys(root, model) for part in re.findall(r"\w+", key.path)} - {"sluice"})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["5%", "1h", "09:00", "2026-11-03", "UTC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD["rollout"])), JSON, JSON)
def test_any_data(name: str, one: Any, release: Any):
    """Whatever config holds, it is read or refused in lines; no other error gets out."""
    found = problems(release, {**GOOD["rollout"], name: one}, now=NOW, declared=DECLARED)
    assert all(re.fullmatch(r"sluice:(release|rollout)\b.*: .+", problem.line) for problem in found)
    if not found:
        assert parse(release, {**GOOD["rollout"], name: one}, now=NOW, declared=DECLARED).release.version


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PASSWORD", "1X", "A B"]), st.sampled_from([["planted"], {"A": "planted"}, {"A": ["planted"]}, "planted"]))
def test_variables(name: str, value: Any):
    """No value of a service's variables is ever shown."""
    release = {"version": "1", "services": {"web": {"settings": {name: value}}, "api": {"settings": value}}}
    assert "planted" not in " ".join(problem.line for problem in problems(release, {}, now=NOW))
