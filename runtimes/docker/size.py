"""An image that is no larger than it may be: before a version starts from it, and also when it was built just now."""

from __future__ import annotations

from pulumi import Input, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider


class SizeProvider(Provider):
    """Inputs: name, image, identity, most."""

    def start(self, props: Props, olds: Props) -> Props:
        """Refuse an image that is too large."""
        from sluice.core.errors import RuntimeFailed
        from sluice.systems import docker_fit

        why = docker_fit.oversize(props["image"], int(props["most"])) if props["most"] else ""
        if why:
            raise RuntimeFailed(f"'{props['name']}' was not started: {why}")
        return {}

    def alive(self, props: Props) -> bool:
        """An image does not grow."""
        return True

    def stop(self, props: Props) -> None:
        """Leave it: the image stays."""


class Size(Resource, module="docker", name="Size"):
    """An image that has at most so many bytes, by the name that people know it by; 0: it may have any size. `identity` is its id: another
    one is looked at."""

    def __init__(self, name: str, *, label: str, image: str, identity: Input[str], most: int, opts: ResourceOptions | None = None) -> None:
        super().__init__(SizeProvider(), name, {"name": label, "image": image, "identity": identity, "most": most}, opts)
