"""A small HTTP/1.1 server: threads, kept connections, JSON in and out, and an end that cuts nobody off."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redcube.log import Log
from redcube.version import VERSION

# Longer than the hour after which Envoy drops an idle connection: whoever closes last never cuts a request on its way.
IDLE = 3700.0
# The longest request (see content.py), and a second to answer it.
GRACE = 11.0
# At the end a connection that is there may have a request on its way: so long must it be quiet.
QUIET = 0.2
LARGEST = 2**20


@dataclass(frozen=True)
class Request:
    """One request, its body parsed."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    last: str = ""  # the last segment of the path, where a route ends in /{id}


@dataclass(frozen=True)
class Answer:
    """What goes back as JSON."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that cannot be done, and the client's part in it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.answer = Answer({"error": why}, status)


Route = Callable[[Request], Answer]
Routes = Mapping[tuple[str, str], Route]


class Handler(BaseHTTPRequestHandler):
    """Reads a request, finds its route, answers in one write, and logs one line."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE
    wbufsize = -1  # head and body leave together

    server: Server
    trace: str = "-"

    def serve(self) -> None:
        """Answer one request, whatever happens in it."""
        begun = time.perf_counter()
        self.trace = (self.headers.get("x-request-id") or uuid.uuid4().hex)[:100]
        with self.server.busy:
            answer, body, error = self.attempt()
            self.log(answer.status, begun, error)
            self.send(answer, body)

    def attempt(self) -> tuple[Answer, bytes, str]:
        """Return the answer, its body, and the trace of what went wrong."""
        try:
            answer = self.route()
            return answer, encoded(answer), ""
        except Refusal as refusal:
            return refusal.answer, encoded(refusal.answer), ""
        except Exception:
            answer = Answer({"error": "internal error", "trace_id": self.trace}, 500)
            return answer, encoded(answer), traceback.format_exc()

    do_GET = do_POST = do_DELETE = serve

    def route(self) -> Answer:
        """Find what answers a path: as it is, or with its last segment as an id."""
        request = self.parse()
        parent, _, last = request.path.rpartition("/")
        for path, name in ((request.path, ""), (f"{parent}/{{id}}", last)):
            found = self.server.routes.get((self.command, path))
            if found:
                return found(Request(request.path, request.query, request.headers, request.body, name))
        raise Refusal(404, f"nothing at {self.command} {request.path}")

    def parse(self) -> Request:
        """Read the whole request: what is left unread would be taken for the next one."""
        if "transfer-encoding" in self.headers:
            self.close_connection = True
            raise Refusal(411, "a body needs a content-length")
        length = self.headers.get("content-length") or "0"
        if not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            raise Refusal(413, f"a body has at most {LARGEST} bytes")
        raw, url = self.rfile.read(int(length)), urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(url.path, dict(parse_qsl(url.query)), headers, document(raw))

    def send(self, answer: Answer, body: bytes) -> None:
        """Send an answer and flush it."""
        self.send_response(answer.status)
        own = {"content-type": "application/json", "content-length": str(len(body)), "x-request-id": self.trace}
        for name, value in {**own, **answer.headers}.items():
            self.send_header(name, value)
        if self.server.ending or self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Tell a client that waits with its body to go on, at once."""
        told = super().handle_expect_100()
        self.wfile.flush()
        return told

    def end_headers(self) -> None:
        """Say who answers, in every answer, those to broken requests too."""
        self.send_header("x-service", self.server.name)
        self.send_header("x-version", VERSION)
        super().end_headers()

    def log(self, status: int, begun: float, error: str) -> None:
        """Write the request's line."""
        known = {"trace_id": self.trace, "method": self.command, "path": urlsplit(self.path).path, "status": status}
        took = {"duration_ms": round((time.perf_counter() - begun) * 1000, 3)}
        level = "ERROR" if status >= 500 else "INFO"
        self.server.log.line(level, **known, **took, **({"trace": error} if error else {}))

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the standard library's own lines out."""


def encoded(answer: Answer) -> bytes:
    """Return an answer's body as it travels."""
    return json.dumps(answer.body).encode()


def document(raw: bytes) -> Mapping[str, Any]:
    """Return a JSON object; an empty body is an empty one."""
    try:
        data = json.loads(raw or b"{}")
    except ValueError:
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(data, dict):
        raise Refusal(400, "the body is not a JSON object")
    return data


class Busy:
    """Counts requests in flight, and knows how long there have been none."""

    def __init__(self) -> None:
        self.lock, self.count, self.since = threading.Lock(), 0, time.monotonic()

    def __enter__(self) -> None:
        with self.lock:
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.count -= 1
            self.since = time.monotonic()

    def quiet(self, since: float) -> bool:
        """Say whether nothing has been in flight for a while."""
        with self.lock:
            return not self.count and time.monotonic() - max(self.since, since) > QUIET


class Server(ThreadingHTTPServer):
    """Serves until it is told to stop."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port: int, name: str, routes: Routes, log: Log) -> None:
        super().__init__((os.environ.get("HOST", "127.0.0.1"), port), Handler)
        self.name, self.routes, self.log = name, routes, log
        self.busy, self.ending, self.pending = Busy(), False, True

    def run(self) -> None:
        """Serve; on SIGTERM stop accepting, answer what has begun, and return."""
        signal.signal(signal.SIGTERM, self.stop)
        self.log.line("INFO", message=f"listens on 127.0.0.1:{self.server_port}")
        self.serve_forever(poll_interval=0.1)
        self.drain()
        self.log.line("INFO", message="stopped")

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Leave the loop: from another thread, since it waits for the loop, which runs in this one."""
        self.ending = True
        threading.Thread(target=self.shutdown, daemon=True).start()

    def drain(self) -> None:
        """Take in who has already connected, close the door, and wait until all is answered."""
        self.timeout = 0
        while self.pending:
            self.handle_request()
        self.server_close()
        begun = time.monotonic()
        while not self.busy.quiet(begun) and time.monotonic() - begun < GRACE:
            time.sleep(0.01)

    def handle_timeout(self) -> None:
        """Note that nobody waits at the door any more."""
        self.pending = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; any other error outside a request is."""
        error = traceback.format_exc()
        if not any(name in error for name in ("ConnectionResetError", "BrokenPipeError", "TimeoutError")):
            self.log.line("ERROR", message="connection failed", trace=error)


def port() -> int:
    """Return the port from the command line."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    return int(arguments.parse_args().port)
