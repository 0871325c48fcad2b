"""A shop: one service, its database, its migrations, and one smoke test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.components import Release, ReleaseArgs, ServiceArgs, Stack, program

HERE = Path(__file__).parent
ORDERS = {
    "name": "orders",
    "target": "shop",
    "steps": [{"name": "count", "path": "/shop/orders", "expect": [{"path": "$.orders", "is": ">=", "value": 0}]}],
}


def declare(stack: Stack) -> Mapping[str, Any]:
    """Declare the shop, and return what other stacks may know of it."""
    service = ServiceArgs(
        name="shop",
        argv=["python", "shop.py", "--port", "{port}"],
        artifact=HERE / "app",
        prefix="/shop/",
        database="shop",
    )
    args = ReleaseArgs(services=[service], databases=["shop"], migrations={"shop": HERE / "migrations" / "shop"}, journeys=[ORDERS])
    return Release("shop", args, stack=stack, runtime=stack.runtime()).outputs


program(declare, services={"shop"})
