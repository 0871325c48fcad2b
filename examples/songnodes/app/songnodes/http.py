"""HTTP/1.1 and JSON: threads, kept connections, a counter of every answer, and an end that cuts nobody off.

A service answers the same under its own name: `/health` and `/dlq-manager/health`, so that one front door can be before all three.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from songnodes import journal
from songnodes.setting import VERSION, text

LARGEST = 2**20
# The longest request under way may take so long once the service was told to stop, in seconds.
GRACE = 10.0


@dataclass(frozen=True)
class Call:
    """One request: its body parsed, `last` the part of the path that a route's `*` stands for."""

    query: Mapping[str, str]
    body: Mapping[str, Any]
    trace: str
    last: str = ""

    def text(self, *names: str) -> list[str]:
        """Return texts of the body that must be there."""
        found = [self.body.get(name) for name in names]
        wrong = [name for name, value in zip(names, found, strict=True) if not isinstance(value, str) or not value.strip()]
        if wrong:
            raise Refused(400, f"{' and '.join(wrong)}: a text that is not empty")
        return [str(value) for value in found]


@dataclass(frozen=True)
class Reply:
    """What goes back; `text` in place of JSON where it is something else."""

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    text: str = ""


class Refused(Exception):
    """A request that is answered with another status than 200, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.reply = Reply({"error": why}, status)


Routes = Mapping[str, Callable[[Call], Reply]]
Gauges = Callable[[], Mapping[str, float]]


def level(route: str, status: int) -> str:
    """Return how bad an answer is. That a service is not well yet is what /health is there to say, and nobody's error."""
    return "INFO" if status < 500 else "WARNING" if route == "GET /health" else "ERROR"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    server: Service

    def do_GET(self) -> None:
        """Answer one request, and count it."""
        begun, trace = time.perf_counter(), (self.headers.get("x-request-id") or uuid.uuid4().hex)[:100]
        with self.server.under_way():
            route, reply, why = self.server.answer(self.command, self.path, self.document(), trace)
            took = round((time.perf_counter() - begun) * 1000, 3)
            known = {"trace_id": trace, "method": self.command, "route": route, "status": reply.status, "duration_ms": took}
            journal.say(level(route, reply.status), "request", **known, **({"why": why} if why else {}))
            self.send(reply, trace)

    do_POST = do_DELETE = do_GET

    def document(self) -> Any:
        """Read the body: what is left unread would be taken for the next request."""
        length = int(self.headers.get("content-length") or 0)
        if length > LARGEST:
            self.close_connection = True
            return None
        try:
            return json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            return None

    def send(self, reply: Reply, trace: str) -> None:
        """Send an answer in one write."""
        body = (reply.text or json.dumps(reply.body, default=str)).encode()
        self.send_response(reply.status)
        kind = "text/plain; version=0.0.4" if reply.text else "application/json"
        close = {"connection": "close"} if self.server.ending.is_set() else {}
        given = {"content-type": kind, "content-length": str(len(body)), "x-version": VERSION, "x-request-id": trace, **close}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the standard library's own lines out."""


class Service(ThreadingHTTPServer):
    """A service until it is told to stop: on the loopback, or where HOST says, since nobody reaches the loopback of a container."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, name: str, port: int, routes: Routes, gauges: Gauges = dict) -> None:
        self.name, self.gauges = name, gauges
        self.routes = {**routes, "GET /metrics": self.metrics}
        self.ending, self.lock, self.now = threading.Event(), threading.Lock(), 0
        self.counts: Counter[tuple[str, int]] = Counter()
        super().__init__((text("HOST", "127.0.0.1"), port), Handler)

    def answer(self, method: str, target: str, body: Any, trace: str) -> tuple[str, Reply, str]:
        """Return the route that was taken, what it answers, and what went wrong in it."""
        url = urlsplit(target)
        path = url.path.removeprefix(f"/{self.name}") or "/"
        name, last = self.route(method, path)
        try:
            if name not in self.routes:
                raise Refused(404, f"nothing at {method} {path}")
            if not isinstance(body, dict):
                raise Refused(400, f"the body is no JSON object of at most {LARGEST} bytes")
            reply, why = self.routes[name](Call(dict(parse_qsl(url.query)), body, trace, last)), ""
        except Refused as refused:
            reply, why = refused.reply, str(refused)
        except Exception:
            reply, why = Reply({"error": "internal error", "trace_id": trace}, 500), traceback.format_exc()
        with self.lock:
            self.counts[name if name in self.routes else "none", reply.status] += 1
        return name, reply, why

    def route(self, method: str, path: str) -> tuple[str, str]:
        """Return the name of a path's route: as it is, or with its last part as `*`."""
        parent, _, last = path.rpartition("/")
        wild = f"{method} {parent}/*"
        return (wild, last) if last and wild in self.routes and f"{method} {path}" not in self.routes else (f"{method} {path}", "")

    def metrics(self, call: Call) -> Reply:
        """Say it as Prometheus reads it."""
        with self.lock:
            counts = sorted(self.counts.items())
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{route="{route}",status="{status}"}} {count}' for (route, status), count in counts]
        lines += [line for name, value in self.gauges().items() for line in (f"# TYPE {name.partition('{')[0]} gauge", f"{name} {value:g}")]
        return Reply(text="\n".join([*lines, ""]))

    def under_way(self) -> _UnderWay:
        """Count a request while it is answered."""
        return _UnderWay(self)

    def run(self) -> None:
        """Serve; on SIGTERM let nobody else in, answer what has begun, and return."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        journal.say("INFO", f"listens on {self.server_address[0]}:{self.server_port}")
        self.serve_forever(poll_interval=0.1)
        self.server_close()
        until = time.monotonic() + GRACE
        while self.now and time.monotonic() < until:
            time.sleep(0.01)
        journal.say("INFO", "stopped")

    def stop(self) -> None:
        """End the loop: from another thread, since it waits for the loop, which runs in this one."""
        self.ending.set()
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; any other error outside a request is."""
        error = traceback.format_exc()
        if not any(name in error for name in ("ConnectionResetError", "BrokenPipeError")):
            journal.say("ERROR", "connection failed", why=error)


@dataclass(frozen=True)
class _UnderWay:
    service: Service

    def __enter__(self) -> None:
        with self.service.lock:
            self.service.now += 1

    def __exit__(self, *_: object) -> None:
        with self.service.lock:
            self.service.now -= 1


def health(needs: Mapping[str, bool], **more: Any) -> Reply:
    """Answer how a service is: 200 while it reaches all that it needs."""
    well = all(needs.values())
    told = {name: "ok" if fine else "down" for name, fine in needs.items()}
    return Reply({"status": "ok" if well else "ill", "version": VERSION, "dependencies": told, **more}, 200 if well else 503)


def port() -> int:
    """Return the port from the command line."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    return int(arguments.parse_args().port)
