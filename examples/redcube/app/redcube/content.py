"""The content service: what people told of their interviews, and an analysis of a new text. `python -m redcube.content --port N`."""

from __future__ import annotations

import json
import time
from typing import Any

from redcube import analysis, database, fault, session
from redcube.flags import Flags
from redcube.log import Log
from redcube.server import Answer, Refusal, Request, Routes, Server, port
from redcube.version import VERSION, since

NAME = "content-service"
LONGEST = 10.0  # seconds
MOST, USUAL = 100, 20  # experiences in a list
TEXT = 20_000  # characters
# From this version on a list says which experiences are looked at a lot for their age.
TRENDING = (1, 1, 0)

LIST = """
    select id, company, role, round, summary, views, created_at,
           views / (1 + extract(epoch from now() - created_at) / 86400) > 20 as trending
    from experiences order by created_at desc, id limit %s
"""
STORE = """
    with stored as (insert into analyses (user_id, text, scores) values (%(user)s, %(text)s, %(scores)s) returning id, user_id),
         earned as (insert into reputation_events (user_id, analysis_id, points) select user_id, id, 5 from stored)
    select id from stored
"""


class Content:
    """The routes, and what they need."""

    def __init__(self, pool: database.Pool, flags: Flags, key: bytes) -> None:
        self.pool, self.flags, self.key = pool, flags, key

    @property
    def routes(self) -> Routes:
        """Return what answers what. Those under /api/content can be reached through a front door that divides by prefix."""
        return {
            ("GET", "/health"): self.health,
            ("GET", "/api/content/health"): self.health,
            ("GET", "/slow"): self.slow,
            ("GET", "/api/content/slow"): self.slow,
            ("GET", "/api/content/interview-intel/experiences"): self.experiences,
            ("POST", "/api/content/analyze-single/text"): self.analyze,
            ("DELETE", "/api/content/analyses/{id}"): self.forget,
        }

    def health(self, request: Request) -> Answer:
        """Say how the service is."""
        well = database.well(self.pool)
        body = {"status": "ok" if well else "no database", "service": NAME, "version": VERSION, "database": well}
        return Answer(body, 200 if well else 503)

    def slow(self, request: Request) -> Answer:
        """Take as long as asked: a request that is under way while versions change."""
        seconds = number(request, "seconds", 1.0, 0.0, LONGEST)
        time.sleep(seconds)
        return Answer({"slept": seconds})

    def experiences(self, request: Request) -> Answer:
        """List the newest experiences."""
        fault.anywhere()
        limit = int(number(request, "limit", USUAL, 1, MOST))
        fault.listing(limit)
        with self.pool.connection() as connection:
            rows = connection.execute(LIST, [limit]).fetchall()
        return Answer({"experiences": [shown(row) for row in rows], "count": len(rows)})

    def analyze(self, request: Request) -> Answer:
        """Score a text and keep it. With the flag UGC_ANALYSIS off there is no such thing: 404, which is nobody's error."""
        fault.anywhere()
        if not self.flags.on("UGC_ANALYSIS"):
            raise Refusal(404, "feature off")
        user, text = session.known(self.pool, self.key, request), request.body.get("text")
        if not isinstance(text, str) or not 0 < len(text) <= TEXT:
            raise Refusal(400, f"text has 1 to {TEXT} characters")
        with self.pool.connection() as connection:
            others = connection.execute("select id, summary from experiences").fetchall()
        scores = analysis.scores(text, others)
        with self.pool.connection() as connection:
            stored = connection.execute(STORE, {"user": user["id"], "text": text, "scores": json.dumps(scores)}).fetchone()
        return Answer({"id": stored and stored["id"], "scores": scores})

    def forget(self, request: Request) -> Answer:
        """Delete one of the user's own analyses, and the reputation earned by it."""
        fault.anywhere()
        user = session.known(self.pool, self.key, request)
        if not request.last.isdecimal():
            raise Refusal(404, "no such analysis")
        with self.pool.connection() as connection:
            gone = connection.execute("delete from analyses where id = %s and user_id = %s", [request.last, user["id"]])
        if not gone.rowcount:
            raise Refusal(404, "no such analysis")
        return Answer({"deleted": int(request.last)})


def number(request: Request, name: str, usual: float, least: float, most: float) -> float:
    """Return a number from the query."""
    try:
        value = float(request.query.get(name, usual))
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Refusal(400, f"{name} is a number from {least:g} to {most:g}")
    return value


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return an experience as this version shows it."""
    known = {**row, "created_at": row["created_at"].isoformat()}
    return known if since(TRENDING) else {name: value for name, value in known.items() if name != "trending"}


def main() -> None:
    """Serve until told to stop."""
    log = Log(NAME)
    pool = database.connect(log, database.CONTENT)
    with pool:
        Server(port(), NAME, Content(pool, Flags(log), session.key(pool, log)).routes, log).run()


if __name__ == "__main__":
    main()
