"""A service to deploy in tests: one file, standard library only, and it fails as it is told by its environment.

VERSION names itself (header x-version); FAIL_RATE (0 to 1) answers that share of requests with 500, /health excepted;
so does the existence of the file FAIL_FILE; FAIL_PATH answers paths that begin with it so;
DELAY waits that many seconds before each answer, and `?seconds=` in a path before that one; CRASH exits at start with that text on stderr,
other variables filled in; HOG takes that many MiB of memory at start. On stdout there is one JSON line a request.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

VERSION = os.environ.get("VERSION", "0")
FAIL_RATE = float(os.environ.get("FAIL_RATE", "0"))
FAIL_FILE = Path(os.environ.get("FAIL_FILE", "/nonexistent"))
FAIL_PATH = os.environ.get("FAIL_PATH", "nowhere")
DELAY = float(os.environ.get("DELAY", "0"))


class Handler(BaseHTTPRequestHandler):
    """Answers every path and method with its version."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 600

    server: Server

    def answer(self) -> None:
        """Answer one request; one that has begun is finished even while the server ends."""
        self.server.count(1)
        try:
            self.respond()
        finally:
            self.server.count(-1)

    def respond(self) -> None:
        """Answer as told by the environment, and write one line about it."""
        begun = time.monotonic()
        self.rfile.read(int(self.headers.get("content-length") or 0))
        healthy = self.path == "/health"
        if not healthy:
            time.sleep(DELAY + float(self.path.rpartition("?seconds=")[2] if "?seconds=" in self.path else 0))
        broken = FAIL_FILE.exists() or random.random() < FAIL_RATE or self.path.startswith(FAIL_PATH)
        status = 500 if broken and not healthy else 200
        body = json.dumps({"version": VERSION, "path": self.path}).encode()
        self.send_response(status)
        self.send_header("x-version", VERSION)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.line("info" if status == 200 else "error", status, begun)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def line(self, level: str, status: int, begun: float) -> None:
        """Write one JSON line."""
        duration = round((time.monotonic() - begun) * 1000, 3)
        fields = {"time": time.time(), "level": level, "method": self.command, "path": self.path}
        print(json.dumps({**fields, "status": status, "duration_ms": duration}), flush=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the server's own lines out."""


class Server(ThreadingHTTPServer):
    """A server that answers what it has begun before it ends; idle connections do not keep it."""

    daemon_threads = True
    request_queue_size = 1024
    busy = 0
    lock = threading.Lock()

    def count(self, change: int) -> None:
        """Count the requests under way."""
        with self.lock:
            self.busy += change

    def drain(self, seconds: float = 10.0) -> None:
        """Wait until no request is under way."""
        until = time.monotonic() + seconds
        while self.busy and time.monotonic() < until:
            time.sleep(0.01)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


def serve(port: int) -> None:
    """Serve until told to stop."""
    with Server((os.environ.get("HOST", "127.0.0.1"), port), Handler) as server:

        def stop(signum: int, frame: FrameType | None) -> None:
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, stop)
        print(json.dumps({"time": time.time(), "level": "info", "message": f"{VERSION} listens on {port}"}), flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        finally:
            server.drain()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8080")))
    if "CRASH" in os.environ:
        sys.exit(os.path.expandvars(os.environ["CRASH"]))
    hog = bytearray(int(os.environ.get("HOG", "0")) << 20)
    serve(arguments.parse_args().port)
