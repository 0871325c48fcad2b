"""How often the judge cries wolf, and how often it sees a bad canary: `python -m bench.judge` rewrites the tables of docs/judge.md.

Every number is a share of simulated canaries whose verdict was "failed" at any of the looks.
"""

from __future__ import annotations

import math
import os
import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import accumulate
from pathlib import Path
from statistics import NormalDist, median

from sluice.core.judge.histogram import Histogram
from sluice.core.judge.pace import EFFECT, STAKES, Pace
from sluice.core.judge.power import detectable, mass
from sluice.core.judge.rates import RATIOS, Counts, Rates
from sluice.core.judge.wager import ALPHA, MINIMUM

PAGE = Path(__file__).parent.parent / "docs" / "judge.md"
BEGIN, END = "<!-- begin: python -m bench.judge -->", "<!-- end -->"
SEED, RUNS, LOOKS = 3, 2000, 200
# Requests that live and the canary answer between two looks.
SPLITS = {"90/10": (90, 10), "50/50": (50, 50)}
BASES = (0.001, 0.01, 0.05)
SAMPLES = (100, 200, 500, 1000, 3000)
LIVES, CANARIES = (0.0, 0.005, 0.01), (0.02, 0.03, 0.05, 0.12)
SHARES = (100, 500, 1000, 3000, 10000)
# A proxy's usual bounds, in milliseconds; a latency of 50 ms that spreads by half its size (log-normal).
BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000)
TYPICAL, SPREAD = 50.0, 0.5
# Requests that a canary answers well before it goes bad, and how many it is watched for after that.
GOOD, LATEST = (0, 300, 3000, 30000), 5000
# How much a busy moment changes all of a version's latencies, and how few requests a canary at a tenth of the traffic answers in one.
MOMENTS, FEW = (0.0, 0.3, 0.7), (27, 3)
SLOWER = (1.1, 1.25, 1.5, 2.0, 4.0)

Rate = Callable[[int], float]


def same(look: int, *, rate: float) -> float:
    """A rate that stays."""
    return rate


def wave(look: int) -> float:
    """A rate that drifts between 0.2 % and 5 %, the same for both sides."""
    return 0.002 + 0.024 * (1 - math.cos(look / 15))


@cache
def table(n: int, rate: float) -> list[float]:
    return list(accumulate(mass(k, n, rate) for k in range(n)))


def draw(dice: random.Random, n: int, rate: float) -> Counts:
    return Counts(bisect(table(n, round(rate, 4)), dice.random()), n)


def blocks(dice: random.Random, split: tuple[int, int], looks: int, live: Rate, canary: Rate) -> Iterator[tuple[Counts, Counts]]:
    for look in range(looks):
        yield draw(dice, split[0], live(look)), draw(dice, split[1], canary(look))


def clumps(dice: random.Random, split: tuple[int, int], looks: int, rate: float, size: int) -> Iterator[tuple[Counts, Counts]]:
    """Errors that come `size` at a time to the same side: a client that retries, a request that takes others down."""
    for live, canary in blocks(dice, split, looks, *[partial(same, rate=rate / size)] * 2):
        yield Counts(min(size * live.errors, split[0]), split[0]), Counts(min(size * canary.errors, split[1]), split[1])


def failed(looks: Iterator[tuple[Counts, Counts]], *, alpha: float = ALPHA, margin: float = 0.0) -> bool:
    """Say whether the judge stops the canary at any look."""
    rates = Rates(margin=margin)
    return any((rates := rates.seen(live, canary)).p <= alpha for live, canary in looks)


def peeked(looks: Iterator[tuple[Counts, Counts]], *, alpha: float = ALPHA) -> bool:
    """Say whether a test of two proportions that was made for one look stops the canary at any look."""
    live, canary, limit = Counts(), Counts(), NormalDist().inv_cdf(1 - alpha)
    return any(score(live := live + more, canary := canary + some) > limit for more, some in looks)


def score(live: Counts, canary: Counts) -> float:
    """Return the z of the pooled test of two proportions."""
    pooled = (live + canary).rate
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / live.total + 1 / canary.total))
    return (canary.rate - live.rate) / deviation if deviation else 0.0


def alarms(split: tuple[int, int], rate: Rate, *, runs: int = RUNS, looks: int = LOOKS, seed: int = SEED) -> float:
    """Return how often a canary is stopped that is exactly as good as live."""
    dice = random.Random(seed)
    return sum(failed(blocks(dice, split, looks, rate, rate)) for _ in range(runs)) / runs


def naive(split: tuple[int, int], rate: Rate, *, runs: int = RUNS, looks: int = LOOKS, seed: int = SEED) -> float:
    """Return the same for the test that was made for one look."""
    dice = random.Random(seed)
    return sum(peeked(blocks(dice, split, looks, rate, rate)) for _ in range(runs)) / runs


def clumped(size: int, *, runs: int = RUNS, looks: int = LOOKS, seed: int = SEED) -> float:
    """Return how often a good canary is stopped when errors come in clumps; 1 % of errors, 90/10."""
    dice = random.Random(seed)
    return sum(failed(clumps(dice, SPLITS["90/10"], looks, 0.01, size)) for _ in range(runs)) / runs


