"""What a program is told and what it answers travel as files."""

from __future__ import annotations

from sluice.core.check import Check, Limit
from sluice.core.questions import Health, Known, Preflight, Questions, Saved
from sluice.core.store import Store
from sluice.core.version import Version


def test_there_and_back():
    """Both are the same after they were written and read."""
    version = Version(service="web", version="1", name="web@1-a", url="http://h:1")
    known = Known(versions={version.name: version}, url="http://h", stores={"shop": Store(host="h", user="u", dbname="shop")})
    assert Known.model_validate_json(known.model_dump_json()) == known
    check = Check(name="c", ask="http.status", of={"url": "http://h"}, limit=Limit(is_="==", value=200))
    asked = Questions(release="r", preflight=Preflight(), health=Health(checks=[check], deadline=5), saved=Saved(owner="p/s"))
    assert Questions.model_validate_json(asked.model_dump_json(by_alias=True)) == asked
