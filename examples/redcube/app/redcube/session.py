"""Sessions: a random token in a cookie, its hash in the database, where both services find it."""

from __future__ import annotations

import hashlib
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any

from redcube.database import Pool
from redcube.server import Refusal, Request

COOKIE = "session"


def begin(pool: Pool, user: int) -> dict[str, str]:
    """Begin a session; return the header that hands it out."""
    token = secrets.token_urlsafe(32)
    with pool.connection() as connection:
        connection.execute("insert into sessions (token, user_id) values (%s, %s)", [hidden(token), user])
    return {"set-cookie": f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax"}


def user(pool: Pool, request: Request) -> dict[str, Any]:
    """Return who asks, id and email; refuse who has no session."""
    query = "select u.id, u.email from sessions s join users u on u.id = s.user_id where s.token = %s and s.expires_at > now()"
    with pool.connection() as connection:
        found = connection.execute(query, [hidden(token(request))]).fetchone()
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
