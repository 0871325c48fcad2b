"""What a database has around it, which no dump holds: settings of its own, who may connect, and how many."""

from __future__ import annotations

from sluice.core.value import Value

# Their values are lists of names, quoted already; as one text they would be one name (pg_dump knows the same list).
LISTS = (
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "shared_preload_libraries",
    "local_preload_libraries",
    "unix_socket_directories",
)


class Around(Value):
    """`settings` are (role, name, value), with "" for every role; they may hold secrets.

    `rights` are (role, privilege, may pass it on), with "" for public; None is the server's own default. `limit` is the most connections,
    -1 for any number.
    """

    settings: tuple[tuple[str, str, str], ...] = ()
    rights: tuple[tuple[str, str, bool], ...] | None = None
    limit: int = -1


def listed(name: str, value: str) -> str:
    """Return a setting's value as SQL when it is a list of names, "" when it is one text."""
    if name not in LISTS:
        return ""
    return ", ".join("''" if part.strip() == '""' else part.strip() for part in value.split(","))
