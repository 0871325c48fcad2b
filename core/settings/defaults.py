"""What holds when config says nothing, each with its reason. Durations in seconds, shares from 0 to 1."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.judge.pace import EFFECT
from sluice.core.judge.wager import MINIMUM

# The shares of runbook 004, "Gradual Rollout Plan".
WEIGHTS = (10, 25, 50, 100)
# Long enough for the slowest default check to count a breach (two minutes), and four steps still fit into a third of the deadline.
SOAK = 300.0
# What the comparison with live needs on either side before it says anything.
SAMPLES = MINIMUM
# As long as a soak: traffic that does not come in twice the time will not come.
PATIENCE = 300.0
# Runbook 004's last mark: what is well after 24 hours is not taken back by a switch of weights any more.
WINDOW = timedelta(hours=24)
# A week of daily releases.
BACKUPS = 7
# What a small server has to spare for a dump and a restore while it serves; a restore with two takes little more than half the time.
JOBS = 2
# Runbook 004 gives 2 to 5 minutes to "Service Deployment", and 2 to 3 to "Smoke Tests", of which one may take a minute.
HEALTH = 120.0
SMOKE = 180.0
# Runbook 002, "Build Service Images": "image sizes reasonable (<500MB each)", as `docker image ls` counts.
IMAGE = 500_000_000

# Runbook 004, "Key Metrics to Monitor" and "When to Rollback": how much is too much.
ERROR_RATE = 0.05
LATENCY = 5.0
CONNECTIONS = 0.80
CPU = 0.80
MEMORY = 0.85
# It names the 95th percentile.
QUANTILE = 0.95
# Its first mark wants errors below 1 %: a version that adds as much to live's would miss it.
ERROR_DELTA = 0.01
LATENCY_DELTA = EFFECT

# Its "30-Minute Mark", "1-Hour Mark" and "24-Hour Mark"; "all features functional" belongs to the second.
MARKS = (1800.0, 3600.0, 86400.0)
MARK_SMOKE = 3600.0
MARK_ERROR_RATE = 0.01
MARK_LATENCY = 2.0
# As long as a canary's rates look back.
MARK_WINDOW = 60.0

# Rates and latencies are already taken over a minute; a quarter of one more tells a burst from a trend.
TRAFFIC_LASTS = 15.0
# A pool fills in a moment when a version starts, and should be back within a minute.
CONNECTIONS_LASTS = 60.0
# Warming caches and compiling take a core for a minute; two are load.
CPU_LASTS = 120.0
# Memory falls with the next collection, or does not.
MEMORY_LASTS = 60.0
# A sequential test has made its proof when it speaks: waiting adds nothing.
PROVEN = 0.0
# 5 % of fewer are two requests: chance. The 95th percentile of fewer is the slowest one.
RATE_SAMPLES = 50
# A figure of a process or a server is one observation.
ONE = 1
