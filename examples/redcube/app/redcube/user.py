"""The user service: registering, logging in, and going. `python -m redcube.user --port N`."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any

from redcube import database, session
from redcube.log import Log
from redcube.server import Answer, Refusal, Request, Routes, Server, port
from redcube.sync import Sync
from redcube.version import VERSION

NAME = "user-service"
# The content service's database, on the same server, and how many connections to it are kept: only registering and leaving use them.
COPY, COPIES = "postgres", 2
SHORTEST = 6  # characters of a password
# The least that OWASP's password storage page names for scrypt, with memory for about 16 MiB a call.
COST: dict[str, Any] = {"n": 2**14, "r": 8, "p": 5}


class User:
    """The routes, and what they need."""

    def __init__(self, pool: database.Pool, sync: Sync, key: bytes) -> None:
        self.pool, self.sync, self.key = pool, sync, key

    @property
    def routes(self) -> Routes:
        """Return what answers what. Those under /api/auth can be reached through a front door that divides by prefix."""
        return {
            ("GET", "/health"): self.health,
            ("GET", "/api/auth/health"): self.health,
            ("GET", "/sync"): self.synced,
            ("POST", "/api/auth/register"): self.register,
            ("POST", "/api/auth/login"): self.login,
            ("GET", "/api/auth/me"): self.me,
            ("DELETE", "/api/auth/me"): self.leave,
        }

    def health(self, request: Request) -> Answer:
        """Say how the service is."""
        well = database.well(self.pool)
        body = {"status": "ok" if well else "no database", "service": NAME, "version": VERSION, "database": well}
        return Answer(body, 200 if well else 503)

    def synced(self, request: Request) -> Answer:
        """Say how well users are copied: whether the trigger does it, and how often it failed."""
        return Answer({"trigger": self.sync.triggered(), "failures": self.sync.count()})

    def register(self, request: Request) -> Answer:
        """Make a user."""
        email, password = credentials(request)
        if len(password) < SHORTEST:
            raise Refusal(400, f"a password has at least {SHORTEST} characters")
        if request.body.get("confirmPassword") != password:
            raise Refusal(400, "the passwords differ")
        query = "insert into users (email, password) values (%s, %s) on conflict do nothing returning id, email"
        with self.pool.connection() as connection:
            user = connection.execute(query, [email, sealed(password)]).fetchone()
        if user is None:
            raise Refusal(409, "this email is taken")
        self.sync.add(user)
        return Answer(user)

    def login(self, request: Request) -> Answer:
        """Begin a session."""
        email, password = credentials(request)
        with self.pool.connection() as connection:
            user = connection.execute("select id, email, password from users where email = %s", [email]).fetchone()
        if user is None or not opens(password, user["password"]):
            raise Refusal(401, "email or password is wrong")
        return Answer({"id": user["id"], "email": user["email"]}, headers=session.begin(self.pool, self.key, user["id"]))

    def me(self, request: Request) -> Answer:
        """Say who is logged in."""
        return Answer(session.user(self.pool, request))

    def leave(self, request: Request) -> Answer:
        """Delete the user with everything of theirs."""
        user = session.user(self.pool, request)
        self.sync.drop(user)
        with self.pool.connection() as connection:
            connection.execute("delete from users where id = %s", [user["id"]])
        return Answer({"deleted": user["id"]})


def credentials(request: Request) -> tuple[str, str]:
    """Return email and password, which must be there."""
    email, password = request.body.get("email"), request.body.get("password")
    if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise Refusal(400, "email is not an address")
    if not isinstance(password, str):
        raise Refusal(400, "password is missing")
    return email.lower(), password


def sealed(password: str) -> str:
    """Return what is kept of a password: a salt, and scrypt of both."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **COST).hex()}"


def opens(password: str, kept: str) -> bool:
    """Say whether a password is the one that was kept."""
    salt, _, digest = kept.partition("$")
    return hmac.compare_digest(hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **COST).hex(), digest)


def main() -> None:
    """Serve until told to stop."""
    log = Log(NAME)
    pool = database.connect(log, database.USERS)
    copy = database.connect(log, database.COPY, dbname=COPY, size=COPIES)
    with pool, copy:
        Server(port(), NAME, User(pool, Sync(pool, copy, log), session.key(pool, log)).routes, log).run()


if __name__ == "__main__":
    main()
