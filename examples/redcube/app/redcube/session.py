"""Sessions: a token in a cookie. The user service keeps its hash; the content service, in another database, trusts its signature."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

from redcube.database import Pool
from redcube.log import Log
from redcube.server import Refusal, Request

COOKIE = "session"
LONG = 7 * 86400  # seconds


def key(pool: Pool, log: Log) -> bytes:
    """Return the key that signs: both services have the same one from the password that both have for the database; exit without one.

    Who knows that password can write any session and any user, so this gives nobody more; another password ends all sessions.
    """
    with pool.connection() as connection:
        password = connection.info.password
    if not password:
        log.line("ERROR", message="sessions are signed with a key from the database's password, and there is none: set PGPASSFILE")
        raise SystemExit(1)
    return hmac.digest(password.encode(), b"redcube session", "sha256")


def begin(pool: Pool, key: bytes, user: int) -> dict[str, str]:
    """Begin a session; return the header that hands it out."""
    expires = int(time.time()) + LONG
    said = f"{user}.{expires}.{secrets.token_urlsafe(32)}"
    token = f"{said}.{signature(key, said)}"
    query = "insert into sessions (token, user_id, expires_at) values (%s, %s, to_timestamp(%s))"
    with pool.connection() as connection:
        connection.execute(query, [hidden(token), user, expires])
    return {"set-cookie": f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax"}


def user(pool: Pool, request: Request) -> dict[str, Any]:
    """Return who asks, id and email, where sessions are kept; refuse who has none."""
    query = "select u.id, u.email from sessions s join users u on u.id = s.user_id where s.token = %s and s.expires_at > now()"
    return _one(pool, query, hidden(token(request)))


def known(pool: Pool, key: bytes, request: Request) -> dict[str, Any]:
    """Return who asks, id and email, where there is only the copy of users; refuse who has no session."""
    return _one(pool, "select id, email from users where id = %s", signed(key, token(request)))


def signed(key: bytes, token: str) -> int | None:
    """Return the user whom a token names, if it is ours and not too old."""
    said, _, sign = token.rpartition(".")
    if not hmac.compare_digest(sign.encode(), signature(key, said).encode()):
        return None
    who, expires, _ = said.split(".")
    return int(who) if int(expires) > time.time() else None


def signature(key: bytes, said: str) -> str:
    """Sign a text."""
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _one(pool: Pool, query: str, value: object) -> dict[str, Any]:
    with pool.connection() as connection:
        found = connection.execute(query.encode(), [value]).fetchone()
    if found is None:
        raise Refusal(401, "log in first")
    return found


def token(request: Request) -> str:
    """Return the token in the cookie, or nothing."""
    try:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def hidden(token: str) -> str:
    """Return what the database keeps: who reads it there cannot use it."""
    return hashlib.sha256(token.encode()).hexdigest()
