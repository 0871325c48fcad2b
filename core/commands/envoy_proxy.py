"""The proxy as data (Envoy API v3): bootstrap, listener, clusters; the routes are in `core.commands.envoy`.

Everything but the bootstrap is read from files that Envoy watches, so it is never restarted for a release.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from json import dumps
from typing import Any

from sluice.core.commands.envoy import ROUTE

Json = dict[str, Any]
TYPE = "type.googleapis.com/envoy"
# From 1 ms to a minute in steps of a third: a quantile read from a bucket is off by a sixth at most. The last one reaches as far
# as a request may last: Envoy leaves out of the buckets what is above all of them, and the slowest answers would be forgotten.
BUCKETS = [*(round(60_000 ** (step / 39), 3) for step in range(40)), 3_600_000.0]
# The proxy must add no failure of its own: limits are those of the machine.
LIMIT = 10_000
CONNECT = "1s"
# Shorter than the keep-alive of common servers (gunicorn: 2 s): no request meets a connection that is just being closed.
IDLE = "1s"
LOOPBACK = "127.0.0.1"
# A container that is started again listens within a second; its new address should not be what it is waited for.
RESOLVED: Json = {"type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY", "dns_refresh_rate": "1s"}
# Owner only: who reaches the admin interface can stop the proxy.
SOCKET_MODE = 0o600
LOG = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "version": "%RESP(X-VERSION)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def bootstrap(folder: str, admin: str) -> Json:
    """Build what Envoy starts with: where its files are, and its admin socket."""
    buckets = {"match": {"suffix": "upstream_rq_time"}, "buckets": BUCKETS}
    return {
        "node": {"id": "front", "cluster": "sluice"},
        "admin": {"address": {"pipe": {"path": admin, "mode": SOCKET_MODE}}},
        "dynamic_resources": {"lds_config": watched(f"{folder}/lds.json"), "cds_config": watched(f"{folder}/cds.json")},
        # Counters are as new as the question, not up to five seconds old.
        "stats_flush_on_admin": True,
        "stats_config": {"histogram_bucket_settings": [buckets]},
    }


def watched(path: str) -> Json:
    """Build the source of a resource that is a file; Envoy follows renames onto it."""
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def listener(folder: str, port: int, log: str, host: str = LOOPBACK) -> Json:
    """Build the file with the one listener; its routes are the watched `rds.json`."""
    access = {"@type": f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog", "path": log, "log_format": {"json_format": LOG}}
    router = {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "rds": {"route_config_name": ROUTE, "config_source": watched(f"{folder}/rds.json")},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": access}],
        "use_remote_address": True,
        "normalize_path": True,
        # A request may wait longer than five minutes for its answer: that is the service's own business.
        "stream_idle_timeout": "0s",
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    front = {
        "@type": f"{TYPE}.config.listener.v3.Listener",
        "name": "front",
        "address": _address(host, port),
        "filter_chains": [{"filters": filters}],
    }
    return _file([front])


def cluster(name: str, port: int, host: str = LOOPBACK) -> Json:
    """Build the cluster of one version: one server, no retry, no ejection, no limit that a release could meet.

    A `host` that is a name is asked for again and again: whoever is started again may have another address.
    """
    most = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), LIMIT)
    endpoint = {"endpoint": {"address": _address(host, port)}}
    protocol = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": IDLE},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        **({"type": "STATIC"} if host == LOOPBACK else RESOLVED),
        "connect_timeout": CONNECT,
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **most}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {f"{TYPE.rpartition('/')[2]}.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }


def clusters(each: Iterable[Json]) -> Json:
    """Build the file with all clusters."""
    return _file(list(each))


def closed() -> Json:
    """Build routes that answer 503 to everything: before the first release, nobody has the traffic."""
    answer = {"status": 503, "body": {"inline_string": "no version is live yet\n"}}
    host = {"name": ROUTE, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": answer}]}
    return _file([{"@type": f"{TYPE}.config.route.v3.RouteConfiguration", "name": ROUTE, "virtual_hosts": [host]}])


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _file(resources: list[Json]) -> Json:
    """Name the file's version by its content: the same resources are the same revision."""
    return {"version_info": sha256(dumps(resources, sort_keys=True).encode()).hexdigest()[:16], "resources": resources}
