"""The stack's supervisord and its folder."""

import os
import signal

import pytest

from sluice.runtimes.process.supervisor import SupervisorProvider
from sluice.systems import process
from tests.fixtures.stack import Stack, left

pytestmark = pytest.mark.embedded
provider = SupervisorProvider()


def test_diff(stack):
    """Nothing is to be done while supervisord runs; its death is a change."""
    assert not provider.diff("host", stack.props, stack.props).changes
    stack.kill("supervisord")
    assert provider.diff("host", stack.props, stack.props).changes


def test_another_stack(stack):
    """A folder belongs to the stack that made it: of two with one name for it the second is refused, in preview already; who is not known
    may come in, and is written down."""
    named = stack.props | {"stack": "toy/test"}
    assert provider.check({}, named).failures == []
    provider.update("host", stack.props, named)
    assert provider.check(named, named).failures == []
    (refused,) = provider.check({}, stack.props | {"stack": "toy-x/y"}).failures
    why = f"'{stack.folder.root}' belongs to the stack 'toy/test', and not to 'toy-x/y': give one of them a SLUICE_HOME of its own"
    assert (refused.property, refused.reason) == ("root", why)


def test_update(stack):
    """When supervisord was killed, its orphans are ended and all programs come up again, on their ports, before update returns."""
    outs = stack.run()
    before = stack.pid("web@1.0-aaaa")
    stack.kill("supervisord")
    assert provider.update("host", stack.props, stack.props).outs == stack.props
    after = stack.pid("web@1.0-aaaa")
    assert before != after
    assert process.started(before) is None
    assert process.listens(after, int(outs["descriptor"]["url"].rpartition(":")[2]))


def test_update_running(stack):
    """A supervisord that runs is left alone."""
    before = stack.pid("supervisord")
    provider.update("host", stack.props, stack.props)
    assert stack.pid("supervisord") == before


def test_update_hung(stack):
    """A supervisord that runs and does not answer is replaced."""
    before = stack.pid("supervisord")
    os.kill(before, signal.SIGSTOP)
    stack.folder.supervisor.unlink()
    provider.update("host", stack.props, stack.props)
    assert stack.pid("supervisord") != before


def test_sweep_stranger(stack):
    """A process that got the number of a dead program is never touched."""
    stack.run()
    stack.kill("supervisord")
    pidfile = stack.folder.pidfile("web@1.0-aaaa")
    orphan = process.tree(stack.pid("web@1.0-aaaa"))
    os.utime(pidfile, (1, 1))  # older than the process: so it is not its own
    assert process.owner(pidfile) is None
    provider.delete("host", stack.props)
    assert all(process.alive(one) for one in orphan)
    process.end(orphan, 5)


def test_delete(stack):
    """Nothing runs and nothing is left, also when delete is called twice and programs were still there."""
    stack.run()
    provider.delete("host", stack.props)
    provider.delete("host", stack.props)
    assert left(stack.folder.root) == []
    assert not stack.folder.root.exists()
    assert not stack.folder.sockets.exists()


def test_check():
    """A stack that is told to live elsewhere is refused before anything is touched: its data would be left behind."""
    (failure,) = provider.check({"root": "/a/p-s"}, {"root": "/b/p-s"}).failures
    assert failure.property == "root"
    wanted = "this stack lives in '/a/p-s', and now it is told '/b/p-s': set SLUICE_HOME to '/a', or destroy it first"
    assert failure.reason == wanted
    assert provider.check({"root": "/a"}, {"root": "/a"}).failures == []


def test_root():
    """A folder that supervisord cannot hold is refused, and nothing is made."""
    with pytest.raises(ValueError, match=r"which supervisord cannot hold: set SLUICE_HOME$"):
        provider.create({"name": "host", "root": "/tmp/with space"})


def test_environment(monkeypatch):
    """Programs see nothing of the deployer's credentials."""
    from sluice.runtimes.process.supervisor import environment

    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "planted")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    assert "planted" not in environment().values()


def test_side_by_side(stack):
    """Two stacks run the same version side by side."""
    other = Stack()
    try:
        other.start()
        one, two = stack.run()["descriptor"]["url"], other.run()["descriptor"]["url"]
        assert one != two
    finally:
        other.close()
    assert stack.pid("web@1.0-aaaa")
