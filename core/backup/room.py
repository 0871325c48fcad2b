"""How much room a backup takes."""

from __future__ import annotations

from sluice.core.backup.format import Compression
from sluice.core.value import Value

# A dump has no indexes and is packed: measured at 0.2 to 0.5 of pg_database_size. Text of numbers and bytes may double it unpacked.
SPACE = {Compression.NONE: 2.0}
PACKED = 1.0


class Room(Value):
    """Where backups go, and how: `compression` None is the best that pg_dump offers; `double` where an encrypted copy lies beside each."""

    folder: str
    compression: Compression | None = None
    double: bool = False

    def wanted(self, size: int) -> int:
        """Return how many bytes the backup of a database of so many bytes may take at most."""
        each = SPACE.get(self.compression, PACKED) if self.compression else PACKED
        return round(size * each * (2 if self.double else 1))
