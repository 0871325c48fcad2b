"""What every resource of the process runtime shares: it is alive or is started again, and a failure is one clear line.

A provider's module path and name are a stored format. Nothing heavy is imported here: a no-change update calls `diff` alone.
"""

from __future__ import annotations

import sys
from typing import Any

from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ResourceProvider, UpdateResult

from sluice.systems import deployer

Props = dict[str, Any]


class Provider(ResourceProvider):
    """Inputs are echoed in the outputs; subclasses define `start`, `alive` and `stop`.

    An input that was not given is "", 0 or {}, never None: the engine would drop its key, and a diff would not see it go.
    """

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        """Let the process end with its deployer; the engine calls this once, when it loads the provider."""
        deployer.watch()

    def opened(self, props: Props) -> Props:
        """Return the inputs, or their echo, as the other methods take them: a resource that packs its inputs unpacks them here."""
        return props

    def start(self, props: Props, olds: Props) -> Props:
        """Make it so, from nothing or from whatever was left; `olds` is {} the first time. Return its own outputs."""
        raise TypeError(f"{type(self).__name__} defines no start")

    def alive(self, props: Props) -> bool:
        """Say by one cheap local look whether it still runs."""
        raise TypeError(f"{type(self).__name__} defines no alive")

    def stop(self, props: Props) -> None:
        """Undo it; may be called twice, and when nothing is left."""
        raise TypeError(f"{type(self).__name__} defines no stop")

    def undo(self, props: Props) -> None:
        """Remove what a failed first start has left: the engine does not know of it, and nobody else would."""
        self.stop(props)

    def create(self, props: Props) -> CreateResult:
        """Start, or leave nothing."""
        # Set in here, never at import: in the program's process it would hang the SDK without a word.
        sys.tracebacklimit = 0
        opened = self.opened(props)
        with deployer.call():
            try:
                return CreateResult(id_=opened["name"], outs={**props, **self.start(opened, {})})
            except BaseException:
                self.undo(opened)
                raise

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Report a change of an input, or a death."""
        return DiffResult(changes=changed(_olds, _news) or not self.alive(self.opened(_olds)))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Start again."""
        sys.tracebacklimit = 0
        with deployer.call():
            return UpdateResult(outs={**_news, **self.start(self.opened(_news), self.opened(_olds))})

    def delete(self, _id: str, _props: Props) -> None:
        """Stop."""
        sys.tracebacklimit = 0
        with deployer.call():
            self.stop(self.opened(_props))


def changed(olds: Props, news: Props) -> bool:
    """Say whether an input differs from its echo."""
    return any(olds.get(name) != value for name, value in news.items() if not name.startswith("__"))
