"""A preflight, a gate and a record in a row, without anything to deploy."""

import pulumi

from sluice.hooks.gate import Gate
from sluice.hooks.preflight import Preflight
from sluice.hooks.record import Record

config = pulumi.Config("sluice")
settled = config.get_bool("settled") or False
own = pulumi.StackReference(f"organization/{pulumi.get_project()}/{pulumi.get_stack()}")
previous = own.outputs.apply(lambda outputs: (outputs or {}).get("proven") or [])
hook = {"release": "r1", "settled": settled, "contacts": [{"name": "Ada"}]}
facts = [{"name": "window", "ok": config.get_bool("open") is not False, "why": "closed", "command": "date"}, {"name": "rope", "ok": True}]
check = {
    "name": "status",
    "ask": config.get("ask") or "http.status",
    "of": {"url": config.require("url")},
    "limit": {"is": "==", "value": 200},
}
release = {"id": "r1", "version": "1.1", "kind": "minor", "services": {}, "schema": {"shop": "7"}}

first = Preflight("preflight", {**hook, "facts": facts})
after = pulumi.ResourceOptions(depends_on=[first])
gate = Gate("health", {**hook, "moment": "health", "checks": [check], "deadline": 0}, after)
record = Record("record", {**hook, "record": release, "previous": previous}, pulumi.ResourceOptions(depends_on=[gate]))
pulumi.export("live", record.live)
pulumi.export("proven", record.proven)
