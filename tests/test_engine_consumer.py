"""Two stacks of the real engine, one of which relies on the other."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import yaml

from sluice.core.contract import OUTPUTS, Terms
from tests.fixtures.engine import PROGRAM, Engine, checkout, proven

pytestmark = [pytest.mark.engine, pytest.mark.embedded]
EXAMPLE = PROGRAM.parent.parent.parent / "examples" / "consumer"
READER = PROGRAM.parent / "reader"
QUIET = {"ladder": [{"weight": 100, "soak": "1s", "samples": 0}], "poll": "200ms", "patience": "10s", "marks": []}
OFF = {"checks": {name: {"off": True} for name in ("error_rate", "latency", "error_delta", "latency_delta")}}
TYPES = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "map": lambda value: isinstance(value, dict),
    "map of texts": lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
    "map of maps": lambda value: isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()),
    "list of texts": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "list of maps": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
}


def shapes(outputs: Mapping[str, Any]) -> set[str]:
    """Return the names of what is there and of the type that is promised; another type is an error."""
    seen = set()
    for name, kind in OUTPUTS.items():
        output, _, key = name.partition(".")
        value = outputs.get(output, {}).get(key) if key else outputs.get(output)
        if value is not None:
            assert TYPES[kind](value), (name, kind, value)
            seen.add(name)
    return seen


def why(out: str) -> list[str]:
    """Return the lines of the error that a program has ended with."""
    told = [line.strip().removeprefix("error: ") for line in out.partition("Diagnostics:")[2].splitlines()]
    return [line for line in told if line.startswith(("contract ", "toy: ", "redcube: "))]


# the example, and redcube as it is


@pytest.fixture
def redcube() -> Iterator[Engine]:
    """Return redcube's own stack, never deployed."""
    one = Engine(checkout(), stack="staging")
    one.rollout(**QUIET, **OFF)
    yield one
    one.close()


@pytest.fixture
def digest(redcube: Engine) -> Iterator[Engine]:
    """Return the example's stack beside it, with the config that it has."""
    one = Engine(EXAMPLE, stack="dev", beside=redcube)
    one.config = yaml.safe_load((EXAMPLE / "Pulumi.dev.yaml").read_text())["config"]
    one.rollout(**QUIET, **OFF)
    yield one
    one.close()


def secret(stack: Engine) -> str:
    """Return the password of a stack's databases."""
    return next((stack.root / "secrets").glob("*.pgpass")).read_text().strip().rsplit(":", 1)[-1]


def test_the_example(redcube: Engine, digest: Engine):
    """The digest waits for redcube's schema, runs on its promise, and is not released while redcube is ill; what is live is kept."""
    redcube.release("1.0.0")
    assert redcube.up().ok
    # A stack that names no revision has none; and of databases without a row nothing is saved.
    absent = {"live.schema", "live.took", "live.backups", "live.approvals", "live.skipped", "marks.next", "marks.seen"}
    told = redcube.outputs()
    assert {name for name in OUTPUTS if name not in shapes(told)} - {"live.git"} == absent
    early = digest.preview()
    assert not early.ok
    assert why(early.out) == [
        "redcube: 'organization/sluice/staging' has 'redcube_users' at no revision that its release names: wanted is >=0001"
    ]
    assert "Traceback" not in early.out
    assert not digest.up().ok
    assert not digest.home.exists()

    redcube.configure("sluice:release", {"version": "1.0.0", "schema": {"redcube_users": "0001"}})
    assert redcube.up().ok
    told = redcube.outputs()
    assert {name for name in absent if name not in shapes(told)} == {
        "live.backups",
        "live.approvals",
        "live.skipped",
        "marks.next",
        "marks.seen",
    }
    assert Terms.parse(told["terms"]).things.items() >= {
        ("endpoints.user-service", "/api/auth/"),
        ("databases.postgres", "host, port, dbname"),
    }
    settled = digest.config["sluice:release"]
    first = digest.up()
    assert first.ok, first.out
    assert httpx.get(f"{digest.url}/digest/").json()["experiences"] > 0

    # Ill: its processes are stopped, so that nobody starts them again.
    ill = [process for process in redcube.processes() if "redcube.content" in " ".join(process.cmdline())]
    for process in ill:
        process.send_signal(signal.SIGSTOP)
    digest.release("1.1.0")
    # What was promised stands, so preview only warns.
    warned = digest.preview()
    assert warned.ok, warned.out
    assert "as things are now, `pulumi up` will refuse this release:" in warned.out
    refused = digest.up()
    assert not refused.ok
    assert "1.1.0-" in refused.out
    assert "does not begin, nothing was touched: 1 thing to mend" in refused.out
    assert "redcube: content-service's health" in refused.out
    assert "[P2: ask its team]" in refused.out
    assert (digest.live, digest.programs()) == ("1.0.0", [digest.program("digest@1.0.0-")])
    # A settled release asks nothing of anybody.
    digest.configure("sluice:release", settled)
    again = digest.up()
    assert again.ok, again.out
    for process in ill:
        process.send_signal(signal.SIGCONT)
    digest.release("1.1.0")
    well = digest.up()
    assert well.ok, well.out

    for stack in (redcube, digest):
        exported = stack.run("stack", "export").out + stack.run("stack", "output", "--json", "--show-secrets").out
        assert secret(redcube) not in exported


