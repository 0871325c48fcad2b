"""What every hook shares: it runs again while its release is not settled, and a failure is one clear line.

Nothing heavy is imported here: a no-change update imports this module and calls `diff`, and should cost nothing more.
"""

from __future__ import annotations

import sys
from typing import Any

from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, ResourceProvider, UpdateResult

from sluice.systems import deployer

Props = dict[str, Any]


class Hook(ResourceProvider):
    """A step of a release.

    Inputs that every hook has: `release` (its id), `settled` (it is the live one and all has passed; see `due`), and optionally
    `fallback` (the split to put back when this step fails), `notify` and `contacts` (who is told), and `held` (what a canary says of where
    it was held, {} when it was not: a step that comes after it then rests).
    Subclasses define `run`; it returns their own outputs, and raises a SluiceError on failure. Outputs beside those are `release` and the
    inputs named in `echoed`, which a delete needs: all others would be carried through every update that changes nothing.
    While the release is unsettled there is `journal` (core.journal.Source as text), where the step's `moment` is written down, with those
    of its outputs that `told` names.
    """

    serialize_as_secret_always = False
    echoed: tuple[str, ...] = ()
    # An input of that name says it for steps that are made for several moments.
    moment = ""
    told: tuple[str, ...] = ()

    def configure(self, req: ConfigureRequest) -> None:
        """Let the process end with its deployer; the engine calls this once, when it loads the provider."""
        deployer.watch()

    def run(self, props: Props) -> Props:
        """Do the step; return its own outputs."""
        raise TypeError(f"{type(self).__name__} defines no run")

    def rest(self, props: Props) -> Props:
        """Return what a step comes to that is not taken, as its release is held on the way: by default what it is of a settled one."""
        return self.run({**props, "settled": True})

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        """Report a change as long as the release is not settled; a settled one runs nothing, whatever else changed."""
        return DiffResult(changes=due(_olds, _news))

    def create(self, props: Props) -> CreateResult:
        """Run for the first time."""
        return CreateResult(id_=props["release"], outs=self._outs(props))

    def update(self, _id: str, _olds: Any, _news: Any) -> UpdateResult:
        """Run again."""
        return UpdateResult(outs=self._outs(_news))

    def _outs(self, props: Props) -> Props:
        # Set in here, never at import: in the program's process it would hang the SDK without a word.
        sys.tracebacklimit = 0
        # Imported late for the reason in the module's docstring.
        from sluice.hooks import failure

        given = {"moment": self.moment, **props}
        with deployer.call(), failure.reported(given):
            return {name: props[name] for name in ("release", *self.echoed)} | self._run(given)

    def _run(self, props: Props) -> Props:
        from sluice.core.journal import Happened
        from sluice.hooks import journal

        if props.get("held"):
            return self.rest(props)
        journal.say(props, Happened.BEGAN)
        own = self.run(props)
        journal.say(props, Happened.PASSED, "", {name: own[name] for name in self.told if own.get(name)})
        return own


def due(olds: Props, news: Props) -> bool:
    """Say whether a step runs: while its release is unsettled; where nobody says (a hook on its own), when the release is another."""
    settled = news.get("settled")
    return bool(olds.get("release") != news["release"] if settled is None else not settled)


def unknown(value: Any) -> bool:
    """Say whether an input, or something in it, is not known yet: in preview, what another resource will say."""
    from pulumi.runtime.rpc import UNKNOWN, contains_unknowns

    return contains_unknowns(value) or UNKNOWN in str(value)
