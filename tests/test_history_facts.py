"""What a proven release needs to be reached: folders as they were, secrets that can be read, and the commit that it came from."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from sluice.core.record import Built, Record
from sluice.core.rollback.past import Past
from sluice.core.spec import Spec
from sluice.core.store import Store
from sluice.core.update import Outcome, Update
from sluice.history import facts
from sluice.history.pulumi import Pulumi
from sluice.history.stack import Stack
from sluice.systems import files
from sluice.systems.actor import commit

AT = datetime(2026, 11, 24, tzinfo=UTC)


def past(store: Store, revision: str, **services: Built) -> Past:
    record = Record(id="1-a", version="1", kind="minor", services=services, schema_={store.dbname: revision}, at=AT, git="abc123")
    return Past(record=record, config='{"version":"1"}')


def test_artifacts(tmp_path: Path):
    """What a proven version ran from must be there with the same content, and the commit that has it is named."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("1")
    digest = files.digest(app)
    spec = Spec(service="web", version="1", digest=digest, argv=["x"], artifact=str(app))
    seen = Stack(Pulumi(tmp_path, "test"), "", {}, None, [])
    nowhere = Store(host="h", user="u", dbname="shop")
    target = past(
        nowhere, "1", web=Built(name=spec.name, version="1", digest=digest, spec=spec.text), old=Built(name="old@1-0", version="1")
    )
    assert facts.unreachable(seen, target) == []
    (app / "main.py").write_text("2")
    content = f"{files.digest(app)[:12]} now, {digest[:12]} when 1-a was proven"
    assert facts.unreachable(seen, target) == [f"web: '{app}' is {content}: put that content back, as by `git checkout abc123`"]
    (app / "main.py").unlink()
    app.rmdir()
    gone = f"web: '{app}', which {spec.name} ran from, is gone: put it back, as by `git checkout abc123`"
    assert facts.unreachable(seen, target) == [gone]


def test_commit(tmp_path: Path):
    """Another commit than the proven one is worth a note, and stops nothing; outside a repository there is none."""
    seen = Stack(Pulumi(tmp_path, "test"), "", {}, None, [])
    target = past(Store(host="h", user="u", dbname="shop"), "1")
    assert facts.notes(seen, target) == []
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    here = commit(tmp_path) or ""
    assert facts.notes(seen, target) == [
        f"the program is at commit {here[:12]}, and was at abc123 when '1-a' was proven: the one that is here runs"
    ]


def test_provider(tmp_path: Path):
    """A release with secrets of another provider cannot be reached: its secrets are to be set anew."""
    seen = Stack(Pulumi(tmp_path, "test"), "", {"secrets_providers": {"type": "cloud"}}, None, [])
    secret = '{"services":{"web":{"settings":{"PW":{"secure":"v1:a"}}}},"version":"1"}'
    update = Update(kind="update", outcome=Outcome.SUCCEEDED, begun=1, ended=2, release=secret, secrets='{"type": "passphrase"}')
    target = past(Store(host="h", user="u", dbname="shop"), "1").model_copy(update={"config": secret, "update": update})
    assert facts.unreachable(seen, target) == [
        "the secrets provider has changed since '1-a': set its secrets anew, with `pulumi config set --secret --path`"
    ]
