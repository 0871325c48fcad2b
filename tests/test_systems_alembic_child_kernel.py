"""The filter that Linux itself holds a migration's program to, tried with real calls."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from sluice.systems.alembic_child.kernel import KNOWN, program

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in KNOWN, reason=f"the filter is for Linux on {' or '.join(KNOWN)}"
)

# Each is tried in a program of its own, which `shut` closes; without the interpreter's own hook, as code in C would.
START = """
import ctypes, os, socket, struct, sys, threading
from sluice.systems.alembic_child.kernel import kernel
shut = kernel if sys.argv[1] == "shut" else lambda: None
server = socket.create_server(("127.0.0.1", 0))
server.settimeout(2)
there = server.getsockname()
libc = ctypes.CDLL(None, use_errno=True)
address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(there[1]), socket.inet_aton(there[0]))

class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]

class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("length", ctypes.c_uint32), ("parts", ctypes.POINTER(Part)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("size", ctypes.c_size_t), ("flags", ctypes.c_int)]

class Messages(ctypes.Structure):
    _fields_ = [("message", Message), ("sent", ctypes.c_uint)]

def message():
    return Message(address, len(address), ctypes.pointer(Part(b"x", 1)), 1, None, 0, 0)

def check(code):
    if code < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
WAYS = {
    "connect": "shut(); socket.create_connection(there)",
    "sendto": "shut(); socket.socket().sendto(b'x', socket.MSG_FASTOPEN, there)",
    "sendmsg": "shut(); socket.socket().sendmsg([b'x'], [], socket.MSG_FASTOPEN, there)",
    "sendmmsg": "shut(); s = socket.socket(); m = Messages(message(), 0)\n"
    "check(libc.sendmmsg(s.fileno(), ctypes.byref(m), 1, socket.MSG_FASTOPEN))",
    "a thread that was there before": """
go, found = threading.Event(), []
def later():
    go.wait()
    try:
        socket.create_connection(there)
    except OSError as error:
        found.append(error)
thread = threading.Thread(target=later); thread.start()
shut(); go.set(); thread.join()
if found:
    raise found[0]
""",
}
OTHER = "shut(); check(libc.syscall(0x40000000 | 39))"


def tried(code: str, shut: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START + code, shut], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("way", WAYS)
def test_ways(way: str):
    """Each of these opens a connection where nothing closes it, and is refused here."""
    code = f"{WAYS[way]}\nserver.accept()"
    assert tried(code, "open").returncode == 0
    found = tried(code, "shut")
    assert "PermissionError: [Errno 1] Operation not permitted" in found.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has a second convention of calls (x32)")
def test_other_numbers():
    """A call by the numbers of another convention is refused, whatever it is: a filter by number would not see what."""
    assert "Operation not permitted" in tried(OTHER, "shut").stderr


def test_what_is_open_stays_so():
    """A connection that was there before sends and hears as before, by all that sends."""
    code = """
s = socket.create_connection(there); c, _ = server.accept()
shut()
s.sendall(b"a"); s.sendmsg([b"b"])
m = Messages(Message(None, 0, ctypes.pointer(Part(b"c", 1)), 1, None, 0, 0), 0)
check(libc.sendmmsg(s.fileno(), ctypes.byref(m), 1, 0))
got = b""
while len(got) < 3:
    got += c.recv(9)
assert got == b"abc", got
"""
    found = tried(code, "shut")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("machine", KNOWN)
def test_jumps(machine: str):
    """Every jump of the filter stays within it, on each architecture."""
    lines = program(KNOWN[machine])
    for at, (_, yes, no, _) in enumerate(lines):
        assert 0 <= yes < 256
        assert 0 <= no < 256
        assert at + 1 + max(yes, no) < len(lines) or at >= len(lines) - 2
