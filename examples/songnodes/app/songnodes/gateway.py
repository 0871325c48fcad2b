"""api-gateway-internal: one way to all providers, each behind its own breaker. `python -m songnodes.gateway --port 8022`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
import valkey

from songnodes import catalogue, fault, journal, store
from songnodes.breaker import LIMIT, LONGEST, OPEN, PAUSE, Breaker, Open
from songnodes.http import Call, Refused, Reply, Service, health, port
from songnodes.setting import needed, number, text

NAME = "api-gateway-internal"
PROVIDERS = ("spotify", "musicbrainz", "discogs")
PATIENCE = 3.0  # seconds for a provider
GLANCE = 0.2  # seconds between two looks at breakers that are due

CALLED = "insert into api_calls (provider, ok, duration_ms, trace_id) values (%(provider)s, %(ok)s, %(took)s, %(trace)s)"
TURNED = "insert into circuit_breaker_events (provider, state, why) values (%(provider)s, %(state)s, %(why)s)"


class Gateway:
    """The providers, what is cached of them, and their breakers."""

    def __init__(self, pool: store.Pool, cache: Any, own: int) -> None:
        self.pool, self.cache = pool, cache
        self.urls = {one: text(f"{one.upper()}_URL", f"http://127.0.0.1:{own}/catalogue/{one}") for one in PROVIDERS}
        self.keep = int(number("CACHE_SECONDS", 3600))
        how = {"limit": int(number("BREAKER_LIMIT", LIMIT)), "pause": number("BREAKER_PAUSE", PAUSE)}
        longest = number("BREAKER_LONGEST", LONGEST)
        self.breakers = {one: Breaker(one, longest=longest, told=self.turned, **how) for one in PROVIDERS}

    @property
    def routes(self) -> dict[str, Any]:
        """Return what answers what."""
        searches = {f"POST /api/{one}/search": lambda call, one=one: self.search(one, call) for one in PROVIDERS}
        return {"GET /health": self.health, "GET /catalogue/*": self.catalogue, **searches}

    def health(self, call: Call) -> Reply:
        """Say how it is. An open breaker is told, and does not make the gateway ill: it still answers for the other providers."""
        clients = {name: one.shown for name, one in self.breakers.items()}
        needs = {"postgres": store.well(self.pool), "redis": self.cached()}
        return health(needs, api_clients=clients, breakers_not_closed=sum(one["state"] != "closed" for one in clients.values()))

    def cached(self) -> bool:
        """Say whether the cache answers."""
        try:
            return bool(self.cache.ping())
        except valkey.ValkeyError:
            return False

    def catalogue(self, call: Call) -> Reply:
        """Be a provider, where no other address is configured."""
        return Reply(catalogue.find(call.last, call.query.get("artist", ""), call.query.get("title", "")))

    def search(self, provider: str, call: Call) -> Reply:
        """Return what a provider knows of a track, from the cache if that has it."""
        artist, title = call.text("artist_name", "track_title")
        if fault.EMPTY:
            return Reply({"provider": provider, "cached": False, "track": {}})
        key = f"songnodes:{provider}:{sha256(json.dumps([artist, title]).encode()).hexdigest()}"
        kept = self.kept(key)
        if kept is not None:
            return Reply({"provider": provider, "cached": True, "track": kept})
        try:
            track = self.breakers[provider].call(lambda: self.ask(provider, {"artist": artist, "title": title}, call.trace))
        except Open as error:
            raise Refused(503, str(error)) from None
        except (OSError, ValueError) as error:
            raise Refused(502, f"{provider}: {error}") from None
        self.hold(key, track)
        return Reply({"provider": provider, "cached": False, "track": track})

    def ask(self, provider: str, query: Mapping[str, str], trace: str) -> dict[str, Any]:
        """Ask a provider, and note how it went; whatever it does but answer with an object is a failure."""
        begun, known = time.monotonic(), None
        try:
            with urlopen(f"{self.urls[provider]}?{urlencode(query)}", timeout=PATIENCE) as response:
                known = json.load(response)
        except URLError as error:
            raise OSError(str(error.reason)) from None
        finally:
            took = round((time.monotonic() - begun) * 1000, 3)
            store.rows(self.pool, CALLED, provider=provider, ok=known is not None, took=took, trace=trace)
        if not isinstance(known, dict):
            raise ValueError("its answer is no object")
        return known

    def kept(self, key: str) -> dict[str, Any] | None:
        """Return what is cached; a cache that is away is as good as empty, and /health says so."""
        try:
            found = self.cache.get(key)
        except valkey.ValkeyError:
            return None
        return json.loads(found) if found else None

    def hold(self, key: str, track: Mapping[str, Any]) -> None:
        """Cache what a provider said."""
        try:
            self.cache.set(key, json.dumps(track), ex=self.keep)
        except valkey.ValkeyError as error:
            journal.say("WARNING", "not cached", why=str(error))

    def turned(self, provider: str, state: str, why: str) -> None:
        """Write down that a breaker has changed."""
        journal.say("WARNING" if state == OPEN else "INFO", f"breaker of {provider} is {state}", why=why)
        store.rows(self.pool, TURNED, provider=provider, state=state, why=why)

    def mend(self, ending: threading.Event) -> None:
        """Try every breaker whose pause is over, so that it closes without anybody's request."""
        while not ending.wait(GLANCE):
            for provider, breaker in self.breakers.items():
                if breaker.due:
                    self.probe(provider, breaker)

    def probe(self, provider: str, breaker: Breaker) -> None:
        """Ask a provider for nobody; what comes of it is the breaker's to know."""
        try:
            breaker.call(lambda: self.ask(provider, {"artist": "Deadmau5", "title": "Strobe"}, "probe"))
        except (Open, OSError, ValueError, psycopg.Error) as error:
            journal.say("WARNING", f"{provider} is still away", why=str(error))

    def gauges(self) -> dict[str, float]:
        """Return what Prometheus is told."""
        return {f'breaker_closed{{provider="{name}"}}': float(one.state == "closed") for name, one in self.breakers.items()}


def main() -> None:
    """Serve until told to stop."""
    journal.name(NAME)
    with store.connect() as pool:
        cache = valkey.Valkey.from_url(needed("REDIS_URL"), socket_timeout=1, socket_connect_timeout=1)
        own = port()
        gateway = Gateway(pool, cache, own)
        service = Service(NAME, own, gateway.routes, gateway.gauges)
        threading.Thread(target=gateway.mend, args=(service.ending,), daemon=True).start()
        service.run()


if __name__ == "__main__":
    main()
