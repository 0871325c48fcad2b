"""What the program finds out about a release, and what preflight says of it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest

from sluice.components import Alembic, Stack, facts
from sluice.core.backup.room import Room
from sluice.core.plan import Plan, plan
from sluice.core.record import Record
from sluice.core.settings import Ask, Leave, parse
from sluice.core.spec import Spec
from sluice.core.store import Store
from sluice.systems import migrations
from tests.fixtures.alembic import ITEMS, add, tree
from tests.fixtures.mock import World
from tests.test_hooks_backup import props

NOON = datetime(2025, 11, 27, 12, tzinfo=UTC)  # a Thursday
ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture(autouse=True)
def selected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Select a stack, whatever another test has selected."""
    monkeypatch.setattr("pulumi.get_stack", lambda: "stack")


def spec(version: str, digest: str = ONE) -> Spec:
    return Spec(service="web", version=version, digest=digest, argv=["run"], artifact="/app", prefix="/")


def record(name: str, *specs: Spec, approvals: tuple[str, ...] = ()) -> Record:
    services = {one.service: {"name": one.name, "version": one.version, "digest": one.digest, "spec": one.text} for one in specs}
    given = {"id": name, "version": name, "kind": "minor", "services": services, "approvals": approvals, "at": NOON}
    return Record.model_validate(given)


def stack(
    *, release: dict[str, Any] | None = None, proven: list[Record] | None = None, required: list[Record] | None = None, **rollout: Any
) -> Stack:
    settings = parse({"version": "2", **(release or {})}, rollout, now=NOON)
    return Stack(settings=settings, proven=proven or [], required=required, now=NOON)


def planned(there: Stack, target: Spec) -> Plan:
    rollout = there.settings.rollout
    return plan(
        release=there.settings.release.id,
        target={"web": target},
        ladder=rollout.walked,
        proven=there.proven,
        window=rollout.window,
        now=there.now,
        skipped=facts.left(there).skipped,
    )


def lines(there: Stack, target: Spec | None = None) -> list[str]:
    found = facts.gather(there, planned(there, target or spec("2")))
    assert not any(fact.ok for fact in found)
    return [fact.line for fact in found]


def test_all_is_well():
    """Without windows, approvals, digests and other stacks there is nothing to insist on."""
    assert lines(stack()) == []


def test_window():
    """A closed window is a reason, with the time when it opens."""
    windows = {"timezone": "UTC", "open": [{"days": ["fri"], "from": "09:00", "to": "12:00"}]}
    assert lines(stack(windows=windows)) == [
        "deployment window: closed on thu at 12:00 (UTC); opens fri 2025-11-28 09:00 (UTC)",
    ]


def test_approval():
    """A missing approval is a reason with the command that gives it; one whose nonce a proven release has spent is missing."""
    id = stack().settings.release.id
    given = [{"release": id, "by": "Ada", "role": "manager", "nonce": "n1"}]
    approvals = {"required": ["manager"], "given": given}
    assert lines(stack(approvals=approvals)) == []
    assert lines(stack(approvals={"required": ["manager"]})) == [
        f"approval: 'manager' has not approved '{id}'; run: pulumi config set-all --path "
        f"--plaintext 'sluice:rollout.approvals.given[0].release={id}' "
        "--plaintext 'sluice:rollout.approvals.given[0].role=manager' "
        "--plaintext 'sluice:rollout.approvals.given[0].nonce=1' "
        '--plaintext "sluice:rollout.approvals.given[0].by=$(id -un)" --stack stack'
    ]
    (again,) = lines(stack(approvals=approvals, proven=[record("r1", spec("1"), approvals=("n1",))]))
    assert again.startswith(f"approval: 'manager' has not approved '{id}' again (its nonce is spent); run: ")


def test_no_backup():
    """Nothing lets a release go without its backup in production, and the reason says by what that is known; elsewhere it is no reason."""
    id = stack().settings.release.id
    permission = {"release": id, "by": "Ada", "nonce": "n1", "skip": "backup"}
    other = {**permission, "release": "other", "nonce": "n0"}
    assert lines(stack(permissions=[permission])) == []
    assert lines(stack(permissions=[other], requires=REQUIRES, proven=[record("r1", spec("1"))])) == []
    approvals = {"required": ["manager"], "given": [{"release": id, "by": "Bob", "role": "manager", "nonce": "n2"}]}
    assert lines(stack(permissions=[other, permission], approvals=approvals)) == [
        f"backup: 'Ada' lets '{id}' go without a backup, and this stack is production: its releases are approved by 'manager'; run: "
        "pulumi config rm --path 'sluice:rollout.permissions[1].skip' --stack stack"
    ]
    untested = {**permission, "nonce": "n3", "by": "Eve", "skip": "tests"}
    assert lines(stack(permissions=[permission, untested], approvals=approvals))[1:] == [
        f"smoke tests: 'Eve' lets '{id}' go without its smoke tests, and this stack is production: its releases are approved by 'manager'; "
        "run: pulumi config rm --path 'sluice:rollout.permissions[1].skip' --stack stack"
    ]


