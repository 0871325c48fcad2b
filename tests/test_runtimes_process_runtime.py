"""The process runtime as components see it; what it promises is in tests/conformance."""

import json

import pulumi
import pytest

from sluice.runtimes.port import Runtime, Spec
from sluice.runtimes.process import runtime as module
from tests.fixtures.stack import TOY


class Mocks(pulumi.runtime.Mocks):
    """An engine that notes what is declared, and answers as the providers would."""

    def __init__(self):
        self.declared = {}

    def new_resource(self, args):
        self.declared[args.name] = args
        known = {"split": {"kind": "envoy"}, "url": "http://door", "host": "127.0.0.1", "port": 20001.0, "user": "u", "passfile": "/p"}
        return args.name, {**args.inputs, **known, "descriptor": {"name": args.name}}

    def call(self, args):
        return {}


@pytest.fixture
def mocks(unmocked):
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, project="toy", stack="test")
    return mocks


@pulumi.runtime.test
def test_service(mocks, monkeypatch):
    """A version is declared with all its inputs, its digest found here, and its secrets marked."""
    monkeypatch.setenv("SLUICE_HOME", "/data")
    runtime: Runtime = module.Process()
    front, store = runtime.front("front"), runtime.database("store", databases=["shop"])
    spec = Spec(name="web@1-aa", service="web", version="1", artifact=str(TOY), argv=["x"], env=store.env("shop"), secrets={"A": "b"})
    running = runtime.service(spec, front=front)

    def check(descriptor):
        inputs = {key: value for key, value in mocks.declared["web@1-aa"].inputs.items() if not key.startswith("__")}
        inputs = {**json.loads(inputs.pop("spec")), **inputs}
        assert descriptor == {"name": "web@1-aa"}
        assert len(inputs.pop("digest")) == 64
        assert inputs == {
            "name": "web@1-aa",
            "root": "/data/toy-test",
            "service": "web",
            "version": "1",
            "argv": ["x"],
            "artifact": str(TOY),
            "env": {"PGHOST": "127.0.0.1", "PGPORT": "20001", "PGUSER": "u", "PGPASSFILE": "/p", "PGDATABASE": "shop"},
            "secrets": inputs["secrets"],
            "front": {"kind": "envoy"},
            "memory": 0,
            "cpu": 0.0,
            "health": "/health",
            "ready": 30.0,
            "grace": 10.0,
        }

    return running.descriptor.apply(check)


@pulumi.runtime.test
def test_image(mocks):
    """An image is refused before anything is declared for it, with what runs it."""
    spec = Spec(name="web@1-aa", service="web", version="1", artifact="shop/web@sha256:" + "0" * 64)
    with pytest.raises(pulumi.RunError) as error:
        module.Process().service(spec)
    assert str(error.value) == (
        "RuntimeFailed: 'web@1-aa' is an image, and the process runtime runs folders:"
        " run: pulumi config set --path sluice:runtime.kind docker"
    )
