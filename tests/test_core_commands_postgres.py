"""Command lines of PostgreSQL's programs."""

import re

import pytest

from sluice.core.commands import postgres as say


def test_start():
    """The server listens on the loopback and its own socket only, and its log is a file."""
    argv = say.start("/b", "/d", log="/l", port=5, sockets="/s s", connections=9)
    assert argv[:-1] == ["/b/pg_ctl", "start", "-D", "/d", "-w", "-t", "60", "-l", "/l", "-o"]
    assert argv[-1] == "-h 127.0.0.1 -p 5 -k '/s s' -c max_connections=9"


def test_initdb():
    """A new cluster wants a password from everybody, which is in no command line."""
    assert say.initdb("/b", "/d", user="u", pwfile="/p") == [
        "/b/initdb",
        "-D",
        "/d",
        "-U",
        "u",
        "--pwfile=/p",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ]


@pytest.mark.parametrize("name", ["", "A", "a-b", "1a", "a b", "a;", "a" * 64])
def test_named(name):
    """A database whose name needs quotes is refused."""
    wanted = f"'{name}' is no name of a database: small letters, digits and _ are, up to 63, no digit first"
    with pytest.raises(ValueError, match=f"^{re.escape(wanted)}$"):
        say.createdb("/b", name, port=1, user="u")
