"""What a team declares."""

import gc

# What is loaded by now stays to the end: collections, a tenth of the time that the imports below take, need not walk it again and again.
gc.freeze()

from sluice.components.backup import Backup
from sluice.components.canary import Canary
from sluice.components.database import Database
from sluice.components.flag import Flag
from sluice.components.gate import Gate
from sluice.components.migration import Migration
from sluice.components.release import Release, ReleaseArgs
from sluice.components.restore import Restore
from sluice.components.service import Service, ServiceArgs
from sluice.components.smoke import SmokeTest
from sluice.components.stack import Stack, program
from sluice.core.migration.alembic import Alembic
from sluice.core.producer import Producer, Told

__all__ = [
    "Alembic",
    "Backup",
    "Canary",
    "Database",
    "Flag",
    "Gate",
    "Migration",
    "Producer",
    "Release",
    "ReleaseArgs",
    "Restore",
    "Service",
    "ServiceArgs",
    "SmokeTest",
    "Stack",
    "Told",
    "program",
]
