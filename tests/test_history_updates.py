"""Reading history: the files of a backend as the real CLI has written them, and the CLI itself where there are none."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sluice.core.errors import Refused, Unreachable
from sluice.core.update import Outcome, Update
from sluice.history import facts, locks, orders
from sluice.history.pulumi import Pulumi, find, place
from sluice.history.stack import Stack, look
from sluice.history.updates import entries, home, plain, read

ENTRY = '{"kind":"update","startTime":%d,"endTime":%d,"result":"succeeded","config":{"sluice:release":{"version":"1.%d"}}}'


def write(folder: Path, number: int, *, packed: bool = False) -> Path:
    """Write an entry with its state, plain or packed."""
    texts = {"history": ENTRY % (number, number, number), "checkpoint": '{"checkpoint":{"latest":{}}}'}
    for kind, text in texts.items():
        path = folder / f"prod-{number}.{kind}.json"
        path.write_text(text)
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
            path.unlink()
    return folder / f"prod-{number}.history.json"


def test_entries(tmp_path: Path):
    """Entries come newest first by the number in their name, 100 after 99, packed ones too."""
    for number in (99, 100, 7):
        write(tmp_path, number, packed=number == 99)
    (tmp_path / "prod-100.history.json.attrs").write_text("{}")
    assert [update.begun for update in entries(tmp_path)] == [100, 99, 7]
    assert plain(tmp_path)
    (tmp_path / "prod-101.history.json.zst").write_bytes(b"?")
    assert not plain(tmp_path)


def test_torn(tmp_path: Path):
    """An entry that cannot be read is named, not left out: it might be the one that matters."""
    path = write(tmp_path, 1)
    path.write_text('{"kind":')
    with pytest.raises(Unreachable) as found:
        entries(tmp_path)
    assert str(found.value) == f"the entry '{path}' of stack history cannot be read (JSONDecodeError): move it away to go on"


def test_home(tmp_path: Path):
    """The folder is by project and stack; by stack alone in backends from before there were projects; none elsewhere."""
    there = tmp_path / ".pulumi" / "history"
    (there / "old").mkdir(parents=True)
    assert home(f"file://{tmp_path}", "shop", "new") == there / "shop" / "new"
    assert home(f"file://{tmp_path}", "shop", "old") == there / "old"
    (there / "shop" / "old").mkdir(parents=True)
    assert home(f"file://{tmp_path}", "shop", "old") == there / "shop" / "old"
    assert home("file://~", "shop", "s") == Path.home() / ".pulumi" / "history" / "shop" / "s"
    assert home("https://api.pulumi.com", "shop", "s") is None


def test_place():
    """Only a backend of files has a folder; what its address writes in per cents is read, as the CLI does."""
    assert place("file:///srv/my%20state") == Path("/srv/my state")
    assert place("file://~/state") == Path.home() / "state"
    assert place("s3://bucket") is None


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """Return the real CLI on a stack without a resource."""
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi on PATH: run `make setup`, then `. scripts/env`")
    (tmp_path / "state").mkdir()
    for key, value in {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}", "PULUMI_CONFIG_PASSPHRASE": "test"}.items():
        monkeypatch.setenv(key, value)
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (tmp_path / "program" / "__main__.py").write_text("")
    one = Pulumi(tmp_path / "program", "test")
    subprocess.run(["pulumi", "stack", "init", "test", "--non-interactive"], cwd=one.folder, check=True, capture_output=True)
    return one


BLOCKS = [
    '{"flags":{"A":true,"B":false},"services":{"web":{"settings":{"A":"007","B":8,"C":1.5,"D":"","E":"true"}}},"version":"1.10"}',
    '{"flags":{"A":"true"},"services":{"web":{"settings":{"A":7,"B":"8","C":"1.5","D":"x\\u003cy\\u0026ä","E":true}}},"version":"1.1"}',
    '{"version":"2"}',
]


@pytest.mark.engine
def test_byte_for_byte(pulumi: Pulumi):
    """A block that is written back is in history as the same bytes, whatever was in config before; the CLI shows it no other way."""
    for config in (*BLOCKS, BLOCKS[0]):
        for command in orders.written(pulumi, config):
            pulumi.do(command)
        pulumi.ask("up", "--yes", "--skip-preview")
    wanted = [BLOCKS[0], *reversed(BLOCKS)]
    found = read(pulumi, pulumi.backend())
    assert [update.release for update in found] == wanted
    told = read(pulumi, "https://elsewhere")
    assert [update.release for update in told] == wanted
    assert [(one.kind, one.outcome, one.begun, one.ended) for one in told] == [
        (one.kind, one.outcome, one.begun, one.ended) for one in found
    ]


@pytest.mark.engine
def test_secret(pulumi: Pulumi):
    """A secret goes from history to config encrypted; another passphrase, or another provider, is found out before."""
    place = "sluice:release.services.web.settings.PW"
    pulumi.ask("config", "set", "--path", "sluice:release.version", "1.0a")
    pulumi.ask("config", "set", "--path", "--secret", place, "hush")
    pulumi.ask("up", "--yes", "--skip-preview")
    config = read(pulumi, pulumi.backend())[0].release or ""
    assert "secure" in config
    assert "hush" not in config
    assert read(pulumi, "https://elsewhere")[0].hidden
    facts.decrypt(pulumi, config)
    for command in orders.written(pulumi, config):
        assert not any("hush" in word for word in command)
        pulumi.do(command)
    assert pulumi.ask("config", "get", "--path", place) == "hush\n"
    assert look(pulumi).config == '{"services":{"web":{"settings":{"PW":"hush"}}},"version":"1.0a"}'
    with pytest.raises(Unreachable, match="pulumi config get"):
        facts.decrypt(pulumi, config.replace("v1:", "v1:AAAA"))


@pytest.mark.engine
def test_find(pulumi: Pulumi, tmp_path: Path):
    """The program's folder is found from below it, and the selected stack without a name; what is not there is told in a line."""
    below = pulumi.folder / "a" / "b"
    below.mkdir(parents=True)
    assert find(below, None) == pulumi
    with pytest.raises(Refused) as refused:
        find(tmp_path, None)
    assert str(refused.value) == f"no Pulumi.yaml in '{tmp_path}' or above it: go to the program's folder, or name it with --cwd"
    with pytest.raises(Unreachable) as gone:
        look(Pulumi(pulumi.folder, "none"))
    assert "no stack named 'none' found" in str(gone.value)
    fresh = look(pulumi)
    assert (fresh.records, fresh.live, fresh.config, fresh.aim.failing) == ([], None, None, "")
    assert fresh.aim.why == "nothing has been proven yet"


