"""A steady load for the tutorial: `python docs/traffic.py URL`. It ends on SIGTERM or Ctrl-C and says what came back."""

import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.load import Ask, Load

# A service needs requests of its own to be judged: both get some.
ASKS = [Ask("GET", "/api/content/interview-intel/experiences?limit=10"), Ask("GET", "/api/auth/health")]
RATE = 60.0


def main() -> None:
    """Send requests until told to stop."""
    told = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: told.set())
    with Load(sys.argv[1], ASKS, rate=RATE) as load:
        told.wait()
    print(load.tally.text())


main()
