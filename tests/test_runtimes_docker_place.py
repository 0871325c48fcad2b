"""A stack's folder on the machine that deploys, what is in it, and the names that states hold."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.runtimes.chosen import chosen
from sluice.runtimes.docker import artifact, healthy, job, passfile, place, ports, size, turn
from sluice.runtimes.docker.artifact import ArtifactProvider
from sluice.runtimes.docker.passfile import PassfileProvider
from sluice.runtimes.docker.place import PlaceProvider
from sluice.runtimes.docker.runtime import POSTGRES, Docker
from sluice.runtimes.process.runtime import Process
from sluice.systems import docker, files
from tests.fixtures.mock import World
from tests.fixtures.stack import TOY, tracebacks

__all__ = ["tracebacks"]
# Stored in every state: a rename would orphan what is deployed.
PROVIDERS = {
    "sluice.runtimes.docker.artifact.ArtifactProvider": artifact.ArtifactProvider,
    "sluice.runtimes.docker.healthy.HealthyProvider": healthy.HealthyProvider,
    "sluice.runtimes.docker.job.JobProvider": job.JobProvider,
    "sluice.runtimes.docker.passfile.PassfileProvider": passfile.PassfileProvider,
    "sluice.runtimes.docker.place.PlaceProvider": place.PlaceProvider,
    "sluice.runtimes.docker.size.SizeProvider": size.SizeProvider,
    "sluice.runtimes.docker.turn.TurnProvider": turn.TurnProvider,
}
TYPES = [
    one._resource_type_name for one in (artifact.Artifact, healthy.Healthy, job.Job, passfile.Passfile, place.Place, size.Size, turn.Turn)
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a stack that was made."""
    PlaceProvider().create({"name": "host", "root": str(tmp_path / "shop-dev")})
    return tmp_path / "shop-dev"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_another_stack(root: Path):
    """Two stacks whose containers and volumes would have the same names are told apart, in preview already; whose a folder is stays known
    as long as its data."""
    provider = PlaceProvider()
    mine = {"name": "host", "root": str(root), "stack": "shop/dev"}
    provider.update("host", {"name": "host", "root": str(root)}, mine)
    assert provider.check(mine, mine).failures == []
    (refused,) = provider.check({}, mine | {"stack": "shop-dev/x"}).failures
    assert refused.reason == f"'{root}' belongs to the stack 'shop/dev', and not to 'shop-dev/x': rename one of them"
    (root / "secrets" / "db").touch()
    provider.delete("host", mine)
    assert (root / "stack").read_text() == "shop/dev"


def test_stored_names():
    """The names that states hold are these, for ever."""
    assert {f"{one.__module__}.{one.__qualname__}": one for one in PROVIDERS.values()} == PROVIDERS
    assert [f"dynamic/docker:{name}" for name in ("Artifact", "Healthy", "Job", "Passfile", "Place", "Size", "Turn")] == TYPES


def test_chosen(world: World, monkeypatch: pytest.MonkeyPatch):
    """A stack runs where its config says."""
    from sluice.core.settings import Place

    def program() -> None:
        assert isinstance(chosen(Place()), Process)
        one = chosen(Place(kind="docker", image="sluice:1", largest=7))
        assert isinstance(one, Docker)
        assert (one.ground.base, one.postgres, one.ground.largest) == ("sluice:1", POSTGRES, 7)
        other = chosen(Place(kind="docker", image="sluice:1", postgres="postgres:17"))
        assert isinstance(other, Docker)
        assert other.postgres == "postgres:17"

    world.run(program)


def test_place(root: Path):
    """Secrets are for the stack's user alone; the flags may be read by whatever user a version runs as."""
    assert {path.name: mode(path) for path in root.iterdir()} == {
        "flags": 0o755, "secrets": 0o700, "artifacts": 0o755, "log": 0o700, "run": 0o700,
    }  # fmt: skip
    assert PlaceProvider().alive({"root": str(root)})
    (root / "flags").rmdir()
    assert not PlaceProvider().alive({"root": str(root)})


def test_moved(root: Path):
    """A stack does not move."""
    (failure,) = PlaceProvider().check({"root": str(root)}, {"root": "/elsewhere/shop-dev"}).failures
    assert failure.property == "root"
    assert failure.reason.startswith(f"this stack lives in '{root}', and now it is told '/elsewhere/shop-dev'")


