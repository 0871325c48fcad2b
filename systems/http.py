"""HTTP: what an address answers, asked once, without retries, proxies, or (unless told) redirects.

Questions, and what each answers:
    http.status     the status code
    http.json       the value at `path` (JSONPath) in the body: a number, a word, true as 1 and false as 0; lists and objects as JSON text
    http.duration   seconds from the request until the whole body is there, whatever the status
    http.header     the value of `header`, always as a word: version 1.10 is not 1.1

Parameters: `url`; `method` (GET); `headers`, whose words `env:NAME` and `file:/path` are references to secrets;
`body`, a text or anything else that is sent as JSON; `redirects` (false) follows them.
Nothing at `path` or no such header is no data. No answer in time, or a body that is not JSON where it must be, is Unreachable.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sluice.core.errors import Unreachable
from sluice.core.question import Question, expect
from sluice.core.reading import NoData, Number, Reading

if TYPE_CHECKING:
    import ssl

    import httpx

REQUEST = ("method", "headers", "body", "redirects")
QUESTIONS = {
    "http.status": Question(("url",), REQUEST),
    "http.json": Question(("url", "path"), REQUEST),
    "http.duration": Question(("url",), REQUEST),
    "http.header": Question(("url", "header"), REQUEST),
}

# A check reads an answer, it does not download: more than this is nonsense.
MOST = 8 * 2**20
REFERENCE = re.compile(r"(?<!\S)(?:env|file):\S+")
STORE = threading.Lock()


def ask(question: str, of: Mapping[str, Any], timeout: float) -> Reading:
    """Ask one address; `timeout`, in seconds, is for everything together."""
    expect(question, of, QUESTIONS)
    if urlsplit(of["url"]).scheme not in ("http", "https"):
        raise ValueError(f"'{question}' needs a 'url' that begins with http:// or https://")
    began = time.monotonic()
    with answer(of, timeout) as response:
        content = b"" if question in ("http.status", "http.header") else body(response, began + timeout)
        return _answer(question, of, response, content, time.monotonic() - began)


@contextmanager
def answer(of: Mapping[str, Any], timeout: float) -> Iterator[httpx.Response]:
    """Send one request, by a question's parameters, and hand out its response; whatever goes wrong meanwhile is Unreachable."""
    import httpx

    try:
        with _client(of, timeout) as client, client.stream(**_request(of)) as response:
            yield response
    except httpx.TimeoutException:
        raise Unreachable(f"no answer from {shown(of['url'])} within {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"no answer from {shown(of['url'])}: {_why(error)}") from None


def shown(url: str) -> str:
    """Return a URL as it may be shown: user, password and query can hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _client(of: Mapping[str, Any], timeout: float) -> httpx.Client:
    import httpx

    # A proxy's answer is not the service's, so none is taken from the environment.
    return httpx.Client(timeout=timeout, trust_env=False, follow_redirects=bool(of.get("redirects", False)), verify=_trust())


def _trust() -> ssl.SSLContext:
    """Read the certificate store once: the fifty checks of a gate, which begin together, would each read it."""
    with STORE:
        return _store()


@cache
def _store() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _request(of: Mapping[str, Any]) -> dict[str, Any]:
    request = {"method": of.get("method", "GET"), "url": of["url"], "headers": _headers(of.get("headers", {}))}
    body = of.get("body")
    if body is not None:
        request["content" if isinstance(body, str) else "json"] = body
    return request


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: REFERENCE.sub(lambda found: _secret(found[0]), str(value)) for name, value in headers.items()}


def _secret(reference: str) -> str:
    from sluice.systems.secret import resolve

    return resolve(reference).reveal()


def body(response: httpx.Response, until: float) -> bytes:
    """Return a response's body, unless it is too large or not there at `until` (monotonic seconds)."""
    import httpx

    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the body is too slow")
        if len(content) > MOST:
            raise Unreachable(f"{shown(str(response.url))} answered with more than {MOST // 2**20} MiB")
    return bytes(content)


def _answer(question: str, of: Mapping[str, Any], response: httpx.Response, body: bytes, took: float) -> Reading:
    where = shown(of["url"])
    if question == "http.status":
        return Number(value=float(response.status_code), evidence=where)
    evidence = f"{where}, status {response.status_code}"
    if question == "http.duration":
        return Number(value=took, evidence=evidence)
    if question == "http.header":
        value = response.headers.get(of["header"])
        return NoData(f"no header '{of['header']}' from {evidence}") if value is None else Number(value=value, evidence=evidence)
    return _found(of["path"], body, evidence)


def _found(path: str, body: bytes, evidence: str) -> Reading:
    try:
        data = json.loads(body)
    except ValueError:
        raise Unreachable(f"the body is not JSON: {evidence}") from None
    values = pick(path, data)
    return Number(value=plain(values[0]), evidence=evidence) if values else NoData(f"nothing at '{path}' from {evidence}")


def pick(path: str, data: Any) -> list[Any]:
    """Return the values at a JSONPath, without nulls; ValueError for a path that cannot be read."""
    # The package first, then what is in it: threads that enter it by two of its modules at the same time would break it for good.
    import jsonpath_ng  # noqa: F401
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.parser import parse

    try:
        found = parse(path).find(data)
    except JSONPathError as error:
        raise ValueError(f"'{path}' is not a JSONPath: {error}") from None
    return [match.value for match in found if match.value is not None]


def plain(value: Any) -> float | str:
    """Return a JSON value as a check compares it."""
    if isinstance(value, bool | int | float):
        return float(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _why(error: Exception) -> str:
    # The system's words are the cause; httpx repeats a URL in some of its own.
    cause = error.__cause__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause or type(error).__name__).lower()
