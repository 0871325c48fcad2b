"""A seccomp filter: what is written in C asks no interpreter."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sluice.systems.alembic_child.error import Wrong


@dataclass(frozen=True)
class Calls:
    """Numbers of one architecture, from the kernel's audit.h and its tables of calls; `sends` has the place of each one's flags.

    Closed are connect, execve, execveat and io_uring_setup, and sendto, sendmsg and sendmmsg when they connect.
    """

    arch: int
    closed: tuple[int, ...]
    sends: Mapping[int, int] = field(default_factory=dict)
    seccomp: int = 0


KNOWN = {
    "x86_64": Calls(0xC000003E, (42, 59, 322, 425), {44: 3, 46: 2, 307: 3}, 317),
    "aarch64": Calls(0xC00000B7, (203, 221, 281, 425), {206: 3, 211: 2, 269: 3}, 277),
}
# Numbers from here on are those of x86-64's other convention, x32; no other architecture has so many.
X32 = 0x40000000
MSG_FASTOPEN = 0x20000000
# Instructions: load a word of what is called; compare it with a number; return.
LOAD, EQUAL, LEAST, BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Where a call's number, its architecture and its arguments are in that.
NUMBER, ARCH, GIVEN, WORD = 0, 4, 16, 8
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
PR_SET_NO_NEW_PRIVS, FILTER, ALL_THREADS = 38, 1, 1

# An instruction, and how many of the next to leave out when it holds, and when not.
Line = tuple[int, int, int, int]


def kernel() -> None:
    """Have Linux itself refuse new connections and programs for the rest of this process, in all its threads."""
    calls = KNOWN.get(platform.machine()) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if calls is None:
        return
    code = b"".join(struct.pack("HBBI", *line) for line in program(calls))
    kept = ctypes.create_string_buffer(code, len(code))
    given = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(kept)))
    libc = ctypes.CDLL(None, use_errno=True)
    # Without the first the second needs root.
    _call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(libc.syscall, calls.seccomp, FILTER, ALL_THREADS, ctypes.addressof(given))


def _call(function: ctypes._NamedFuncPointer, *given: int) -> None:
    if function(*(ctypes.c_ulong(word) for word in given)):
        why = os.strerror(ctypes.get_errno()) if ctypes.get_errno() else "a thread of it has a filter of its own"
        raise Wrong(f"this system does not let a program close its own ways out (seccomp: {why})")


def program(calls: Calls) -> list[Line]:
    """Return the filter, as `Line`s; whatever it does not know by the architecture's own numbers it refuses."""
    lines = list(_questions(calls))
    end = len(lines)
    jumps = [(what, end - at if yes < 0 else yes, end - at if no < 0 else no, word) for at, (what, yes, no, word) in enumerate(lines)]
    return [*jumps, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]


def _questions(calls: Calls) -> Iterator[Line]:
    """Yield the questions of a call; -1 stands for the way to its refusal."""
    yield LOAD, 0, 0, ARCH
    yield EQUAL, 0, -1, calls.arch
    yield LOAD, 0, 0, NUMBER
    yield LEAST, -1, 0, X32
    for number in calls.closed:
        yield EQUAL, -1, 0, number
    for number, place in calls.sends.items():
        yield EQUAL, 0, 3, number
        yield LOAD, 0, 0, GIVEN + WORD * place
        yield BITS, -1, 0, MSG_FASTOPEN
        # Whatever number comes next, this is none.
        yield LOAD, 0, 0, NUMBER
