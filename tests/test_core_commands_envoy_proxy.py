"""The proxy as data; that a real Envoy takes it is shown with the proxy itself."""

from sluice.core.commands import envoy_proxy as say


def test_buckets():
    """A latency is known within a third, from a millisecond to a minute."""
    assert say.BUCKETS[0] == 1
    assert say.BUCKETS[-1] == 60_000
    steps = [after / before for before, after in zip(say.BUCKETS, say.BUCKETS[1:], strict=False)]
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
