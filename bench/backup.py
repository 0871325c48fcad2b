"""What Sluice's backup and drill cost beside PostgreSQL's own clients, and how much memory a large backup takes.

`python -m bench.backup STORE FOLDER FORMAT` makes one backup and prints its peak memory in MB.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.database import SMALL, filled, server
from bench.measure import Measure, Side, interleaved, ratio, say
from sluice.core.backup.format import Format, file
from sluice.core.backup.manifest import Backup
from sluice.core.commands import dump as argv
from sluice.core.store import Store
from sluice.systems import backup, client, copy, drill, lock, shelf
from sluice.systems.tool import env

LIMIT, DRILL_LIMIT, GROWTH = 1.1, 1.6, 16
JOBS = {Format.CUSTOM: 1, Format.DIRECTORY: 2, Format.PLAIN: 1}
# A restore takes all cores there are, as a person in a hurry would have it.
RESTORE = 2
# Half a gigabyte is dumped and restored dozens of times: more rounds than this would take half an hour.
MOST = 5
SCRATCH = "bench_restore"


@contextmanager
def shop() -> Iterator[tuple[Store, Path]]:
    """Fill a database, and make a folder for its backups."""
    with server() as postgres, tempfile.TemporaryDirectory(prefix="bench-backup-") as folder:
        yield filled(postgres, "shop"), Path(folder)


def speed(runs: int) -> Measure:
    """Compare a backup with pg_dump of the same format, compression and flags; the worst format is the figure."""
    with shop() as (store, folder):
        found = {form: _sides(form, _backup(store, folder, form), min(runs, MOST)) for form in Format}
    return _worst("backup_ratio", LIMIT, found, "pg_dump")


def proof(runs: int) -> Measure:
    """Compare a drill, with all its checks, with a restore of the same archive by pg_restore alone."""
    with shop() as (store, folder):
        found = {form: _sides(form, _drill(store, folder, form), min(runs, MOST)) for form in (Format.CUSTOM, Format.DIRECTORY)}
    return _worst("drill_ratio", DRILL_LIMIT, found, f"pg_restore -j {RESTORE}")


def memory(_runs: int) -> Measure:
    """Compare the peak memory of a backup of half a gigabyte with that of a hundredth of it, each in a process of its own."""
    with server() as postgres, tempfile.TemporaryDirectory(prefix="bench-backup-") as folder:
        stores = {"large": filled(postgres, "shop"), "small": filled(postgres, "kiosk", SMALL)}
        peaks = {name: max(_peak(store, Path(folder), form) for form in Format) for name, store in stores.items()}
    grown, small = peaks["large"] - peaks["small"], peaks["small"]
    return Measure("backup_memory_mb", round(grown, 1), "MB", f"at most {GROWTH} more for 500 MB than for 5 MB, which takes {small:.0f}")


def _sides(form: Format, sides: Mapping[str, Side], runs: int) -> dict[str, list[float]]:
    say(f"  {form}, {JOBS[form]} at once")
    return interleaved(sides, runs)


def _worst(name: str, limit: float, found: Mapping[Format, dict[str, list[float]]], against: str) -> Measure:
    ratios = {form: ratio(times["sluice"], times["bare"]) for form, times in found.items()}
    shown = ", ".join(f"{form} {ratios[form]:.3f} ({median(times['bare']):.1f} s)" for form, times in found.items())
    return Measure(name, round(max(ratios.values()), 3), "ratio", f"at most {limit}; {against} of 500 MB: {shown}")


def _backup(store: Store, folder: Path, form: Format) -> dict[str, Side]:
    target = folder / "bare"
    words = _bare(store, target, form)

    def dump() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        subprocess.run(words, env=env(store), check=True)

    def save() -> None:
        shutil.rmtree(folder / "kept", ignore_errors=True)
        backup.make(store, folder / "kept", format=form, jobs=JOBS[form])

    return {"sluice": save, "bare": dump}


def _bare(store: Store, folder: Path, form: Format) -> list[str]:
    """Return the very command of a backup, but for the snapshot that somebody else must hold open."""
    known = client.client(store)
    packing = client.packing(store, known, form)
    to = str(folder / file(form, packing))
    options = {"form": form, "compression": packing, "client": known.major, "jobs": JOBS[form], "statistics": known.statistics}
    words = argv.dump(store, to=to, snapshot="", **options)
    return [word for word in words if not word.startswith("--snapshot")]


def _drill(store: Store, folder: Path, form: Format) -> dict[str, Side]:
    made = backup.make(store, folder / form, format=form, jobs=JOBS[form])
    (kept,) = (one for one in shelf.load(folder / form) if one.id == made.id)
    return {"sluice": lambda: drill.drill(store, kept, jobs=RESTORE, keep=False), "bare": restored(store, kept)}


def restored(store: Store, kept: Backup) -> Callable[[], None]:
    """Return a call that restores a backup into an empty database, and drops it."""
    scratch = store.at(SCRATCH)
    archive = str(Path(kept.folder) / kept.manifest.dump)
    words = [argv.tool(store, "pg_restore"), "-h", store.host, "-p", str(store.port), "-U", store.user, "-d", SCRATCH, "--no-password"]

    def restore() -> None:
        with lock.maintained(store, "bench") as connection:
            copy.create(connection, store.dbname, scratch.dbname)
            subprocess.run([*words, "--exit-on-error", "-j", str(RESTORE), archive], env=env(store), check=True)
            copy.drop(connection, scratch.dbname)

    return restore


def _peak(store: Store, folder: Path, form: Format) -> float:
    """Return the peak memory of a backup's own process, in MB."""
    words = [sys.executable, "-m", "bench.backup", store.model_dump_json(), str(folder / store.dbname), form]
    done = subprocess.run(words, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def _main(store: str, folder: str, form: str) -> None:
    backup.make(Store.model_validate_json(store), Path(folder), format=Format(form), jobs=JOBS[Format(form)])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _main(*sys.argv[1:])
