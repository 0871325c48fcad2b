"""A real supervisord over its socket."""

import pytest

from sluice.core.commands.supervisord import program
from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.reading import NoData
from sluice.systems import supervisord
from sluice.systems.supervisord import Supervisord

pytestmark = pytest.mark.embedded


@pytest.fixture
def server(stack):
    return Supervisord(stack.folder.supervisor)


@pytest.fixture
def sleeper(stack):
    """A program's configuration on disk."""
    (stack.folder.root / "run" / "sleeper.sh").write_text("exec sleep 60\n")
    stack.folder.conf("sleeper").write_text(program(str(stack.folder.root), "sleeper", 2))
    return "sleeper"


def test_life(server, sleeper):
    """A program is started, is there, and is forgotten; saying so twice is fine."""
    assert server.answers()
    assert server.program(sleeper) is None
    server.add(sleeper)
    server.add(sleeper)
    assert server.program(sleeper).state in ("STARTING", "RUNNING")
    server.remove(sleeper, 2)
    server.remove(sleeper, 2)
    assert server.programs() == {}


def test_refused(server):
    """A program without configuration cannot be started, and the error says what was asked."""
    with pytest.raises(RuntimeFailed) as error:
        server.add("nobody")
    assert str(error.value) == f"supervisord at '{server.path}' refused addProcessGroup['nobody'] with 'BAD_NAME: nobody'"


def test_unreachable(tmp_path):
    """A supervisord that is gone is Unreachable, with the next command."""
    server = Supervisord(tmp_path / "none.sock")
    assert not server.answers()
    with pytest.raises(Unreachable) as error:
        server.programs()
    why = "(FileNotFoundError: run `pulumi up`, which starts it again)"
    assert str(error.value) == f"supervisord at '{tmp_path}/none.sock' does not answer {why}"


def test_ask(server, sleeper):
    """A check sees the state as a word; an unknown program is no data."""
    of = {"socket": str(server.path), "program": sleeper}
    assert supervisord.ask("supervisord.state", of, 5) == NoData("supervisord knows no program 'sleeper'")
    server.add(sleeper)
    assert supervisord.ask("supervisord.state", of, 5).value in ("STARTING", "RUNNING")
