"""The service: how many experiences each company has, of the newest that redcube lists. CONTENT is where redcube's content service is."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

LIST = "interview-intel/experiences?limit=100"
PATIENCE = 5.0


class Handler(BaseHTTPRequestHandler):
    """Answers /health without redcube, and all else with it; 502 where that does not answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        try:
            self.answer(200, {} if self.path == "/health" else digest())
        except (URLError, TimeoutError) as error:
            self.answer(502, {"error": f"redcube: {error}"})

    def answer(self, status: int, told: dict[str, Any]) -> None:
        """Send a status with a body."""
        body = json.dumps({"version": os.environ.get("VERSION", ""), **told}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def digest() -> dict[str, Any]:
    """Count what redcube lists."""
    with urlopen(os.environ["CONTENT"] + LIST, timeout=PATIENCE) as response:
        found = json.load(response)["experiences"]
    return {"experiences": len(found), "companies": dict(Counter(one["company"] for one in found).most_common())}


def stop(signum: int, frame: FrameType | None) -> None:
    """End when told to."""
    raise SystemExit(0)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    signal.signal(signal.SIGTERM, stop)
    ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), arguments.parse_args().port), Handler).serve_forever()