def test_removed(root: Path):
    """Deleting leaves nothing but passwords of kept data, backups and the journal; twice is once."""
    for name in ("secrets/store.pgpass", "backups/b1", "journal.jsonl", "log/job.log"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    for _ in range(2):
        PlaceProvider().delete("host", {"name": "host", "root": str(root)})
    assert sorted(path.name for path in root.iterdir()) == ["backups", "journal.jsonl", "secrets"]


def test_all_removed(root: Path):
    """Without any of these the folder goes too."""
    PlaceProvider().delete("host", {"name": "host", "root": str(root)})
    assert not root.exists()


def words(root: Path, **changes: Any) -> dict[str, Any]:
    return {"name": "store", "root": str(root), "volume": "shop-dev-store-data", "keep": True, **changes}


def test_password(root: Path, monkeypatch: pytest.MonkeyPatch):
    """A password is made once, for libpq and for the server; a lost copy of it comes back."""
    monkeypatch.setattr(docker, "volume", lambda name: False)
    made = PassfileProvider().create(words(root))
    passfile = root / "secrets" / "store.pgpass"
    word = passfile.read_text().strip().removeprefix("*:*:*:sluice:")
    assert made.outs
    assert (made.outs["passfile"], mode(passfile), len(word)) == (str(passfile), 0o600, 48)
    copy = passfile.with_suffix(".password")
    assert (copy.read_text(), mode(copy)) == (word, 0o600)
    copy.unlink()
    assert PassfileProvider().diff("store", dict(made.outs), words(root)).changes is True
    monkeypatch.setattr(docker, "volume", lambda name: True)
    PassfileProvider().update("store", dict(made.outs), words(root))
    assert copy.read_text() == word
    PassfileProvider().delete("store", words(root))
    assert passfile.exists()
    PassfileProvider().delete("store", words(root, keep=False))
    assert not passfile.exists()
    assert not copy.exists()


def test_password_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the engine does not see the folder, both files go into a volume that it has, through no command line, for root alone."""
    put: list[Any] = []
    monkeypatch.setattr(docker, "volume", lambda name: False)
    monkeypatch.setattr(docker, "put", lambda *given, mode: put.append((*given, mode)))
    PassfileProvider().create(words(root, far={"volume": "shop-dev-secrets", "image": "sha256:1"}))
    written = {name: (root / "secrets" / name).read_text() for name in ("store.pgpass", "store.password")}
    assert put == [("shop-dev-secrets", "sha256:1", written, 0o600)]


def test_lost_password(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Data whose password is lost is not given another one, which nobody could enter with."""
    monkeypatch.setattr(docker, "volume", lambda name: True)
    with pytest.raises(RuntimeFailed) as error:
        PassfileProvider().create(words(root))
    assert str(error.value) == (
        f"volume 'shop-dev-store-data' is there, and its password is not: bring '{root}/secrets/store.pgpass' back, or remove the volume"
    )


def test_artifact(root: Path):
    """What is built from is a copy of what was declared, and the recipe names what it is built on."""
    props = {"name": "web@1.0", "root": str(root), "source": str(TOY), "digest": files.digest(TOY), "base": "sluice:1"}
    made = ArtifactProvider().create(props)
    assert made.outs
    context, recipe = Path(made.outs["context"]), Path(made.outs["recipe"])
    assert files.digest(context) == files.digest(TOY)
    assert recipe.read_text() == "FROM sluice:1\nWORKDIR /app\nCOPY . /app\n"
    assert recipe.parent == context.parent == root / "artifacts"
    for _ in range(2):
        ArtifactProvider().delete("web@1.0", props)
    assert list((root / "artifacts").iterdir()) == []


def test_changed_artifact(root: Path):
    """What is no longer what was declared is not built."""
    props = {"name": "web@1.0", "root": str(root), "source": str(TOY), "digest": "0" * 64, "base": "sluice:1"}
    with pytest.raises(Unreachable, match="has changed since it was declared"):
        ArtifactProvider().create(props)
    assert list((root / "artifacts").iterdir()) == []


def test_ports(monkeypatch: pytest.MonkeyPatch):
    """A port follows from stack and name, passes over those that are taken, and stays with who has it."""
    monkeypatch.setattr(ports, "free", lambda port: True)
    first = ports.choose({}, "shop-dev", "web", set())
    assert first == ports.choose({}, "shop-dev", "web", set())
    assert ports.choose({}, "shop-dev", "web", {first}) != first
    assert ports.choose({"api": {"sluice.port": str(first)}}, "shop-dev", "web", set()) != first
    assert ports.choose({"web": {"sluice.port": "20500"}}, "shop-dev", "web", {20500}) == 20500
    monkeypatch.setattr(ports, "free", lambda port: port == 29999)
    assert ports.choose({}, "shop-dev", "web", set()) == 29999
    with pytest.raises(RuntimeFailed) as error:
        ports.choose({}, "shop-dev", "web", {29999})
    assert str(error.value) == "no port of 127.0.0.1 from 20000 to 29999 is free: end what listens there, then `pulumi up`"
