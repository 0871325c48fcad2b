"""metadata-enrichment: a track's request goes to Bronze as it came, is worked on in Silver, and ends in Gold.

`python -m songnodes.enrichment --port 8020`. API_GATEWAY_INTERNAL_URL is where the gateway is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pika.exceptions import AMQPError

from songnodes import broker, fault, journal, store
from songnodes.http import Call, Refused, Reply, Service, health, port
from songnodes.setting import VERSION, needed
from songnodes.waterfall import Waterfall

NAME = "metadata-enrichment"
PATIENCE = 5.0  # seconds for the gateway
# From this version on a track is taken again from Bronze on request, which needs the table of migration 0005.
REPLAY = (1, 1, 0)

BRONZE = """
    insert into raw_track_enrichment_requests (track_id, trace_id, payload) values (%(track)s, %(trace)s, %(payload)s) returning id
"""
SILVER = "insert into enrichment_requests (raw_id, track_id) values (%(raw)s, %(track)s) returning id"
DONE = """
    update enrichment_requests set status = %(status)s, sources = %(sources)s, error = %(error)s, ended_at = now() where id = %(id)s
"""
GOLD = """
    with track as (
        insert into enriched_tracks (track_id, artist_name, track_title, facts, sources)
        values (%(track)s, %(artist)s, %(title)s, %(facts)s, %(sources)s)
        on conflict (track_id) do update set artist_name = excluded.artist_name, track_title = excluded.track_title,
            facts = excluded.facts, sources = excluded.sources, enriched_at = now()
        returning track_id),
    metrics as (
        -- In the same order always: two requests at once wait for each other, and never both ways.
        insert into source_metrics (day, source, facts)
        select current_date, value, count(*) from jsonb_each_text(%(sources)s) group by value order by value
        on conflict (day, source) do update set facts = source_metrics.facts + excluded.facts)
    insert into quality_scores (track_id, score) select track_id, %(score)s from track
    on conflict (track_id) do update set score = excluded.score
