"""What going back costs: a verified restore beside pg_restore alone, and for how long nobody can write while databases are swapped."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

from bench.backup import JOBS, MOST, RESTORE, restored, shop
from bench.measure import Measure, Side, interleaved, ratio, say
from sluice.core.backup.format import Format
from sluice.core.backup.manifest import Backup
from sluice.core.restore.order import Order
from sluice.core.store import Store
from sluice.systems import backup, lock, shelf
from sluice.systems.copy import drop
from sluice.systems.drill import drill
from sluice.systems.recover import back, from_backup

RATIO, SWAP = 1.6, 2.0
WRITERS = 4
NONCES = (str(number) for number in itertools.count(1))


def speed(runs: int) -> Measure:
    """Compare a restore with all its checks, counts and the swap with pg_restore of the same archive; the worse format is the figure."""
    with shop() as (store, folder):
        found = {form: interleaved(_sides(store, folder, form), min(runs, MOST)) for form in (Format.CUSTOM, Format.DIRECTORY)}
    ratios = {form: ratio(times["sluice"], times["bare"]) for form, times in found.items()}
    shown = ", ".join(f"{form} {ratios[form]:.3f} ({median(times['bare']):.1f} s)" for form, times in found.items())
    return Measure("restore_ratio", round(max(ratios.values()), 3), "ratio", f"at most {RATIO}; pg_restore -j {RESTORE} of 500 MB: {shown}")


def swap(runs: int) -> Measure:
    """Swap 500 MB to and fro under writers that come back at once; the longest that any of them waited is the figure."""
    with shop() as (store, folder):
        kept = proved(store, folder, Format.CUSTOM)
        with writing(store) as gaps:
            times = [from_backup(store, kept, _order(kept.id), log=say).seconds]
            times += [back(store, _order(), log=lambda _: None).seconds for _ in range(runs - 1)]
    say(f"  {len(times)} swaps, {max(times):.2f} s at most on the server")
    against = f"at most {SWAP:g}; {WRITERS} writers, {len(times)} swaps of 500 MB, a swap {median(times):.2f} s"
    return Measure("swap_s", round(max(gaps), 2), "s", against)


def proved(store: Store, folder: Path, form: Format) -> Backup:
    """Make a backup, and drill it."""
    made = backup.make(store, folder / form, format=form, jobs=JOBS[form])
    (kept,) = (one for one in shelf.load(folder / form) if one.id == made.id)
    return kept.model_copy(update={"drilled": drill(store, kept, jobs=RESTORE)})


def _sides(store: Store, folder: Path, form: Format) -> Mapping[str, Side]:
    say(f"  {form}")
    kept = proved(store, folder, form)
    assert kept.drilled
    with lock.maintained(store, "bench") as connection:
        drop(connection, kept.drilled.scratch)

    def restore() -> None:
        done = from_backup(store, kept, _order(kept.id), jobs=RESTORE, log=lambda _: None)
        with lock.maintained(store, "bench") as connection:
            drop(connection, done.aside)

    return {"sluice": restore, "bare": restored(store, kept)}


def _order(id: str = "") -> Order:
    return Order(nonce=next(NONCES), backup=id)


@contextmanager
def writing(store: Store) -> Iterator[list[float]]:
    """Write as fast as it goes for as long as the block; yield the seconds between two writes of one writer."""
    gaps, over = [0.0], threading.Event()
    threads = [threading.Thread(target=_write, args=(store, gaps, over)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield gaps
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _write(store: Store, gaps: list[float], over: threading.Event) -> None:
    last = time.monotonic()
    while not over.is_set():
        try:
            with psycopg.connect(**store.of, autocommit=True) as connection:
                while not over.is_set():
                    connection.execute("insert into events (kind, body, at) values ('bench', '{}', now())")
                    gaps.append(time.monotonic() - last)
                    last = time.monotonic()
        except psycopg.Error:
            # Ended, or come while the door was closed: a service's pool does the same.
            time.sleep(0.01)
