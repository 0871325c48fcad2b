"""The routes that Envoy reads, as text."""

from __future__ import annotations

import json
import re

import pytest

from sluice.core.commands import envoy
from sluice.core.ladder import Cohort
from sluice.core.split import Route, Share

WEB = Route(service="web", prefix="/web/", live="web@1", canary="web@2")
API = Route(service="api", prefix="/web/api/", live="api@1")
NOWHERE = {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": "no service has this path\n"}}}
CLOSED = {"status": 503, "body": {"inline_string": "no version is live yet\n"}}


def routes(share: Share) -> list[envoy.Json]:
    host = envoy.routes(share)["resources"][0]["virtual_hosts"][0]
    found: list[envoy.Json] = host["routes"]
    return found


def to(**weights: int) -> envoy.Json:
    clusters = [{"name": name.replace("_", "@"), "weight": weight} for name, weight in weights.items()]
    retry = {"retry_on": "connect-failure", "num_retries": 2}
    return {"weighted_clusters": {"clusters": clusters}, "timeout": "3600s", "retry_policy": retry}


def test_weights():
    """A step of 10 % is two weighted clusters, live first; a service without a new version has one; the longest prefix comes first."""
    assert routes(Share(routes=[WEB, API], weight=10)) == [
        {"match": {"prefix": "/web/api/"}, "route": to(api_1=100)},
        {"match": {"prefix": "/web/"}, "route": to(web_1=90, web_2=10)},
        NOWHERE,
    ]


def test_the_longest_prefix_first():
    """In whatever order doors are given, none hides a longer one, and the last entry takes what none takes."""
    doors = [Route(service=name, prefix=prefix, live=name) for name, prefix in (("a", "/"), ("b", "/b/c/"), ("c", "/b/"))]
    assert [route["match"]["prefix"] for route in routes(Share(routes=doors))] == ["/b/c/", "/b/", "/", "/"]


def test_cohort_by_header():
    """Requests with the header go to the new version alone, before any weight is asked."""
    share = Share(routes=[WEB], cohort=Cohort(header="x-beta", value="yes"))
    assert routes(share) == [
        {
            "match": {"prefix": "/web/", "headers": [{"name": "x-beta", "string_match": {"exact": "yes"}}]},
            "route": to(web_2=100),
        },
        {"match": {"prefix": "/web/"}, "route": to(web_1=100)},
        NOWHERE,
    ]


def test_cohort_by_cookie():
    """A cookie is one among others, and its name and value mean nothing but themselves."""
    (first, *_) = routes(Share(routes=[WEB], cohort=Cohort(cookie="be.ta", value="1+1")))
    (header,) = first["match"]["headers"]
    assert header == {"name": "cookie", "string_match": {"safe_regex": {"regex": r"(?:.*;\s*)?be\.ta=1\+1(?:;.*)?"}}}
    crumbs = ["be.ta=1+1", "a=b; be.ta=1+1", "be.ta=1+1; c=d", "a=b;be.ta=1+1;c=d"]
    others = ["be.ta=1+12", "xbe.ta=1+1", "beXta=1+1", "be.ta=", "a=be.ta=1+1", ""]
    regex = re.compile(header["string_match"]["safe_regex"]["regex"])
    assert [bool(regex.fullmatch(text)) for text in crumbs + others] == [True] * 4 + [False] * 6


def test_cohort_of_a_service_that_stays():
    """Without a new version there is nothing that a cohort could see."""
    share = Share(routes=[API], cohort=Cohort(header="x-beta"))
    assert routes(share) == [{"match": {"prefix": "/web/api/"}, "route": to(api_1=100)}, NOWHERE]


def test_closed_door():
    """A door with nobody behind it answers 503 by itself; so does everything when there is no door at all."""
    shut = Route(service="web", prefix="/web/", canary="web@1")
    assert routes(Share(routes=[shut])) == [{"match": {"prefix": "/web/"}, "direct_response": CLOSED}, NOWHERE]
    assert routes(Share()) == [{"match": {"prefix": "/"}, "direct_response": CLOSED}]


@pytest.mark.parametrize("weight", [1, 10, 100])
def test_a_door_that_opens(weight: int):
    """A service that nobody served before opens with its new version's first share: there is nobody else to answer."""
    opened = Route(service="web", prefix="/", canary="web@1")
    assert routes(Share(routes=[opened], weight=weight))[0]["route"] == to(web_1=weight)


def test_the_whole_file():
    """The file names its revision, and holds the share that it was made from."""
    share = Share(routes=[API], weight=0, release="r1", owner="me", revision="abc")
    assert envoy.routes(share) == {
        "version_info": "abc",
        "resources": [
            {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": "front",
                "virtual_hosts": [
                    {
                        "name": "front",
                        "domains": ["*"],
                        "metadata": {"filter_metadata": {"sluice": share.wire()}},
                        "routes": [{"match": {"prefix": "/web/api/"}, "route": to(api_1=100)}, NOWHERE],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    "share",
    [Share(), Share(routes=[WEB, API], weight=25, cohort=Cohort(cookie="beta"), release="r2", owner="me", revision="abc")],
)
def test_a_share_comes_back(share: Share):
    """What Sluice believes is read from the very file that Envoy follows."""
    assert Share.read(envoy.share(json.loads(json.dumps(envoy.routes(share))))) == share


def test_a_file_of_others():
    """Routes that Sluice did not make hold no share."""
    assert envoy.share({"resources": [{"virtual_hosts": [{}]}]}) == {}