def bounded(margin: float, base: float, *, runs: int = RUNS, looks: int = LOOKS, seed: int = SEED) -> float:
    """Return how often a canary is stopped that is worse by exactly the margin; 90/10."""
    dice, live, canary = random.Random(seed), partial(same, rate=base), partial(same, rate=base + margin)
    return sum(failed(blocks(dice, SPLITS["90/10"], looks, live, canary), margin=margin) for _ in range(runs)) / runs


def detections(split: tuple[int, int], live: float, canary: float, samples: int, *, runs: int = RUNS, seed: int = SEED) -> float:
    """Return how often a bad canary is stopped within so many of its requests."""
    dice, rates = random.Random(seed), (partial(same, rate=live), partial(same, rate=canary))
    return sum(failed(blocks(dice, split, samples // split[1], *rates)) for _ in range(runs)) / runs


def delay(good: int, margin: float, canary: float, *, runs: int = RUNS // 10, seed: int = SEED) -> float:
    """Return the median of the requests that a canary answers from going bad to being stopped; live fails 1 %, 90/10."""
    dice = random.Random(seed)
    return median(late(dice, good, margin, canary) for _ in range(runs))


def late(dice: random.Random, good: int, margin: float, canary: float) -> int:
    """Return how many requests one such canary answers; it is as good as live for the first `good` of its requests."""
    split, rates = SPLITS["90/10"], Rates(margin=margin)
    for look in range((good + LATEST) // split[1]):
        worse = look * split[1] >= good
        rates = rates.seen(draw(dice, split[0], 0.01), draw(dice, split[1], canary if worse else 0.01))
        if worse and rates.p <= ALPHA:
            return (look + 1) * split[1] - good
    return LATEST


@lru_cache(64)
def binned(typical: float) -> list[float]:
    """Return the probability that a latency is at most each bound."""
    law = NormalDist(math.log(typical), SPREAD)
    return [law.cdf(math.log(bound)) for bound in BOUNDS]


def latencies(dice: random.Random, n: int, typical: float) -> Histogram:
    counts = Counter(bisect(binned(typical), dice.random()) for _ in range(n))
    return Histogram(tuple((bound / 1000, counts[at]) for at, bound in enumerate(BOUNDS)))


@dataclass(frozen=True, kw_only=True)
class Slow:
    """A canary whose latencies are `times` live's. In each look all requests of a version are slower or faster by a factor that spreads by
    `moment` (log-normal). It is stopped from `least` requests on."""

    split: tuple[int, int]
    times: float = 1.0
    effect: float = EFFECT
    moment: float = 0.0
    least: int = MINIMUM

    def look(self, dice: random.Random, side: int) -> Histogram:
        busy = dice.lognormvariate(0, self.moment) if self.moment else 1.0
        return latencies(dice, self.split[side], TYPICAL * busy * (self.times if side else 1.0))

    def stopped(self, dice: random.Random, samples: int) -> bool:
        pace = Pace()
        for _ in range(samples // self.split[1]):
            pace = pace.seen(self.look(dice, 0), self.look(dice, 1))
            if pace.p <= ALPHA and pace.effect >= self.effect and min(pace.live.total, pace.canary.total) >= self.least:
                return True
        return False


def stopped(canary: Slow, samples: int, *, runs: int = RUNS, seed: int = SEED) -> float:
    """Return how often such a canary is stopped within so many of its requests."""
    dice = random.Random(seed)
    return sum(canary.stopped(dice, samples) for _ in range(runs)) / runs


def percent(share: float) -> str:
    return f"{share * 100:.1f} %" if 0 < share < 0.0995 else f"{share * 100:.0f} %"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


ALARM_HEAD = ("error rate of both", "split", "Sluice", "a test made for one look")
CLUMP_HEAD = ("errors come", "Sluice")
BOUND_HEAD = ("margin", "live", "Sluice")
SIGHT_HEAD = ("split", "live", "canary", *(f"{n} requests" for n in SAMPLES))
LATE_HEAD = ("margin", "canary", *(f"good for {good}" for good in GOOD))
LEAST_HEAD = ("split", "live", *(f"{n} requests" for n in SHARES))
PACE_ALARM_HEAD = ("split", "test alone", f"with effect of at least {EFFECT}")
MOMENT_HEAD = ("spread", "as soon as proven", f"Sluice, from {MINIMUM} requests on")
PACE_HEAD = ("split", "latency of the canary", *(f"{n} requests" for n in SAMPLES[:-1]))
PARAMETERS = (
    f"Parameters: alpha {ALPHA}, minimum {MINIMUM}, effect {EFFECT}; ratios {', '.join(f'{ratio:g}' for ratio in RATIOS)}; "
    f"stakes {', '.join(f'{stake:g}' for stake in STAKES)}; {RUNS} runs a cell, {LOOKS} looks where nothing else is said, seed {SEED}."
)

Task = Callable[[], float]


def cells(pool: ProcessPoolExecutor, tasks: Sequence[Task]) -> list[str]:
    return [percent(future.result()) for future in [pool.submit(task) for task in tasks]]


def alarm_table(pool: ProcessPoolExecutor) -> str:
    kinds: dict[str, Rate] = {percent(base): partial(same, rate=base) for base in BASES} | {"drifts, 0.2 to 5 %": wave}
    rows = [
        [kind, split, *cells(pool, [partial(alarms, SPLITS[split], rate), partial(naive, SPLITS[split], rate)])]
        for kind, rate in kinds.items()
        for split in SPLITS
    ]
    return markdown(ALARM_HEAD, rows)


def clump_table(pool: ProcessPoolExecutor) -> str:
    return markdown(CLUMP_HEAD, [[f"{size} at a time", *cells(pool, [partial(clumped, size)])] for size in (1, 2, 3, 5)])


def bound_table(pool: ProcessPoolExecutor) -> str:
    return markdown(
        BOUND_HEAD,
        [[percent(m), percent(base), *cells(pool, [partial(bounded, m, base)])] for m in (0.005, 0.02) for base in (0.0, 0.01)],
    )


def sight_table(pool: ProcessPoolExecutor) -> str:
    rows = [
        [split, percent(live), percent(canary), *cells(pool, [partial(detections, SPLITS[split], live, canary, n) for n in SAMPLES])]
        for split in SPLITS
        for live in LIVES
        for canary in CANARIES
    ]
    return markdown(SIGHT_HEAD, rows)


def late_table(pool: ProcessPoolExecutor) -> str:
    rows = []
    for margin in (0.0, 0.01):
        for canary in (0.05, 0.12):
            waits = [pool.submit(delay, good, margin, canary) for good in GOOD]
            rows.append([percent(margin), percent(canary), *(f"{wait.result():.0f}" for wait in waits)])
    return markdown(LATE_HEAD, rows)


def least_table() -> str:
    rows = []
    for split, (live, canary) in SPLITS.items():
        for base in (0.0, *BASES):
            found = [detectable(n * live // canary, n, base) for n in SHARES]
            rows.append([split, percent(base), *("never" if rate is None else f"{rate * 100:.2g} %" for rate in found)])
    return markdown(LEAST_HEAD, rows)


def pace_alarm_table(pool: ProcessPoolExecutor) -> str:
    runs = RUNS // 4  # a run draws every latency: 20,000 of them
    rows = [
        [split, *cells(pool, [partial(stopped, Slow(split=at, effect=e, least=0), LOOKS * at[1], runs=runs) for e in (0.0, EFFECT)])]
        for split, at in SPLITS.items()
    ]
    return markdown(PACE_ALARM_HEAD, rows)


def moment_table(pool: ProcessPoolExecutor) -> str:
    rows = [
        [
            f"{moment:g}",
            *cells(pool, [partial(stopped, Slow(split=FEW, moment=moment, least=least), 600, runs=RUNS // 4) for least in (0, MINIMUM)]),
        ]
        for moment in MOMENTS
    ]
    return markdown(MOMENT_HEAD, rows)


def pace_table(pool: ProcessPoolExecutor) -> str:
    rows = [
        [
            split,
            f"{times:g} times",
            *cells(pool, [partial(stopped, Slow(split=at, times=times, least=0), n, runs=RUNS // 4) for n in SAMPLES[:-1]]),
        ]
        for split, at in SPLITS.items()
        for times in SLOWER
    ]
    return markdown(PACE_HEAD, rows)


def report() -> str:
    """Return all tables, each under its sentence."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = [
            PARAMETERS,
            "**False alarms on errors**: canaries as good as live, stopped at any look.",
            alarm_table(pool),
            "**At the edge of a margin**: canaries worse by exactly the margin, which is allowed; 90/10.",
            bound_table(pool),
            "**Where the promise ends**: errors that are not independent, 1 % on both sides, 90/10.",
            clump_table(pool),
            "**Bad canaries seen by errors**, within so many requests of the canary.",
            sight_table(pool),
            "**Canaries that go bad late**: requests from going bad to being stopped (median of a tenth of the runs), by how many "
            "requests the canary had answered as well as live; live fails 1 %, 90/10.",
            late_table(pool),
            "**The smallest error rate seen in 4 of 5 cases** (`detectable`), by requests of the canary.",
            least_table(),
            "**False alarms on latency**: the same latencies on both sides, stopped as soon as proven, a quarter of the runs.",
            pace_alarm_table(pool),
            "**Where the promise ends for latency**: in each look all requests of a version are slower or faster by a factor that "
            f"spreads so much (log-normal). Canaries as fast as live, {FEW[1]} requests a look against {FEW[0]}, within 600; a quarter of "
            "the runs.",
            moment_table(pool),
            "**Slow canaries seen by ranks**, as soon as proven, within so many requests of the canary, a quarter of the runs.",
            pace_table(pool),
        ]
    return "\n\n".join(parts)


def main() -> None:
    """Print the tables and put them into the page."""
    text = report()
    print(text)
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