@pytest.mark.embedded
def test_no_backup_of_what_is_pending(store: Store, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch):
    """Preview says that a release with statements to run will be refused, where somebody lets it go without its backup."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))

    def program() -> None:
        release = pulumi.ComponentResource("test:index:Release", "r")
        wires, ask = props(store, tmp_path)["databases"], Ask(release="r1", stack="test")
        for skip in ("", "Ada"):
            facts.explain(wires, Room(folder=str(tmp_path / "backups")), {}, release, when="always", ask=ask, skip=skip)

    world.run(program)
    why = f"{store.dbname}: has statements to run, and 'Ada' lets this release go without a backup, which only one without them can do"
    assert said == [
        f"as things are now, `pulumi up` will refuse this release:\n  - {why}: take skip out of sluice:rollout.permissions",
    ]


REQUIRES = {"stack": "organization/shop/staging"}
MISSING = "proven elsewhere first: 'organization/shop/staging' has not proven web 2; run: "
MISSING += "pulumi config set --path sluice:release.version 2 --stack staging && pulumi up --stack staging"


def test_unproven_version():
    """A version that the other stack has not proven is refused, with what to run."""
    assert lines(stack(requires=REQUIRES, required=[])) == [MISSING]
    assert lines(stack(requires=REQUIRES, required=[record("r1", spec("1"))])) == [MISSING]


def test_unproven_digest():
    """The same version with other content is another thing; every content that was proven is named."""
    assert lines(stack(requires=REQUIRES, required=[record("r2", spec("2", TWO)), record("r1", spec("1"))])) == [
        "proven elsewhere first: 'organization/shop/staging' has proven web 2 with other content (222222222222, here 111111111111); "
        "run: pulumi config set --path sluice:release.version 2 --stack staging && pulumi up --stack staging"
    ]


def test_proven_elsewhere():
    """What the other stack proved once, now or before, with other settings too, may come."""
    before = Spec(service="web", version="2", digest=ONE, argv=["run"], artifact="/app", prefix="/", env={"MODE": "test"})
    assert lines(stack(requires=REQUIRES, required=[record("r3", spec("3")), record("r2", before)])) == []


def test_proven_elsewhere_without_its_tests():
    """What the other stack has let in without smoke tests it has not proven; once it has gone through them there, it may come."""
    loose = record("r2", spec("2")).model_copy(update={"skipped": {"tests": "eve"}})
    why = "proven elsewhere first: 'organization/shop/staging' has proven web 2 without its smoke tests, by leave of 'eve'; "
    why += "they are walked when it is brought out there again; run: pulumi config set --path sluice:release.kind "
    assert lines(stack(requires=REQUIRES, required=[loose])) == [f"{why}configuration --stack staging && pulumi up --stack staging"]
    again = loose.model_copy(update={"kind": "configuration"})
    assert lines(stack(requires=REQUIRES, required=[again])) == [f"{why}patch --stack staging && pulumi up --stack staging"]
    assert lines(stack(requires=REQUIRES, required=[record("r3", spec("2")), loose])) == []


def test_what_is_live_here_needs_no_proof_elsewhere():
    """Only what is new must have been proven elsewhere."""
    there = stack(requires=REQUIRES, required=[], proven=[record("r1", spec("2"))])
    assert lines(there, spec("2")) == []


def test_content():
    """Where config names a digest, other content is refused; no command is offered, since it would trust what happens to be there."""
    release = {"services": {"web": {"digest": f"sha256:{TWO}"}}}
    assert lines(stack(release=release), spec("2", TWO)) == []
    assert lines(stack(release=release), spec("2", ONE)) == [
        "content: web 2 in '/app' is 111111111111, and sluice:release.services.web.digest is 222222222222: "
        "put that content there, or name the one that you trust"
    ]


def test_a_settled_release_insists_on_nothing():
    """What is live is not refused for a window that has closed or a nonce that it has spent itself."""
    release = {"services": {"web": {"digest": f"sha256:{TWO}"}}}
    id = stack(release=release).settings.release.id
    live = record(id, spec("2"))
    windows = {"timezone": "UTC", "holidays": ["2025-11-27"]}
    there = stack(release=release, proven=[live], requires=REQUIRES, required=[], windows=windows, approvals={"required": ["manager"]})
    assert planned(there, spec("2")).settled
    assert lines(there) == []


def test_all_at_once():
    """Every reason is told, not only the first."""
    there = stack(
        release={"services": {"web": {"digest": f"sha256:{TWO}"}}},
        requires=REQUIRES,
        required=[],
        windows={"timezone": "UTC", "holidays": ["2025-11-27"]},
        approvals={"required": ["manager"]},
    )
    assert [line.partition(":")[0] for line in lines(there)] == ["deployment window", "approval", "content", "proven elsewhere first"]


def test_left():
    """A permission counts for its release until a proven release has spent its nonce, and who asks again is told so."""
    id = stack().settings.release.id
    given = {"release": id, "by": "ada", "nonce": "n1", "downgrade": "exact", "lossy": ["shop/0007"]}
    fresh, spent = stack(permissions=[given]), stack(permissions=[given], proven=[record("1", spec("1"), approvals=("n1",))])
    assert facts.left(fresh) == Leave(downgrade="exact", lossy=("shop/0007",))
    assert facts.left(spent) == Leave()
    asked = facts.asked(spent, planned(spent, spec("2")))
    assert (asked.index, asked.void) == (1, " again (the nonce of its permission is spent)")


def test_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A release leaves what it takes to declare it again, and who brought it out from which commit, where there is one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ada")
    there = stack()
    written = facts.record(there, planned(there, spec("2")))
    assert written == {
        "id": there.settings.release.id,
        "version": "2",
        "kind": "minor",
        "services": {"web": {"name": spec("2").name, "version": "2", "digest": ONE, "spec": spec("2").text}},
        "schema": {},
        "approvals": [],
        "git": None,
        "by": "ada",
    }
    assert Record.read({**written, "at": (NOON + timedelta(hours=1)).isoformat()}).services["web"].name == spec("2").name

    given = {"release": there.settings.release.id, "by": "ada", "nonce": "n1", "downgrade": "exact"}
    allowed = stack(permissions=[given, {**given, "release": "1-ffffff", "nonce": "n2"}])
    assert facts.record(allowed, planned(allowed, spec("2")))["approvals"] == ["n1"]

    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    for name, value in author.items():
        monkeypatch.setenv(name, value)
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert facts.record(there, planned(there, spec("2")))["git"] == head


def test_a_settled_record_never_changes():
    """Once settled, neither another user nor another commit is a difference."""
    live = record(stack().settings.release.id, spec("2"))
    there = stack(proven=[live])
    written = facts.record(there, planned(there, spec("2")))
    assert not {"git", "by"} & written.keys()


def test_who_without_a_name(monkeypatch: pytest.MonkeyPatch):
    """In a container whose user has no name, the number is written down."""

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    there = stack()
    assert facts.record(there, planned(there, spec("2")))["by"] == f"user {os.getuid()}"


def test_unknown_revisions(tmp_path: Path):
    """Databases without migrations, revisions without a file, one that YAML took for a number, and wrong files are told at once."""
    good, bad = tmp_path / "shop", tmp_path / "users"
    for folder, name, text in ((good, "0008_a.sql", "select 1;"), (bad, "1_b.sql", "selec 1;")):
        folder.mkdir()
        (folder / name).write_text(text)
    found = facts.unknown({"shop": "8", "orders": "1", "users": "1"}, {"shop": good, "users": bad})
    assert found[:2] == [
        f"sluice:release.schema.shop: '{good}' has no revision '8': did you mean '0008'? it needs quotes, which the CLI writes; "
        "run: pulumi config set --path sluice:release.schema.shop 0008 --stack stack",
        "sluice:release.schema.orders: the program has no migrations of a database 'orders': known are shop, users",
    ]
    assert found[2].startswith(f'{bad}/1_b.sql: line 1: column 1: syntax error at or near "selec"')
    assert facts.unknown({"shop": "0009"}, {"shop": good}) == [
        f"sluice:release.schema.shop: '{good}' has no revision '0009': known are 0008"
    ]
    assert facts.unknown({"shop": "0008"}, {"shop": good}) == []
    (good / "0010_c.sql").write_text("select 1;")
    (why,) = facts.unknown({"shop": "8"}, {"shop": good})
    assert why.partition("did you mean ")[2] == (
        "'0008' or '0010'? it needs quotes, which the CLI writes; "
        "run: pulumi config set --path sluice:release.schema.shop 0010 --stack stack"
    )


def test_proofs_nobody_could_ask():
    """A proof of a database that the program does not have, one that writes, and one that is no SQL are told at once."""
    proofs = {"shop": {"orders": "select 1 where false", "gone": "delete from orders", "odd": "selec 1"}, "shpo": {"a": "select true"}}
    assert facts.unasked(proofs, ["shop"]) == [
        "proofs: the program has no database 'shpo': known are shop",
        "proofs of 'shop', 'gone': 'delete from orders' is not one SELECT",
        "proofs of 'shop', 'odd': column 1: syntax error at or near \"selec\"\n    selec 1\n    ^",
    ]
    assert facts.unasked({"shop": {"orders": "select 1 where false"}}, ["shop"]) == []


def test_agreements_nobody_could_ask():
    """An agreement of one database, of one that is not there, and what is no SELECT are told at once."""
    agreed = {"users": {"shop": "select count(*) from users", "shpo": "select 1"}, "one": {"shop": "drop table users"}}
    assert facts.alone(agreed, ["shop", "mail"]) == [
        "agreed: 'one' names one database, and two or more agree",
        "agreed: the program has no database 'shpo': known are shop, mail",
        "agreed of 'shop', 'one': 'drop table users' is not one SELECT",
    ]
    assert facts.alone({"users": {"shop": "select count(*) from users", "mail": "select 2"}}, ["shop", "mail"]) == []


def test_outline(tmp_path: Path):
    """Preview of an empty stack tells the migrations from their files."""
    (tmp_path / "0001_a.sql").write_text("create table a (id int);")
    (file,) = migrations.read(tmp_path)
    why = "no database of this stack runs yet; `pulumi up` goes by the history in it, if it has one"
    lines = facts.outline({"shop": "0001"}, {"shop": tmp_path}, {f"shop/{file.key}": "1.2 s on 'staging', 2026-11-03"})
    assert lines[0] == f"shop: '' -> '0001', from the files alone: {why}"
    assert lines[1].startswith("  0001_a: expand, restore-only, one transaction")
    assert lines[2] == "    estimate: 1.2 s on 'staging', 2026-11-03"


def test_an_alembic_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with env.py is an Alembic tree; its revisions are known without a database, and the last ones are told."""
    shop = tree(tmp_path)
    for number in range(1, 13):
        add(shop, f"r{number}", f"r{number - 1}" if number > 1 else None, ITEMS)
    monkeypatch.chdir(tmp_path.parent)
    assert facts.declared(tmp_path) == {"alembic": shop}
    assert facts.declared(Alembic(folder=tmp_path.name)) == {"alembic": shop}
    monkeypatch.chdir(tmp_path)
    assert facts.declared(Alembic(folder=".", ini="a.ini", path=("src",)))["alembic"].path == (str(tmp_path / "src"),)
    assert facts.unknown({"shop": "r12"}, {"shop": tmp_path}) == []
    known = "known are ..., r3, r4, r5, r6, r7, r8, r9, r10, r11, r12"
    why = "write the revision out, or the release would change with its files"
    for name, hint in (("r13", known), ("head", f"{why}; {known}"), ("shop@head", f"{why}; {known}")):
        assert facts.unknown({"shop": name}, {"shop": shop}) == [
            f"sluice:release.schema.shop: '{tmp_path}' has no revision '{name}': {hint}"
        ]
    assert facts.outline({"shop": "r1"}, {"shop": tmp_path}, {})[1].startswith("  r1_step_r1: expand, reversible")
    (tmp_path / "env.py").write_text("import shop_models")
    assert facts.unknown({"shop": "r1"}, {"shop": tmp_path}) == [
        f"the Alembic tree '{tmp_path}' cannot be loaded: line 1 of env.py: ModuleNotFoundError: No module named 'shop_models'"
    ]


def test_took():
    """What migrations took where this release must be proven first is known by their names, the newest of each."""
    old, new = record("1", spec("1")), record("2", spec("2"))
    theirs = [new.model_copy(update={"took": {"shop/2_b": 7.25}}), old.model_copy(update={"took": {"shop/1_a": 0.04, "shop/2_b": 9.0}})]
    there = stack(required=theirs, requires={"stack": "team/shop/staging"})
    assert facts.took(there) == {"shop/1_a": "0.04 s on 'staging', 2025-11-27", "shop/2_b": "7.25 s on 'staging', 2025-11-27"}
    assert facts.took(stack()) == {}