"""
FOUND = "select track_id, artist_name, track_title, facts, sources, enriched_at from enriched_tracks where track_id = %(track)s"
# Gold first, then Silver, then Bronze: each refers to the one below.
GONE = (
    "delete from enriched_tracks where track_id = %(track)s returning track_id",
    "delete from enrichment_requests where track_id = %(track)s returning track_id",
    "delete from raw_track_enrichment_requests where track_id = %(track)s returning track_id",
)
CAME = "select id, payload from raw_track_enrichment_requests where track_id = %(track)s order by id desc limit 1"
REPLAYED = "insert into pipeline_replays (track_id, raw_id) values (%(track)s, %(raw)s)"


class Enrichment:
    """The routes, and what they need."""

    def __init__(self, pool: store.Pool, gateway: str) -> None:
        self.pool, self.gateway, self.waterfall = pool, gateway.rstrip("/"), Waterfall(pool)
        self.consumer = broker.Consumer(broker.AGAIN, self.again)

    @property
    def routes(self) -> dict[str, Any]:
        """Return what answers what."""
        replay = {"POST /admin/replay": self.replay} if since(REPLAY) else {}
        return {
            "GET /health": self.health,
            "POST /enrich": self.enrich,
            "GET /enrich/*": self.find,
            "DELETE /enrich/*": self.forget,
            "GET /admin/config": self.config,
            "POST /admin/reload": self.reload,
            **replay,
        }

    def health(self, call: Call) -> Reply:
        """Say how it is."""
        needs = {"postgres": store.well(self.pool), "rabbitmq": self.consumer.well, "gateway": self.reached()}
        return health(needs, waterfall_fields=len(self.waterfall.fields))

    def reached(self) -> bool:
        """Say whether the gateway is well."""
        try:
            with urlopen(f"{self.gateway}/health", timeout=PATIENCE) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def config(self, call: Call) -> Reply:
        """Say what is configured now."""
        fields = self.waterfall.now()
        return Reply({"waterfall_sources": fields, "fields": len(fields), "loads": self.waterfall.loads, "version": VERSION})

    def reload(self, call: Call) -> Reply:
        """Read the configuration again at once."""
        self.waterfall.read()
        return self.config(call)

    def enrich(self, call: Call) -> Reply:
        """Take a track through all three layers."""
        fault.wait()
        track, artist, title = call.text("track_id", "artist_name", "track_title")
        (raw,) = store.rows(self.pool, BRONZE, track=track, trace=call.trace, payload=json.dumps(dict(call.body)))
        return self.work(raw["id"], track, artist, title, call.trace)

    def work(self, raw: int, track: str, artist: str, title: str, trace: str) -> Reply:
        """Go on from Bronze. A track that no source knows is a dead letter."""
        (silver,) = store.rows(self.pool, SILVER, raw=raw, track=track)
        refusals: list[str] = []
        facts, sources = self.waterfall.run(lambda source: self.ask(source, artist, title, trace, refusals))
        if not facts:
            why = "; ".join(refusals) or "no source knows it"
            store.rows(self.pool, DONE, id=silver["id"], status="failed", sources="{}", error=why)
            self.bury({"track_id": track, "artist_name": artist, "track_title": title, "reason": why, "trace_id": trace})
            raise Refused(502 if refusals else 422, why)
        score = round(len(facts) / max(1, len(self.waterfall.fields)), 3)
        named = dict(zip(("artist", "title"), fault.told(artist, title), strict=True))
        store.rows(self.pool, GOLD, track=track, facts=json.dumps(facts), sources=json.dumps(sources), score=score, **named)
        store.rows(self.pool, DONE, id=silver["id"], status="completed", sources=json.dumps(sources), error="; ".join(refusals))
        return Reply({"track_id": track, "trace_id": trace, "status": "completed", "enrichment": facts, "sources": sources, "score": score})

    def ask(self, source: str, artist: str, title: str, trace: str, refusals: list[str]) -> Mapping[str, Any]:
        """Ask one source through the gateway; one that fails knows nothing, and is noted in `refusals`."""
        body = json.dumps({"artist_name": artist, "track_title": title}).encode()
        headers = {"content-type": "application/json", "x-request-id": trace}
        try:
            with urlopen(Request(f"{self.gateway}/api/{source}/search", body, headers), timeout=PATIENCE) as response:
                track = json.load(response)["track"]
        except HTTPError as error:
            refusals.append(f"{source}: status {error.code}")
        except (OSError, ValueError, LookupError) as error:
            refusals.append(f"{source}: {error}")
        else:
            return dict(track)
        return {}

    def bury(self, letter: Mapping[str, Any]) -> None:
        """Send a dead letter; without a broker it is in Silver all the same, and the log says so."""
        try:
            broker.send(broker.DEAD, dict(letter))
        except (AMQPError, OSError) as error:
            journal.say("ERROR", "a dead letter was not sent", track_id=letter["track_id"], why=str(error) or type(error).__name__)

    def again(self, letter: Mapping[str, Any]) -> None:
        """Take a letter that is tried again, from Bronze on, as if it had just come."""
        asked = {name: str(letter[name]) for name in ("track_id", "artist_name", "track_title")}
        (raw,) = store.rows(self.pool, BRONZE, track=asked["track_id"], trace=letter["trace_id"], payload=json.dumps(asked))
        try:
            self.work(raw["id"], *asked.values(), str(letter["trace_id"]))
        except Refused as refused:
            journal.say("WARNING", "it failed again", track_id=asked["track_id"], why=str(refused))

    def replay(self, call: Call) -> Reply:
        """Take a track again as it once came."""
        (track,) = call.text("track_id")
        found = store.rows(self.pool, CAME, track=track)
        if not found:
            raise Refused(404, f"no request for '{track}' is in Bronze")
        payload = found[0]["payload"]
        store.rows(self.pool, REPLAYED, track=track, raw=found[0]["id"])
        return self.work(found[0]["id"], track, payload["artist_name"], payload["track_title"], call.trace)

    def find(self, call: Call) -> Reply:
        """Return a track from Gold."""
        found = store.rows(self.pool, FOUND, track=call.last)
        if not found:
            raise Refused(404, f"no track '{call.last}'")
        return Reply(found[0])

    def forget(self, call: Call) -> Reply:
        """Delete a track from all layers."""
        gone = [len(store.rows(self.pool, query, track=call.last)) for query in GONE]
        if not any(gone):
            raise Refused(404, f"no track '{call.last}'")
        return Reply({"deleted": call.last})


def since(version: tuple[int, ...]) -> bool:
    """Say whether this is that version or a later one."""
    return tuple(int(part) for part in VERSION.split(".") if part.isdecimal()) >= version


def main() -> None:
    """Serve until told to stop."""
    journal.name(NAME)
    fault.start()
    with store.connect() as pool:
        enrichment = Enrichment(pool, needed("API_GATEWAY_INTERNAL_URL"))
        enrichment.consumer.start()
        Service(NAME, port(), enrichment.routes).run()
        enrichment.consumer.stop()


if __name__ == "__main__":
    main()