# the contract, on the toy


@pytest.fixture
def toy() -> Iterator[Engine]:
    """Return the toy's stack, 1.0 live."""
    with proven("1.0", **QUIET, **OFF) as one:
        yield one


@pytest.fixture
def reader(toy: Engine) -> Iterator[Engine]:
    """Return the reader's stack beside it."""
    one = Engine(READER, beside=toy)
    one.release("1.0")
    yield one
    one.close()


def declare(toy: Engine, services: str, **promise: Any) -> None:
    """Change the toy's program: its services, and what it promises."""
    told = "".join(f", {name}={value!r}" for name, value in promise.items())
    text = (PROGRAM / "__main__.py").read_text()
    text = text.replace('services=[service("web"), service("api")]', f"services=[service(name) for name in {services!r}.split()]")
    (toy.folder / "__main__.py").write_text(text.replace('"api"})', f'"api"}}{told})'))


def test_a_contract(toy: Engine, reader: Engine):
    """A door is taken back in two steps, and in no other way; a release that fails promises nothing; who reads it is told at each."""
    needs = {"contract": 1, "uses": ["endpoints.api"]}
    reader.configure("reader:needs", needs)
    assert reader.preview().ok

    declare(toy, "web")
    toy.release("1.1")
    for broken in (toy.preview(), toy.up()):
        assert not broken.ok
        assert why(broken.out) == [
            "contract 1: endpoints.api: '/api/' goes, and other stacks may read it",
            "contract 1: keep it; or tell others first, by deprecated={'endpoints.api': 'what to use'}, "
            "and once they have moved say contract=2 in program(...)",
        ]
        assert "Traceback" not in broken.out
    assert toy.serving("/api/") == {"1.0"}

    # It is said without a release.
    declare(toy, "web api", deprecated={"endpoints.api": "endpoints.web"})
    toy.release("1.0")
    assert toy.up().ok
    told = reader.preview()
    assert told.ok
    assert "toy: endpoints.api goes with contract 2: endpoints.web" in told.out

    declare(toy, "web", contract=2)
    toy.release("1.1", web={"CRASH": "no"})
    assert "contract 2: endpoints.api: '/api/' goes (deprecated)" in toy.preview().out
    assert not toy.up().ok
    kept = toy.outputs()
    assert (kept["contract"], set(kept["endpoints"])) == (1, {"web", "api"})
    assert toy.serving("/api/") == {"1.0"}
    assert reader.preview().ok

    toy.release("1.1")
    done = toy.up()
    assert done.ok, done.out
    gone = toy.outputs()
    assert (gone["contract"], set(gone["endpoints"]), Terms.parse(gone["terms"]).deprecated) == (2, {"web"}, {})
    assert toy.up().ok
    refused = reader.preview()
    assert not refused.ok
    assert why(refused.out) == [
        "toy: 'organization/toy/test' speaks contract 2, this program 1: "
        "see what is gone there, mend what reads it, then say contract=2 here",
        "toy: 'organization/toy/test' promises no endpoints.api: it has endpoints.web",
    ]
    reader.configure("reader:needs", {"contract": 2, "uses": ["endpoints.web"], "version": ">=1.2"})
    assert why(reader.preview().out) == ["toy: 'organization/toy/test' is at version 1.1: wanted is >=1.2"]

    # The way back is open, and those whom it meets are named.
    declare(toy, "web api")
    toy.release("1.0")
    back = toy.up()
    assert back.ok, back.out
    assert "contract 1: others were promised 2" in back.out
    assert (toy.live, toy.outputs()["contract"], toy.serving("/api/")) == ("1.0", 1, {"1.0"})
