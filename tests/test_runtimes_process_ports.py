"""Ports: given once."""

import socket

import pytest

from sluice.core.errors import RuntimeFailed
from sluice.runtimes.process import ports


@pytest.fixture
def stranger():
    """Another's server on a port."""
    servers = []

    def listen(port: int) -> None:
        server = socket.create_server(("127.0.0.1", port))
        servers.append(server)

    yield listen
    for server in servers:
        server.close()


def test_stable(folder):
    """A name keeps its port; another has another; a port that was given back is found again."""
    one, two = ports.allocate(folder, "one"), ports.allocate(folder, "two")
    assert ports.allocate(folder, "one") == one != two
    ports.release(folder, "one")
    assert ports.known(folder) == {"two": two}
    assert ports.allocate(folder, "one") == one


def test_stranger(folder, stranger):
    """A port that a stranger has taken is given up for the next that is free."""
    one = ports.allocate(folder, "one")
    stranger(one)
    other = ports.allocate(folder, "one")
    assert other > one
    assert ports.known(folder) == {"one": other}


def test_none(folder, stranger, monkeypatch):
    """A machine without a free port is an error that says which were tried."""
    monkeypatch.setattr(ports, "COUNT", 1)
    monkeypatch.setattr(ports, "FIRST", 29_999)
    stranger(29_999)
    with pytest.raises(RuntimeFailed) as error:
        ports.allocate(folder, "one")
    assert str(error.value) == "no port of 127.0.0.1 from 29999 to 29999 is free: end what listens there, then `pulumi up`"
