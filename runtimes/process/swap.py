"""Which version of a single service runs: the others end before it starts, and who ran before runs again when it does not become well.

It is the same for every runtime; what it takes to end and to start one is the subclass's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sluice.runtimes.process.base import Props, Provider


class Swap(Provider):
    """Inputs: `spec` (name, service, known, and whatever the subclass needs) as one JSON text, and `secrets`. Output: descriptor."""

    def there(self, props: Props) -> None:
        """Raise when the version that shall run cannot be started: nobody is ended for it then."""

    def others(self, props: Props) -> Iterable[str]:
        """Return the other versions of the service that run."""
        raise TypeError(f"{type(self).__name__} defines no others")

    def rest(self, props: Props, name: str) -> None:
        """End a version of the service within its grace, so that it does not start by itself; fine when it has."""
        raise TypeError(f"{type(self).__name__} defines no rest")

    def wake(self, props: Props) -> None:
        """Start the version unless it runs, and wait until it is well."""
        raise TypeError(f"{type(self).__name__} defines no wake")

    def opened(self, props: Props) -> Props:
        """Unpack `spec`."""
        return {**props, **json.loads(props["spec"])}

    def start(self, props: Props, olds: Props) -> Props:
        """Let it take the place of the others."""
        self.there(props)
        for name in self.others(props):
            self.rest(props, name)
        try:
            self.wake(props)
        except BaseException as error:
            self.rest(props, props["name"])
            raise self._back(error, olds if olds and olds["name"] != props["name"] else {}) from None
        return {"descriptor": props["known"]}

    def stop(self, props: Props) -> None:
        """Leave it: who runs is another resource's, which ends it with its grace."""

    def undo(self, props: Props) -> None:
        """Leave it: a start that fails has undone itself."""

    def _back(self, error: BaseException, before: Props) -> BaseException:
        """Start again who ran before, and return what to say."""
        from sluice.core.errors import RuntimeFailed, SluiceError

        if not before:
            return error
        try:
            self.wake(before)
        except SluiceError as other:
            said = f"and '{before['name']}', which ran before it, did not start again: {other}"
        else:
            said = f"'{before['name']}' runs again"
        return RuntimeFailed(f"{error}; {said}") if isinstance(error, SluiceError) else error
