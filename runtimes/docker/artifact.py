"""What an image is built from: a copy of a declared folder, named by its content, on top of the stack's image."""

from __future__ import annotations

from pathlib import Path

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from sluice.runtimes.process.base import Props, Provider

RECIPE = "FROM {base}\nWORKDIR /app\nCOPY . /app\n"


class ArtifactProvider(Provider):
    """Inputs: name, root, source, digest, base. Outputs: context, recipe."""

    def start(self, props: Props, olds: Props) -> Props:
        """Copy the folder, and write the Dockerfile beside the copy: what runs never changes with its source, and its source may go."""
        from sluice.systems import files

        context = self._context(props)
        recipe = context.with_suffix(".Dockerfile")
        files.copy(Path(props["source"]), context, expected=props["digest"])
        files.write(recipe, RECIPE.format(base=props["base"]))
        return {"context": str(context), "recipe": str(recipe)}

    def alive(self, props: Props) -> bool:
        """The image is what lives on."""
        return True

    def stop(self, props: Props) -> None:
        """Remove the copy; the image stays."""
        import shutil

        shutil.rmtree(self._context(props), ignore_errors=True)
        self._context(props).with_suffix(".Dockerfile").unlink(missing_ok=True)

    def _context(self, props: Props) -> Path:
        # By version as well: two that have the same content are removed one by one.
        return Path(props["root"], "artifacts", props["name"].replace(".", "_"))


class Artifact(Resource, module="docker", name="Artifact"):
    """A declared folder as the context of a build."""

    context: Output[str]
    recipe: Output[str]

    def __init__(
        self, name: str, *, root: Input[str], source: str, digest: str, base: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        props = {"name": name, "root": root, "source": source, "digest": digest, "base": base, "context": None, "recipe": None}
        super().__init__(ArtifactProvider(), name, props, opts)
