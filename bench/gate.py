"""How long a gate with 50 checks of a second each takes: they are asked at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from bench.measure import Measure, say, took

CHECKS, TAKES, LIMIT = 50, 1.0, 2.0


class Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(TAKES)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # All the checks connect in the same moment.
    request_queue_size = 2 * CHECKS


def measure(runs: int) -> Measure:
    """Wait at the gate, with a real server behind each check, each time in a process that has not imported a client yet."""
    found = []
    with serving() as url:
        for run in range(1, runs + 1):
            found.append(_fresh(url))
            say(f"  {run}/{runs}: {found[-1]:.2f} s")
    return Measure("gate_50_checks_s", round(median(found), 2), "s", f"at most {LIMIT:g}; one after the other {CHECKS * TAKES:g}")


@contextmanager
def serving() -> Iterator[str]:
    """Serve slow answers; return where."""
    with Server(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def _fresh(url: str) -> float:
    argv = [sys.executable, "-m", "bench.gate", url]
    done = subprocess.run(argv, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def wait(url: str) -> float:
    """Return how long the gate takes, in seconds."""
    from sluice.core.check import Check, Limit
    from sluice.core.clock import SystemClock
    from sluice.core.gate import Gate
    from sluice.core.moment import Moment
    from sluice.hooks import gate

    limit = Limit(is_="==", value=200)
    checks = [Check(name=f"check {number}", ask="http.status", of={"url": url}, limit=limit) for number in range(CHECKS)]
    rules = Gate(moment=Moment.HEALTH, subject="bench", checks=checks, deadline=60)
    return took(lambda: gate.wait(rules, SystemClock()))


if __name__ == "__main__":
    print(wait(sys.argv[1]))
