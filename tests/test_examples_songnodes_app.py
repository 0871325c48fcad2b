"""The services of songnodes, as processes, on a real PostgreSQL, a real cache and a real broker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tests.fixtures.front import free, wait
from tests.fixtures.songnodes import ENRICHMENT, GATEWAY, LETTERS, Songnodes

pytestmark = pytest.mark.embedded

STROBE = {"artist_name": "Deadmau5", "track_title": "Strobe"}
LAYERS = ("raw_track_enrichment_requests", "enrichment_requests", "enriched_tracks")
COUNTS = f"select {', '.join(f'(select count(*) from {layer})' for layer in LAYERS)}"


class Provider(BaseHTTPRequestHandler):
    """A provider that is back."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"bpm": 128}')

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> int:
    """Return the port at which a provider could be."""
    return free()


def provide(port: int) -> HTTPServer:
    """Bring the provider back."""
    server = HTTPServer(("127.0.0.1", port), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def whole(pipeline: Songnodes) -> Songnodes:
    """Return songnodes with all three services running, in the order of the runbook."""
    pipeline.start(GATEWAY, LETTERS, ENRICHMENT)
    wait(lambda: pipeline.ask(ENRICHMENT, "/health").status_code == 200, 20)
    wait(lambda: pipeline.ask(LETTERS, "/health").status_code == 200, 20)
    return pipeline


# the gateway


def test_search(songnodes: Songnodes):
    """A provider is asked once: what it said of a track is in the cache then, and in the answer under either path."""
    songnodes.start(GATEWAY)
    track = {**STROBE, "track_title": f"Strobe {free()}"}
    first, again = songnodes.ask(GATEWAY, "/api/spotify/search", track), songnodes.ask(GATEWAY, f"/{GATEWAY}/api/spotify/search", track)
    assert (first.status_code, first.json()["cached"], again.json()["cached"]) == (200, False, True)
    assert first.json()["track"] == again.json()["track"]
    assert set(first.json()["track"]) == {"bpm", "key", "energy"}
    assert songnodes.rows("select provider, ok from api_calls") == [("spotify", True)]


def test_refusals(songnodes: Songnodes):
    """What cannot be asked is refused with what is wrong with it."""
    songnodes.start(GATEWAY)
    wrong = songnodes.ask(GATEWAY, "/api/spotify/search", {"artist_name": " "})
    assert (wrong.status_code, wrong.json()) == (400, {"error": "artist_name and track_title: a text that is not empty"})
    nowhere = songnodes.ask(GATEWAY, "/api/napster/search", STROBE)
    assert (nowhere.status_code, nowhere.json()) == (404, {"error": "nothing at POST /api/napster/search"})
    text = songnodes.client.post(f"{songnodes.urls[GATEWAY]}/api/spotify/search", content=b"[1")
    assert (text.status_code, text.json()) == (400, {"error": "the body is no JSON object of at most 1048576 bytes"})


def test_breaker(songnodes: Songnodes, port: int):
    """A provider that is away opens its breaker, which /health tells and which closes by itself once the provider is back."""
    songnodes.start(GATEWAY, SPOTIFY_URL=f"http://127.0.0.1:{port}", BREAKER_PAUSE="0.5")
    answers = [songnodes.ask(GATEWAY, "/api/spotify/search", {**STROBE, "track_title": f"{n} {port}"}) for n in range(4)]
    assert [one.status_code for one in answers] == [502, 502, 502, 503]
    assert answers[3].json()["error"].startswith("the breaker of spotify is open: ")
    health = songnodes.ask(GATEWAY, "/health")
    assert (health.status_code, health.json()["breakers_not_closed"]) == (200, 1)
    assert health.json()["api_clients"]["spotify"]["state"] in ("open", "half_open")
    assert health.json()["api_clients"]["discogs"]["state"] == "closed"
    server = provide(port)
    wait(lambda: songnodes.ask(GATEWAY, "/health").json()["breakers_not_closed"] == 0, 15)
    server.shutdown()
    states = [state for (state,) in songnodes.rows("select state from circuit_breaker_events order by id")]
    assert (states[0], states[-2:]) == ("open", ["half_open", "closed"])


def test_no_cache(songnodes: Songnodes):
    """Without its cache the gateway answers, and says that it is ill."""
    songnodes.start(GATEWAY, REDIS_URL=f"redis://127.0.0.1:{free()}/0")
    assert songnodes.ask(GATEWAY, "/api/discogs/search", STROBE).json()["cached"] is False
    health = songnodes.ask(GATEWAY, "/health")
    assert (health.status_code, health.json()["dependencies"]) == (503, {"postgres": "ok", "redis": "down"})
    # Being asked too early is nobody's error: a gate counts those.
    assert [line["level"] for line in songnodes.lines(GATEWAY) if line.get("route") == "GET /health"] == ["WARNING"]


def test_metrics(songnodes: Songnodes):
    """Every answer is counted by its route, and Prometheus is told of the breakers."""
    songnodes.start(GATEWAY)
    songnodes.ask(GATEWAY, "/health")
    songnodes.ask(GATEWAY, "/nowhere")
    told = songnodes.ask(GATEWAY, "/metrics")
    assert told.headers["content-type"] == "text/plain; version=0.0.4"
    lines = told.text.splitlines()
    assert 'http_requests_total{route="GET /health",status="200"} 1' in lines
    assert 'http_requests_total{route="none",status="404"} 1' in lines
    assert 'breaker_closed{provider="spotify"} 1' in lines


def test_stop(songnodes: Songnodes, port: int):
    """A service that is told to stop answers what has begun, and ends well."""
    songnodes.start(GATEWAY, SPOTIFY_URL=f"http://10.255.255.1:{port}")
    answers = list[httpx.Response]()
    track = {**STROBE, "track_title": f"Strobe {port}"}
    thread = threading.Thread(target=lambda: answers.append(songnodes.ask(GATEWAY, "/api/spotify/search", track)))
    thread.start()
    # Nothing shows a request that is under way, so it gets a moment to arrive.
    time.sleep(0.5)
    assert songnodes.stop(GATEWAY) == 0
    thread.join()
    assert answers[0].status_code == 502
    assert songnodes.lines(GATEWAY)[-1]["message"] == "stopped"


# the pipeline


def test_enrich(whole: Songnodes):
    """A track goes through Bronze, Silver and Gold with one trace, and is gone from all three when it is deleted."""
    done = whole.enrich("e2e-1")
    assert (done.status_code, done.json()["status"], done.json()["score"]) == (200, "completed", 1.0)
    assert set(done.json()["enrichment"]) == {"bpm", "key", "energy", "isrc", "release_year", "genre", "label"}
    assert done.json()["sources"]["release_year"] == "musicbrainz"
    trace = done.json()["trace_id"]
    assert trace == done.headers["x-request-id"]
    assert whole.rows("select track_id, trace_id, payload ->> 'track_title' from raw_track_enrichment_requests") == [
        ("e2e-1", trace, "Strobe")
    ]
    assert whole.rows("select status, error from enrichment_requests where track_id = 'e2e-1'") == [("completed", "")]
    assert {one for (one,) in whole.rows("select distinct trace_id from api_calls")} <= {trace}
    assert whole.ask(ENRICHMENT, "/enrich/e2e-1").json()["facts"] == done.json()["enrichment"]
    assert whole.rows("select score from quality_scores") == [(1.0,)]
    assert whole.rows("select source, facts from source_metrics order by source") == [("discogs", 2), ("musicbrainz", 2), ("spotify", 3)]
    assert whole.rows(COUNTS) == [(1, 1, 1)]
    assert whole.ask(ENRICHMENT, "/enrich/e2e-1", method="DELETE").json() == {"deleted": "e2e-1"}
    assert whole.rows(COUNTS) == [(0, 0, 0)]
    assert whole.ask(ENRICHMENT, "/enrich/e2e-1").status_code == 404


def test_together(whole: Songnodes):
    """Many requests at once, for one track and for many, all arrive."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: whole.enrich(f"t-{number % 8}", title=f"Strobe {number % 8}").status_code, range(160)))
    assert Counter(answers) == {200: 160}, [line for line in whole.lines(ENRICHMENT) if line["level"] == "ERROR"][:1]
    assert whole.rows(COUNTS) == [(160, 160, 8)]


def test_dead_letter(whole: Songnodes):
    """What nobody knows is a dead letter with its reason; tried again it comes back, and given up it stays away."""
    refused = whole.enrich("lost", artist="Unknown")
    assert (refused.status_code, refused.json()) == (422, {"error": "no source knows it"})
    wait(lambda: whole.ask(LETTERS, "/dlq/stats").json()["waiting"] == 1)
    assert whole.ask(LETTERS, "/dlq/stats").json() == {
        "queued": 0,
        "waiting": 1,
        "retried": 0,
        "discarded": 0,
        "reasons": {"no source knows it": 1},
    }
    (letter,) = whole.ask(LETTERS, "/dlq/messages").json()["messages"]
    assert (letter["track_id"], letter["attempts"]) == ("lost", 0)
    assert whole.ask(LETTERS, f"/dlq/retry/{letter['id']}", {}).status_code == 200
    assert whole.ask(LETTERS, f"/dlq/retry/{letter['id']}", {}).status_code == 404
    wait(lambda: whole.ask(LETTERS, "/dlq/stats").json()["waiting"] == 1)
    (again,) = whole.ask(LETTERS, "/dlq/messages").json()["messages"]
    assert whole.ask(LETTERS, f"/dlq/messages/{again['id']}", method="DELETE").json()["track_id"] == "lost"
    counts = whole.ask(LETTERS, "/dlq/stats").json()
    assert (counts["waiting"], counts["retried"], counts["discarded"]) == (0, 1, 1)
    assert whole.rows("select status, count(*) from enrichment_requests group by 1") == [("failed", 2)]


def test_waterfall(whole: Songnodes):
    """A change of the configuration counts without a restart: at once on request, and by itself a little later."""
    before = whole.ask(ENRICHMENT, "/admin/config").json()
    assert before["waterfall_sources"]["release_year"] == ["musicbrainz", "discogs"]
    whole.rows("update waterfall_sources set enabled = false where field = 'release_year' and source = 'musicbrainz'")
    after = whole.ask(ENRICHMENT, "/admin/reload", {}).json()
    assert after["waterfall_sources"]["release_year"] == ["discogs"]
    assert whole.enrich("w-1").json()["sources"]["release_year"] == "discogs"
    assert [line["message"] for line in whole.lines(ENRICHMENT)].count("waterfall loaded") == 2


def test_replay(whole: Songnodes):
    """1.1.0 takes a track again from Bronze; 1.0.0 does not know how."""
    whole.enrich("r-1")
    whole.rows("delete from enriched_tracks")
    assert whole.ask(ENRICHMENT, "/admin/replay", {"track_id": "r-1"}).json()["status"] == "completed"
    assert whole.rows(COUNTS) == [(1, 2, 1)]
    assert whole.rows("select track_id from pipeline_replays") == [("r-1",)]
    assert whole.ask(ENRICHMENT, "/admin/replay", {"track_id": "never"}).json() == {"error": "no request for 'never' is in Bronze"}
    whole.stop(ENRICHMENT)
    whole.start(ENRICHMENT, version="1.0.0")
    assert whole.ask(ENRICHMENT, "/admin/replay", {"track_id": "r-1"}).status_code == 404


# what is wrong with the versions


def test_ends(pipeline: Songnodes):
    """1.2.0 ends at its start, with a word about it."""
    pipeline.urls[GATEWAY] = "http://127.0.0.1:1"
    assert pipeline.launch(ENRICHMENT, version="1.2.0").wait(20) == 1
    assert pipeline.log(ENRICHMENT).read_text().endswith("the waterfall's configuration cannot be read: unknown key 'priorities'\n")


def test_ill(pipeline: Songnodes):
    """1.3.0 is never healthy, though it runs."""
    pipeline.start(LETTERS, version="1.3.0")
    assert pipeline.ask(LETTERS, "/health").status_code == 503
    assert pipeline.ask(LETTERS, "/dlq/stats").status_code == 200


def test_empty(songnodes: Songnodes):
    """1.4.0 is healthy, and finds nothing."""
    songnodes.start(GATEWAY, version="1.4.0")
    assert songnodes.ask(GATEWAY, "/health").status_code == 200
    assert songnodes.ask(GATEWAY, "/api/spotify/search", STROBE).json() == {"provider": "spotify", "cached": False, "track": {}}


def test_slow_and_wrong(pipeline: Songnodes):
    """1.5.0 takes its time with each tenth request; 1.6.0 exchanges artist and title where the title has two parts."""
    pipeline.start(GATEWAY)
    pipeline.start(ENRICHMENT, version="1.5.0", FAULT_SLOW_SECONDS="1")
    assert {pipeline.enrich(f"slow-{number}").status_code for number in range(10)} == {200}
    took = [line["duration_ms"] for line in pipeline.lines(ENRICHMENT) if line.get("route") == "POST /enrich"]
    assert sum(one >= 1000 for one in took) >= 1
    assert took[9] >= 1000
    pipeline.stop(ENRICHMENT)
    pipeline.start(ENRICHMENT, version="1.6.0")
    assert pipeline.enrich("good").status_code == pipeline.enrich("bad", title="Strobe (Club Edit)").status_code == 200
    found = pipeline.rows("select track_id, artist_name, track_title from enriched_tracks where track_id in ('good', 'bad') order by 1")
    assert found == [("bad", "Strobe (Club Edit)", "Deadmau5"), ("good", "Deadmau5", "Strobe")]


def test_nowhere(songnodes: Songnodes):
    """A service without what it cannot do without ends with the name of it."""
    songnodes.where = {**songnodes.where, "port": free()}
    assert songnodes.launch(GATEWAY, version="1.0.0", DATABASE_WAIT="0.5").wait(20) == 1
    assert songnodes.log(GATEWAY).read_text().splitlines()[-1].startswith("no database within 0.5 s: ")


def test_unset(songnodes: Songnodes):
    """A variable that is not set, or is no number, is named."""
    assert songnodes.launch(GATEWAY, version="1.0.0", REDIS_URL="").wait(20) == 1
    assert songnodes.log(GATEWAY).read_text().splitlines()[-1] == "REDIS_URL is not set: see the table of variables in the README"
    assert songnodes.launch(GATEWAY, version="1.0.0", POOL_SIZE="many").wait(20) == 1
    assert songnodes.log(GATEWAY).read_text().splitlines()[-1] == "POOL_SIZE='many' is no number"
