"""dlq-manager: what could not be enriched is kept, counted, and tried again on request. `python -m songnodes.dlq --port 8021`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pika.exceptions import AMQPError

from songnodes import broker, fault, journal, store
from songnodes.http import Call, Refused, Reply, Service, health, port

NAME = "dlq-manager"
SHOWN = 100

KEEP = """
    insert into enrichment_dead_letters (track_id, artist_name, track_title, reason, trace_id)
    values (%(track_id)s, %(artist_name)s, %(track_title)s, %(reason)s, %(trace_id)s)
"""
COUNT = "select state, count(*) as count from enrichment_dead_letters group by state"
WHY = (
    "select reason, count(*) as count from enrichment_dead_letters where state = 'waiting' group by reason order by count(*) desc limit 10"
)
LIST = """
    select id, track_id, artist_name, track_title, reason, attempts, died_at
    from enrichment_dead_letters where state = 'waiting' order by id limit %(most)s
"""
# Only one of two requests at the same time gets the row.
TAKE = """
    update enrichment_dead_letters set state = %(state)s, attempts = attempts + %(again)s
    where id = %(id)s and state = 'waiting' returning track_id, artist_name, track_title, trace_id
"""
BACK = "update enrichment_dead_letters set state = 'waiting' where id = %(id)s"


class Letters:
    """The dead letters: off the queue into Silver, and back to the queue of what is tried again."""

    def __init__(self, pool: store.Pool) -> None:
        self.pool, self.consumer = pool, broker.Consumer(broker.DEAD, self.keep)

    @property
    def routes(self) -> dict[str, Any]:
        """Return what answers what."""
        return {
            "GET /health": self.health,
            "GET /dlq/stats": self.stats,
            "GET /dlq/messages": self.messages,
            "POST /dlq/retry/*": self.retry,
            "DELETE /dlq/messages/*": self.discard,
        }

    def health(self, call: Call) -> Reply:
        """Say how it is."""
        if fault.ILL:
            return Reply({"status": "ill", "dependencies": {"rabbitmq": "down"}, "why": "this version never joins its queue"}, 503)
        return health({"postgres": store.well(self.pool), "rabbitmq": self.consumer.well})

    def keep(self, letter: Mapping[str, Any]) -> None:
        """Write a letter down; it leaves the queue after that."""
        names = ("track_id", "artist_name", "track_title", "reason", "trace_id")
        store.rows(self.pool, KEEP, **{name: str(letter.get(name, "")) for name in names})
        journal.say("WARNING", "a dead letter", track_id=letter.get("track_id"), why=letter.get("reason"))

    def stats(self, call: Call) -> Reply:
        """Count: what waits in the queue, and what became of what was taken off it."""
        try:
            queued = broker.depth(broker.DEAD)
        except (AMQPError, OSError) as error:
            raise Refused(503, f"the broker is away: {error or type(error).__name__}") from None
        states = {row["state"]: row["count"] for row in store.rows(self.pool, COUNT)}
        reasons = {row["reason"]: row["count"] for row in store.rows(self.pool, WHY)}
        counts = {state: states.get(state, 0) for state in ("waiting", "retried", "discarded")}
        return Reply({"queued": queued, **counts, "reasons": reasons})

    def messages(self, call: Call) -> Reply:
        """List those that wait, the oldest first."""
        return Reply({"messages": store.rows(self.pool, LIST, most=SHOWN)})

    def retry(self, call: Call) -> Reply:
        """Send a letter to be enriched again."""
        letter = self.take(call, "retried")
        try:
            broker.send(broker.AGAIN, letter)
        except (AMQPError, OSError) as error:
            store.rows(self.pool, BACK, id=call.last)
            raise Refused(503, f"the broker is away: {error or type(error).__name__}") from None
        return Reply({"retried": int(call.last), **letter})

    def discard(self, call: Call) -> Reply:
        """Give a letter up."""
        return Reply({"discarded": int(call.last), **self.take(call, "discarded")})

    def take(self, call: Call, state: str) -> dict[str, Any]:
        """Return a letter that waited, and does no longer."""
        found = store.rows(self.pool, TAKE, id=call.last, state=state, again=int(state == "retried")) if call.last.isdecimal() else []
        if not found:
            raise Refused(404, f"no dead letter {call.last} waits")
        return found[0]

    def gauges(self) -> dict[str, float]:
        """Return what Prometheus is told."""
        return {f'dead_letters{{state="{row["state"]}"}}': float(row["count"]) for row in store.rows(self.pool, COUNT)}


def main() -> None:
    """Serve until told to stop."""
    journal.name(NAME)
    with store.connect() as pool:
        letters = Letters(pool)
        if not fault.ILL:
            letters.consumer.start()
        Service(NAME, port(), letters.routes, letters.gauges).run()
        letters.consumer.stop()


if __name__ == "__main__":
    main()
