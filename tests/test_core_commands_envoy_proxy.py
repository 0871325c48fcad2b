"""The proxy as data; that a real Envoy takes it is shown with the proxy itself."""

from itertools import pairwise

from sluice.core.commands import envoy_proxy as say
from sluice.core.commands.envoy import TIMEOUT


def test_buckets():
    """A latency is known within a third, from a millisecond to a minute, and none that a route allows is above all buckets."""
    *fine, last = say.BUCKETS
    assert (fine[0], fine[-1], last) == (1, 60_000, 1000 * float(TIMEOUT.removesuffix("s")))
    steps = [after / before for before, after in pairwise(fine)]
    assert max(steps) < 1.34


def test_versions():
    """The same clusters are the same revision, others another."""
    one, two = say.cluster("a", 1), say.cluster("a", 2)
    assert say.clusters([one])["version_info"] == say.clusters([one])["version_info"]
    assert say.clusters([one])["version_info"] != say.clusters([two])["version_info"]


def test_closed():
    """Before the first release every request is answered 503, and none is sent anywhere."""
    (config,) = say.closed()["resources"]
    (route,) = config["virtual_hosts"][0]["routes"]
    assert route["match"] == {"prefix": "/"}
    assert route["direct_response"]["status"] == 503
