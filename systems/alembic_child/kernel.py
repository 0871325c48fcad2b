"""A seccomp filter: what is written in C asks no interpreter."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

from sluice.systems.alembic_child.error import Wrong

# The architecture's number, then connect, execve, execveat, io_uring_setup: from the kernel's audit.h and its tables of calls.
CALLS = {"x86_64": (0xC000003E, 42, 59, 322, 425), "aarch64": (0xC00000B7, 203, 221, 281, 425)}


def kernel() -> None:
    """Have Linux itself refuse new connections and programs for the rest of this process."""
    numbers = CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if numbers is None:
        return
    arch, *calls = numbers
    # Load the architecture, go on if it is ours; load the call's number, refuse if it is one of these, else allow.
    steps = [(0x20, 0, 0, 4), (0x15, 0, len(calls) + 2, arch), (0x20, 0, 0, 0)]
    steps += [(0x15, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    code = b"".join(struct.pack("HBBI", *step) for step in [*steps, (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)])
    kept = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(kept)))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, without which the next needs root; PR_SET_SECCOMP with a filter.
    for call in ((38, 1, 0, 0, 0), (22, 2, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(word) for word in call)):
            raise Wrong(f"this system does not let a program close its own ways out (prctl: {os.strerror(ctypes.get_errno())})")
