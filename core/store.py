"""One database: how every data step names where it works."""

from __future__ import annotations

import hashlib
from typing import Any

from sluice.core.value import Value

PORT = 5432
# What pg_dump and psql take for a connection string, pg_amcheck for a pattern, and a folder for another one.
ODD = "=\"'/\\*?"
# Bytes of a name that the server keeps.
NAME = 63


class Store(Value):
    """A PostgreSQL database, who asks it, and with which tools; the password is only in `passfile` (libpq's format, mode 0600).

    `tools` is the folder with pg_dump, pg_restore and psql; "" takes them from PATH.
    """

    host: str
    port: int = PORT
    user: str
    passfile: str = ""
    dbname: str
    tools: str = ""

    def at(self, dbname: str) -> Store:
        """Return another database of the same server."""
        return self.model_copy(update={"dbname": dbname})

    @property
    def of(self) -> dict[str, Any]:
        """Return the parameters that `systems.postgres` takes."""
        names = ("host", "port", "user", "dbname", "passfile")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def place(self) -> str:
        """Return where it is, for people: host:port/dbname."""
        return f"{self.host}:{self.port}/{self.dbname}"


def odd(dbname: str) -> str:
    """Return why a database's name cannot be worked with, "" when it can: client programs read some as connection strings or patterns."""
    wrong = sorted({repr(one) for one in dbname if one in ODD or not one.isprintable()})
    if not wrong and not dbname.startswith(".") and "://" not in dbname and len(dbname.encode()) <= NAME:
        return ""
    why = (
        f"has {', '.join(wrong)} in its name"
        if wrong
        else f"is called '{dbname}', which is no name for a folder, or a longer one than {NAME} bytes"
    )
    return f"{why}, which a dump's programs would misread: rename the database"


def key(dbname: str) -> int:
    """Return the advisory lock that protects a database: a signed 64-bit number from its name."""
    return int.from_bytes(hashlib.sha256(f"sluice {dbname}".encode()).digest()[:8], "big", signed=True)
