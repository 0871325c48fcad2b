"""HTTP questions to a real server."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from sluice.core.errors import Unreachable
from sluice.core.reading import NoData, Number
from sluice.systems import http
from sluice.systems.http import ask, shown
from tests.fixtures.front import free
from tests.fixtures.web import Answer, Web

JSON = {"content-type": "application/json"}


def test_status(web: Web):
    """The status is asked once and is a number, and the evidence is the address without its query."""
    url = web.tell("/health", Answer(503))
    assert ask("http.status", {"url": f"{url}?token=planted"}, 5) == Number(value=503.0, evidence=url)
    assert len(web.asked) == 1


def test_redirect(web: Web):
    """A redirect is an answer of its own unless following is asked for."""
    url = web.tell("/old", Answer(302, headers={"location": "/new"}))
    web.tell("/new", Answer(200))
    assert ask("http.status", {"url": url}, 5) == Number(value=302.0, evidence=url)
    assert ask("http.status", {"url": url, "redirects": True}, 5) == Number(value=200.0, evidence=url)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.status", "ok"),
        ("$.checks[0].lag", 7.0),
        ("checks[1].lag", 9.5),
        ("$.ready", 1.0),
        ("$.draining", 0.0),
        ("$.checks[0]", '{"lag": 7}'),
    ],
)
def test_json(web: Web, path: str, value: float | str):
    """A value is found by its path: numbers, words, booleans as 1 and 0, the rest as JSON text."""
    url = web.tell(
        "/health", Answer(503, b'{"status":"ok","ready":true,"draining":false,"checks":[{"lag":7},{"lag":9.5}],"none":null}', JSON)
    )
    assert ask("http.json", {"url": url, "path": path}, 5) == Number(value=value, evidence=f"{url}, status 503")


@pytest.mark.parametrize("path", ["$.absent", "$.none"])
def test_json_nothing(web: Web, path: str):
    """Nothing at a path, and null, are no data."""
    url = web.tell("/health", Answer(200, b'{"none": null}', JSON))
    assert ask("http.json", {"url": url, "path": path}, 5) == NoData(f"nothing at '{path}' from {url}, status 200")


def test_json_nonsense(web: Web):
    """A body that is not JSON is an error, whatever its status; it is not repeated."""
    url = web.tell("/health", Answer(200, b"<html>planted</html>"))
    with pytest.raises(Unreachable) as caught:
        ask("http.json", {"url": url, "path": "$.a"}, 5)
    assert str(caught.value) == f"the body is not JSON: {url}, status 200"


def test_json_path_wrong(web: Web):
    """A path that cannot be read is the check's fault, not the service's."""
    url = web.tell("/health", Answer(200, b"{}"))
    with pytest.raises(ValueError, match=r"^'\$\.\[' is not a JSONPath: "):
        ask("http.json", {"url": url, "path": "$.["}, 5)


def test_header(web: Web):
    """A header is a word, even if it looks like a number; one that is missing is no data."""
    url = web.tell("/", Answer(200, headers={"x-version": "1.10"}))
    assert ask("http.header", {"url": url, "header": "X-Version"}, 5) == Number(value="1.10", evidence=f"{url}, status 200")
    assert ask("http.header", {"url": url, "header": "x-no"}, 5) == NoData(f"no header 'x-no' from {url}, status 200")


def test_duration(web: Web):
    """The duration is in seconds and lasts until the body is there."""
    seen = ask("http.duration", {"url": web.tell("/", Answer(200, b"x" * 100_000))}, 5)
    assert isinstance(seen, Number)
    assert 0 < float(seen.value) < 5


def test_request(web: Web, monkeypatch: pytest.MonkeyPatch):
    """Method, headers and body are sent; a reference among a header's words becomes its secret."""
    monkeypatch.setenv("CHECK_TOKEN", "planted")
    url = web.tell("/analyze", Answer(200))
    ask("http.status", {"url": url, "method": "POST", "headers": {"authorization": "Bearer env:CHECK_TOKEN"}, "body": {"text": "a"}}, 5)
    ask("http.status", {"url": url, "method": "PUT", "body": "plain"}, 5)
    first, second = web.asked
    assert (first.method, first.headers["authorization"], first.body) == ("POST", "Bearer planted", b'{"text":"a"}')
    assert (second.method, second.body) == ("PUT", b"plain")


