"""How a program is started, beyond what its resources' own tests show."""

import http.server
import threading

import pytest

from sluice.runtimes.process import launch, ports


def test_quoted(folder):
    """The last lines since the start are quoted in one line, and no secret is left, also one of several lines."""
    log = folder.log("web")
    log.write_text("before\nkey is first-line\nsecond-line, and short\n")
    quoted = launch.quoted(folder, "web", {"KEY": "first-line\nsecond-line", "PIN": "short"}, len("before\n"))
    assert quoted.startswith("its last log lines: key is ***")
    assert quoted.endswith(f"; all of them: '{log}'")
    assert not any(word in quoted for word in ("first-line", "second-line", "short", "before", "\n"))


@pytest.fixture
def server():
    """A server that answers /200 with 200, and so on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_answers(server):
    """2xx and 3xx are health; anything else is said as it was seen."""
    assert launch.answers("/204")(server) == ""
    assert launch.answers("/302")(server) == ""
    url = f"http://127.0.0.1:{server}"
    assert launch.answers("/503")(server) == f"GET {url}/503 is answered with 503, expected 2xx or 3xx"


def test_answers_nobody(folder):
    """A closed port is said as such."""
    port = ports.allocate(folder, "nobody")
    assert launch.answers("/")(port) == f"GET http://127.0.0.1:{port}/ is not answered (ConnectionRefusedError)"


def test_forget_nothing(folder):
    """Forgetting what was never there is fine, with and without the stack's folder."""
    launch.forget(folder, "nobody", 1)
    launch.forget(launch.Folder(folder.root / "none"), "nobody", 1)
