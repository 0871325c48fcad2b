"""What the client programs on this machine can do, asked from themselves."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.backup.format import METHODS, Compression, Format, accepted, best, major
from sluice.core.commands import dump as say
from sluice.core.errors import Refused
from sluice.core.store import Store
from sluice.systems.tool import env, words


@dataclass(frozen=True)
class Client:
    """A pg_dump: its version as it says it, the major one, and whether it can dump statistics (18+)."""

    version: str
    major: int
    statistics: bool


def client(store: Store) -> Client:
    """Ask pg_dump for its version and options; Refused when it names none, BackupFailed when it is not there."""
    _, said = words(say.version(store), env(store))
    try:
        number = major(said)
    except ValueError as error:
        raise Refused([f"{say.tool(store, 'pg_dump')}: {error}"]) from None
    _, options = words(say.help(store), env(store))
    return Client(version=said.strip(), major=number, statistics="--statistics " in options)


def packing(store: Store, client: Client, form: Format) -> Compression:
    """Return the best compression that the client was built with, for a format: each is tried, best first."""
    if client.major < METHODS:
        return Compression.GZIP
    return best(lambda one: _takes(store, one), form)


def _takes(store: Store, compression: Compression) -> bool:
    return accepted(words(say.probe(store, compression), env(store))[1])
