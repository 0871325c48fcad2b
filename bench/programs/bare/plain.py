"""The least that a dynamic resource can be."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider


class PlainProvider(ResourceProvider):
    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        return DiffResult(changes=_olds["value"] != _news["value"])

    def create(self, props: Any) -> CreateResult:
        return CreateResult(id_=props["value"], outs=props)


class Plain(Resource, module="bare", name="Plain"):
    def __init__(self, name: str) -> None:
        super().__init__(PlainProvider(), name, {"value": name})
