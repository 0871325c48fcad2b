"""The service: how many orders there are. Its database is in libpq's own variables (PGHOST, PGDATABASE, PGPASSFILE and so on)."""

from __future__ import annotations

import argparse
import json
import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

import psycopg


class Handler(BaseHTTPRequestHandler):
    """Answers /health without the database, and all else with it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        body = json.dumps({"version": os.environ.get("VERSION", ""), **({} if self.path == "/health" else {"orders": orders()})}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def orders() -> int:
    """Count the orders."""
    with psycopg.connect() as connection:
        row = connection.execute("select count(*) from orders").fetchone()
    return int(row[0]) if row else 0


def stop(signum: int, frame: FrameType | None) -> None:
    """End when told to."""
    raise SystemExit(0)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    signal.signal(signal.SIGTERM, stop)
    ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), arguments.parse_args().port), Handler).serve_forever()