def test_refused():
    """A closed port is told in the system's words."""
    url = f"http://127.0.0.1:{free()}/health"
    with pytest.raises(Unreachable) as caught:
        ask("http.status", {"url": url}, 5)
    assert str(caught.value) == f"no answer from {url}: [errno 111] connection refused"


def test_silent(web: Web):
    """A server that does not answer in time is unreachable, and asked only once."""
    late = threading.Event()
    url = web.tell("/slow", Answer(200, before=late.wait))
    with pytest.raises(Unreachable) as caught:
        ask("http.status", {"url": url}, 0.1)
    late.set()
    assert str(caught.value) == f"no answer from {url} within 0.1 s"
    assert len(web.asked) == 1


def test_large(web: Web, monkeypatch: pytest.MonkeyPatch):
    """A body that never seems to end is given up."""
    monkeypatch.setattr(http, "MOST", 2**20)
    url = web.tell("/endless", Answer(200, b"x" * (2**20 + 1)))
    with pytest.raises(Unreachable) as caught:
        ask("http.duration", {"url": url}, 5)
    assert str(caught.value) == f"{url} answered with more than 1 MiB"


def test_slow_body(web: Web):
    """The time is for the body too."""
    url = web.tell("/slow", Answer(200, b"x"))
    with pytest.raises(Unreachable) as caught, http.answer({"url": url}, 5) as response:
        http.body(response, until=0)
    assert str(caught.value) == f"no answer from {url} within 5 s"


def test_cut(web: Web):
    """A body that is cut short is no answer."""
    url = web.tell("/cut", Answer(200, b"x", {"content-length": "9"}))
    with pytest.raises(Unreachable) as caught:
        ask("http.duration", {"url": url}, 5)
    assert str(caught.value) == (
        f"no answer from {url}: peer closed connection without sending complete message body (received 1 bytes, expected 9)"
    )


def test_proxy(web: Web, monkeypatch: pytest.MonkeyPatch):
    """A proxy in the environment is not asked in the service's place."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free()}")
    assert ask("http.status", {"url": web.tell("/", Answer(204))}, 5) == Number(value=204.0, evidence=f"{web.url}/")


def test_not_a_url():
    """An address that is none is the check's fault; it is not repeated, since anything may be in it."""
    with pytest.raises(ValueError, match=r"^'http\.status' needs a 'url' that begins with http:// or https://$"):
        ask("http.status", {"url": "ada:planted@example.org"}, 5)


def test_shown():
    """What is shown of a URL has no user, no password and no query."""
    assert shown("https://ada:planted@example.org:8443/a?key=planted#x") == "https://example.org:8443/a"


def test_unknown():
    """An unknown question names the known ones."""
    with pytest.raises(ValueError, match="unknown question") as caught:
        ask("http.stat", {}, 5)
    assert str(caught.value) == "unknown question 'http.stat': known are http.status, http.json, http.duration, http.header"


# A machine that is slow at the worst moment: in the middle of the package, whose other modules are still to come.
CROWD = """
import sys, threading, time
from importlib.machinery import PathFinder

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name != "jsonpath_ng.jsonpath":
            return None
        spec = PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), time.sleep(0.2))
        return spec

sys.meta_path.insert(0, Slow())
from sluice.systems import http

def ask(number):
    time.sleep(number / 100)
    found.append(http.pick("$.a", {"a": number}))

found = []
threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(len(found))
"""


def test_a_crowd_of_first_questions():
    """The checks of a gate begin together, and each finds the parser whole."""
    done = subprocess.run([sys.executable, "-c", CROWD], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("40\n", "")
