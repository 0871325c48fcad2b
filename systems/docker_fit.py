"""What a Docker engine must be, and how large the images on it: what is not so is told with what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from sluice.core.errors import RuntimeFailed, Unreachable
from sluice.core.requirement import numbers
from sluice.core.settings import size
from sluice.systems import docker

# A limit is proposed in steps that people would write.
STEP = 100 * 10**6


def lacks(engine: str, images: Mapping[str, int]) -> list[str]:
    """Return why an engine will not do: it is older than `engine` ("": any will do), or images on it are larger than so many bytes."""
    if not (engine or images):
        return []
    try:
        old = [why for why in (older(engine),) if why] if engine else []
        return [*old, *(why for image, most in images.items() if (why := oversize(image, most)))]
    except (Unreachable, RuntimeFailed) as error:
        return [str(error)]


def older(least: str) -> str:
    """Return why the engine is too old; "" when it is not."""
    found = docker.ask(["version", "--format", "{{.Server.Version}}"]).strip()
    if numbers(found) >= numbers(least):
        return ""
    return f"the Docker engine at {docker.host()} is {found}, and {least} or newer is needed: upgrade it (docs.docker.com/engine/install)"


def oversize(image: str, most: int) -> str:
    """Return why an image is too large; "" when it is not, or is not on the engine yet."""
    try:
        found = int(docker.ask(["image", "inspect", "--format", "{{.Size}}", image]))
    except RuntimeFailed as error:
        if "No such image" in str(error):
            return ""
        raise
    if found <= most:
        return ""
    raised = size.text(-(-found // STEP) * STEP)
    layers, allow = f"docker history {shlex.quote(image)}", f"pulumi config set --path sluice:runtime.largest {raised}"
    return f"image '{image}' has {size.seen(found)}, and {size.seen(most)} is the most: see its layers, {layers}; or allow it, {allow}"
