"""Command lines of the docker client, and the names that an engine takes."""

from __future__ import annotations

import re

import pytest

from sluice.core.commands import docker as say


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("front", "shop-dev-front"),
        ("web@1.4.0-3fa2", "shop-dev-web-1.4.0-3fa2"),
        ("web@1.4.0+b", "shop-dev-web-1.4.0-b-5ae9dbd3"),
        ("w" * 80, "shop-dev-wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww-3e0e3d2c"),
    ],
)
def test_contained(name: str, called: str):
    """A name is as it is for people as far as the engine and DNS take it."""
    assert re.sub("[0-9a-f]{8}$", "", say.contained("shop-dev", name)) == re.sub("[0-9a-f]{8}$", "", called)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", say.contained("shop-dev", name))
    assert len(say.contained("shop-dev", name)) <= say.LONGEST


def test_apart():
    """Two names are never one, whatever is made of their characters."""
    names = ["web@1.0+a", "web@1.0-a", "web@1.0 a", "w" * 80, "w" * 81]
    assert len({say.contained("shop-dev", name) for name in names}) == len(names)


def test_labels():
    """A listing's labels are read back; what is no pair is left out."""
    assert say.labels("sluice.stack=shop-dev,sluice.port=20001,odd") == {"sluice.stack": "shop-dev", "sluice.port": "20001"}


def test_ends():
    """What the engine remembers of a container's ends is asked for up to now: it does not wait for the next one."""
    filters = ["--filter", "container=f00", "--filter", "event=die", "--filter", "event=oom"]
    wanted = ["events", "--since", "0", "--until", "12.500", *filters, "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}"]
    assert say.ends("f00", 12.5) == wanted


def test_once():
    """A job's variables are named, and their values are in no command line."""
    told = say.once(
        "shop-dev-job",
        image="sha256:1",
        argv=["sh", "-c", "true"],
        folder="/src",
        network="shop-dev-net",
        labels={"sluice.stack": "shop-dev"},
        binds={"/stack/secrets": "/stack/secrets"},
        env=["PGHOST", "TOKEN"],
    )
    assert " ".join(told) == (
        "run --rm --volume /src:/app:ro --init --name shop-dev-job --network shop-dev-net --workdir /app --label sluice.stack=shop-dev"
        " --volume /stack/secrets:/stack/secrets:ro --env PGHOST --env TOKEN --entrypoint sh sha256:1 -c true"
    )


def test_latest():
    """A log is a file, or what the engine has of a container."""
    assert say.latest("/stack/log/web 1.log", 50) == ["tail", "-n", "50", "/stack/log/web 1.log"]
    assert say.latest("docker:shop-dev-web-1", 50) == ["docker", "logs", "--tail", "50", "shop-dev-web-1"]
