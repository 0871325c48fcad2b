"""Traffic divided by Envoy's route weights, written as one file that Envoy watches."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sluice.core.commands import envoy as say
from sluice.core.errors import Superseded, Unreachable
from sluice.core.figures import Figures
from sluice.core.ladder import Cohort
from sluice.core.split import Route, Share
from sluice.core.version import Version
from sluice.systems import files


def look(folder: str) -> Share:
    """Return the share that the route file was made from: local and cheap."""
    try:
        return say.share(json.loads(_file(folder).read_text()))
    except FileNotFoundError:
        return Share()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Unreachable(f"the routes in '{_file(folder)}' cannot be read ({type(error).__name__}): restore or remove the file") from None


def _file(folder: str) -> Path:
    return Path(folder) / "rds.json"


class EnvoySplit:
    """The port `Split` over a folder with Envoy's route file; `admin` is Envoy's admin socket, `route` the configuration's name."""

    def __init__(self, folder: str, admin: str, route: str = say.ROUTE) -> None:
        self.folder, self.admin, self.route = folder, admin, route
        self.owner = secrets.token_hex(8)

    def get(self) -> Share:
        """See the port."""
        return look(self.folder)

    def take(self, release: str, routes: list[Route]) -> Share:
        """See the port."""

        def taken(now: Share) -> Share:
            own = now.release == release and now.routes == routes
            kept = now if own else Share(routes=routes)
            return kept.model_copy(update={"release": release, "owner": self.owner})

        return self._write(taken)

    def set(self, weight: int, cohort: Cohort | None = None) -> Share:
        """See the port."""

        def weighed(now: Share) -> Share:
            if now.owner != self.owner:
                raise Superseded(f"another deployment took over the traffic (release '{now.release}'): see `pulumi stack history`")
            return now.model_copy(update={"weight": weight, "cohort": cohort})

        return self._write(weighed)

    def confirm(self, share: Share, timeout: float) -> bool:
        """See the port."""
        # Imported late: the HTTP client costs a third of a second, and a cheap look needs none.
        from sluice.systems import envoy

        return envoy.confirm(self.admin, self.route, share.revision, timeout)

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        """See the port."""
        from sluice.systems import envoy

        return envoy.figures(self.admin, [version.name for version in versions])

    def _write(self, change: Callable[[Share], Share]) -> Share:
        """Change the share under the folder's lock: read, check, and replace are one step for every other deployer."""
        with files.lock(Path(self.folder) / "split.lock"):
            share = change(self.get()).model_copy(update={"revision": secrets.token_hex(8)})
            files.write(_file(self.folder), json.dumps(say.routes(share)))
        return share


def open_split(descriptor: dict[str, Any]) -> EnvoySplit:
    """Open the splitter that a runtime's descriptor names: {folder, admin, route}."""
    return EnvoySplit(descriptor["folder"], descriptor["admin"], descriptor.get("route", say.ROUTE))
