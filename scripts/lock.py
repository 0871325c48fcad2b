"""Lock an open descriptor of the calling shell: `lock.py 9 "why one may have to wait"`.

The lock belongs to the open file that both share, so the shell keeps it, and the system lets it go when the shell ends, killed or not.
"""

import fcntl
import sys


def lock(descriptor: int, why: str) -> None:
    """Wait for the lock, saying why if it is not free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{why}: waiting", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


lock(int(sys.argv[1]), sys.argv[2])