def test_pending(tmp_path: Path):
    """A killed update has written state after the last entry; what is remembered once one has succeeded is no operation to go on with."""
    cut = {"resource": {"urn": "urn:pulumi:prod::shop::x::web"}, "type": "creating"}

    def seen(time: str, *entries: Update) -> list[str]:
        one = Stack(Pulumi(tmp_path, "prod"), "", {"manifest": {"time": time}, "pending_operations": [cut]}, None, entries)
        assert one.remembered == ([] if one.pending else ["web"])
        return one.pending

    good = Update(kind="update", outcome=Outcome.SUCCEEDED, begun=90, ended=100)
    looked = Update(kind="preview", outcome=Outcome.SUCCEEDED, begun=110, ended=120)
    assert seen("1970-01-01T00:01:40.9999Z", good) == seen("1970-01-01T00:01:40Z", looked, good) == []
    assert seen("1970-01-01T00:01:41Z", good) == seen("1970-01-01T00:01:50Z", looked, good) == ["web"]
    assert seen("1970-01-01T00:01:40Z", good.model_copy(update={"outcome": Outcome.FAILED})) == seen("1970-01-01T00:01:40Z") == ["web"]


def test_locks(tmp_path: Path):
    """A lock says whose it is; of a process that is dead here it says how to be rid of it."""
    pulumi, backend = Pulumi(tmp_path, "prod"), f"file://{tmp_path}"
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    assert locks.held(pulumi, backend) == locks.held(pulumi, "https://elsewhere") == []
    place = tmp_path / ".pulumi" / "locks" / "organization" / "shop" / "prod"
    place.mkdir(parents=True)
    (place.parent / "staging").mkdir()
    (place.parent / "staging" / "x.json").write_text("{}")
    here = {"username": "ada", "hostname": os.uname().nodename, "timestamp": "2026-11-24T19:00:00Z"}
    (place / "a.json").write_text(json.dumps({"pid": os.getpid(), **here}))
    (place / "b.json").write_text(json.dumps({"pid": 2**22 + 1, **here}))
    (place / "c.json").write_text("?")
    # Listed, and gone before it is read.
    (place / "d.json").symlink_to(place / "gone")
    who = f"of ada on {here['hostname']} holds the stack since 2026-11-24T19:00:00Z"
    assert locks.held(pulumi, backend) == [
        f"pid {os.getpid()} {who}: wait for its end, or end it with `sluice abort --stack prod`",
        f"pid {2**22 + 1} {who}, and is dead: run `pulumi cancel --yes --stack prod`",
        f"'{place / 'c.json'}' holds the stack: `pulumi cancel --stack prod` if nobody works on it",
    ]


def test_turn(tmp_path: Path):
    """Of two commands in one folder the second is refused; other stacks, and those who come later, are not."""
    own = tmp_path / "Pulumi.prod.yaml"
    own.write_text("config: {}\n")
    with locks.turn(Pulumi(tmp_path, "organization/shop/prod")):
        with pytest.raises(Refused) as refused, locks.turn(Pulumi(tmp_path, "prod")):
            pass
        why = "another `sluice` works on 'prod' from this folder: wait for its end, or end it with `sluice abort`; nothing was touched"
        assert str(refused.value) == why
        with locks.turn(Pulumi(tmp_path, "staging")):
            pass
    with locks.turn(Pulumi(tmp_path, "prod")):
        own.write_text("config: {a: 1}\n")


def test_an_error_within_a_turn(tmp_path: Path):
    """What the command itself comes upon is told as it is, and not as another command's turn."""
    with pytest.raises(BlockingIOError, match="busy"), locks.turn(Pulumi(tmp_path, "prod")):
        raise BlockingIOError("busy")
