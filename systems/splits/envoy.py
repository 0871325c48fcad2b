"""Traffic divided by Envoy's route weights, written as one file that Envoy watches.

Values are imported late: the look of a no-change update (`told`) costs one file read.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sluice.core.commands import envoy as say
from sluice.core.errors import Superseded, Unreachable
from sluice.systems import files
from sluice.systems.keeper import file
from sluice.systems.splits import ORDERED

if TYPE_CHECKING:
    from sluice.core.figures import Figures
    from sluice.core.ladder import Cohort
    from sluice.core.lease import Lease, Seen
    from sluice.core.split import Route, Share
    from sluice.core.version import Version

T = TypeVar("T")
# How long to wait for the others, in seconds. They need milliseconds, and the keeper has to give its sign meanwhile (keeper.file.FRESH).
LIMIT = 5.0


def look(folder: str) -> Share:
    """Return the share that the route file was made from."""
    from sluice.core.split import Share

    return _read(folder, Share.read)


def told(folder: str) -> dict[str, Any]:
    """Return the same as plain data: local and cheap."""
    return _read(folder, dict)


def _read(folder: str, make: Callable[[dict[str, Any]], T]) -> T:
    try:
        return make(say.share(json.loads(_file(folder).read_text())))
    except FileNotFoundError:
        return make({})
    except (OSError, ValueError, LookupError, TypeError) as error:
        why = f"({type(error).__name__}): run `pulumi up`, which writes them anew"
        raise Unreachable(f"the routes in '{_file(folder)}' cannot be read {why}") from None


def _file(folder: str) -> Path:
    return Path(folder) / "rds.json"


def _reserve(folder: str) -> Path:
    return Path(folder) / "back.json"


class EnvoySplit:
    """The port `Split` over a folder with Envoy's route file; `admin` is Envoy's admin socket, `route` the configuration's name."""

    def __init__(self, folder: str, admin: str, route: str = say.ROUTE) -> None:
        self.folder, self.admin, self.route = folder, admin, route
        self.owner = secrets.token_hex(8)
        self.sign: int | None = None

    def get(self) -> Share:
        """See the port."""
        return look(self.folder)

    def doors(self) -> list[Route]:
        """See the port."""
        try:
            return self.get().routes
        except Unreachable:
            with suppress(OSError, ValueError, LookupError, TypeError):
                return self._reserved().routes
            raise

    def told(self) -> dict[str, Any]:
        """See the port."""
        return told(self.folder)

    def take(
        self, release: str, routes: list[Route], *, lease: Lease | None = None, after: str | None = None, since: float | None = None
    ) -> Share:
        """See the port."""
        with self._lock():
            now = self._seen()
            if after is not None:
                _owned(now, after)
            if since is not None:
                self._free(now, since)
            # The order matters to whoever is killed in between: traffic never is without a lease that belongs to it or says that it goes.
            if lease:
                self._sign(lease)
            share = self._take(now, release, routes)
            if not lease:
                file.away(self.folder)
            return share

    def _free(self, now: Share, since: float) -> None:
        """Leave alone what somebody has aborted since then; the file is as old as the abort, which has written it last."""
        if now.release == ORDERED and _file(self.folder).stat().st_mtime >= since:
            raise Superseded(f"the traffic was taken back while this update was on its way ({ORDERED}): `pulumi up` begins again")

    def _take(self, now: Share, release: str, routes: list[Route]) -> Share:
        from sluice.core.split import Share

        kept = now if now.release == release and now.routes == routes else Share(routes=routes)
        share = _fresh(kept, release=release, owner=self.owner)
        try:
            # Written while there is room: the way back must not need any.
            self._write(_reserve(self.folder), _fresh(share, weight=0, cohort=None))
            return self._write(_file(self.folder), share)
        except Unreachable as error:
            return self._home(routes, error)

    def set(self, weight: int, cohort: Cohort | None = None) -> Share:
        """See the port."""
        with self._lock():
            try:
                return self._write(_file(self.folder), _fresh(self._own(self.get()), weight=weight, cohort=cohort))
            except Unreachable:
                if weight or cohort:
                    raise
                return self._back()

    def seen(self) -> Seen:
        """See the port."""
        from sluice.core.lease import Seen

        try:
            with self._lock():
                return self._watched()
        except OSError as error:
            return Seen(broken=f"'{self.folder}' cannot be looked at ({error.strerror})")

    def _watched(self) -> Seen:
        from sluice.core.lease import Seen

        share = self._seen()
        try:
            lease, beat = file.read(self.folder)
        except Unreachable as error:
            return Seen(broken=str(error), share=share)
        return Seen(lease, share=share, beat=beat)

    def hold(self, lease: Lease) -> None:
        """See the port."""
        with self._lock():
            self._own(self.get())
            self._sign(lease)

    def beat(self, at: float) -> None:
        """See the port."""
        if self.sign is not None:
            file.beat(self.sign, at)

    def drop(self) -> None:
        """See the port."""
        with self._lock():
            self._own(self.get())
            file.away(self.folder)
        self._close()

    def kept(self, now: float, owner: str | None = None) -> bool:
        """See the port."""
        return file.fresh(self.folder, now) and owner in (None, file.word(self.folder).get("judges"))

    def _sign(self, lease: Lease) -> None:
        """Write a lease; what it is signed with later is its own file, never another one of the same name."""
        self._close()
        self.sign = file.write(self.folder, lease)

    def _close(self) -> None:
        if self.sign is not None:
            os.close(self.sign)
            self.sign = None

    def confirm(self, share: Share, timeout: float) -> bool:
        """See the port."""
        # Imported late: the HTTP client costs a third of a second, and a cheap look needs none.
        from sluice.systems import envoy

        return envoy.confirm(self.admin, self.route, share.revision, timeout)

    def figures(self, versions: list[Version]) -> dict[str, Figures]:
        """See the port."""
        from sluice.systems import envoy

        return envoy.figures(self.admin, [version.name for version in versions])

    def _lock(self) -> AbstractContextManager[None]:
        """Make reading, checking and replacing one step for every other deployer; Unreachable where one of them does not let go."""
        return files.lock(Path(self.folder) / "split.lock", limit=LIMIT)

    def _seen(self) -> Share:
        """Return the share, an empty one where the file cannot be read: whoever takes over replaces it."""
        from sluice.core.split import Share

        try:
            return self.get()
        except Unreachable:
            return Share()

    def _own(self, share: Share) -> Share:
        return _owned(share, self.owner)

    def _back(self) -> Share:
        """Put the reserve in place, as its owner."""
        return self._replace(self._own(self._reserved()))

    def _home(self, routes: list[Route], error: Unreachable) -> Share:
        """Without room to become the owner, put a reserve in place that has all traffic where these routes want it.

        The error goes on when there is none, and when a new version is to have a door.
        """
        with suppress(OSError, ValueError, LookupError, TypeError):
            share = self._reserved()
            if share.only(routes) and not any(route.canary for route in routes):
                return self._replace(share)
        raise error

    def _reserved(self) -> Share:
        from sluice.core.split import Share

        return Share.read(say.share(json.loads(_reserve(self.folder).read_text())))

    def _replace(self, share: Share) -> Share:
        """Put the reserve in place: a rename works on a full disk, and over a file that cannot be read."""
        _reserve(self.folder).replace(_file(self.folder))
        return share

    def _write(self, path: Path, share: Share) -> Share:
        files.write(path, json.dumps(say.routes(share)))
        return share


def _owned(share: Share, owner: str) -> Share:
    if share.owner != owner:
        raise Superseded(f"another deployment took over the traffic (release '{share.release}'): see `pulumi stack history`")
    return share


def _fresh(share: Share, **changes: Any) -> Share:
    return share.model_copy(update={**changes, "revision": secrets.token_hex(8)})


def open_split(descriptor: dict[str, Any]) -> EnvoySplit:
    """Open the splitter that a runtime's descriptor names: {folder, admin, route}."""
    return EnvoySplit(descriptor["folder"], descriptor["admin"], descriptor.get("route", say.ROUTE))
