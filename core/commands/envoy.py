"""The routes that Envoy reads, as data (Envoy API v3, route.RouteConfiguration).

One file holds the routes and, in the virtual host's metadata, the share they were made from: a rename moves both at once,
so what Envoy does and what Sluice believes can never be two things.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.core.ladder import Cohort
    from sluice.core.split import Route, Share

Json = dict[str, Any]
ROUTE = "front"
# One hour: a soak is long, and a request longer than Envoy's default of 15 s is the service's own business.
TIMEOUT = "3600s"
# A connection that could not be made has carried no request: trying another is safe. Any other retry would hide a bad canary.
RETRY: Json = {"retry_on": "connect-failure", "num_retries": 2}
CLOSED = "no version is live yet\n"


def routes(share: Share) -> Json:
    """Build the file for a share: longest prefix first, since Envoy takes the first that fits."""
    ordered = sorted(share.routes, key=lambda route: -len(route.prefix))
    host = {
        "name": ROUTE,
        "domains": ["*"],
        "metadata": {"filter_metadata": {"sluice": share.wire()}},
        "routes": [*(entry for route in ordered for entry in _entries(share, route)), _nowhere(share)],
    }
    config = {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": ROUTE, "virtual_hosts": [host]}
    return {"version_info": share.revision, "resources": [config]}


def share(file: Json) -> Json:
    """Return the share that a file was made from, as plain data; an empty one for a file that Sluice did not make."""
    host = file["resources"][0]["virtual_hosts"][0]
    told: Json = host.get("metadata", {}).get("filter_metadata", {}).get("sluice", {})
    return told


def _entries(share: Share, route: Route) -> list[Json]:
    match: Json = {"prefix": route.prefix}
    entries = [{"match": match, **_action(share.weights(route))}]
    if share.cohort and route.canary:
        entries.insert(0, {"match": match | {"headers": [_header(share.cohort)]}, **_action({route.canary: 100})})
    return entries


def _nowhere(share: Share) -> Json:
    """Answer what no door takes in our own words: nobody shall take it for the answer of a version."""
    status, body = (404, "no service has this path\n") if share.routes else (503, CLOSED)
    return {"match": {"prefix": "/"}, "direct_response": {"status": status, "body": {"inline_string": body}}}


def _action(weights: dict[str, int]) -> Json:
    if not weights:
        return {"direct_response": {"status": 503, "body": {"inline_string": CLOSED}}}
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {"route": {"weighted_clusters": {"clusters": clusters}, "timeout": TIMEOUT, "retry_policy": RETRY}}


def _header(cohort: Cohort) -> Json:
    if cohort.cookie:
        crumb = rf"(?:.*;\s*)?{re.escape(cohort.cookie)}={re.escape(cohort.value)}(?:;.*)?"
        return {"name": "cookie", "string_match": {"safe_regex": {"regex": crumb}}}
    return {"name": cohort.header, "string_match": {"exact": cohort.value}}
