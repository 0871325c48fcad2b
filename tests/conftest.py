"""The fixtures are plugins, one file for each kind of server."""

import signal

# A job in a shell's background is deaf to Ctrl-C, and so would be all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

NAMES = (
    "engine",
    "front",
    "brokers",
    "mlflow",
    "mock",
    "planted",
    "postgres",
    "prometheus",
    "somebody",
    "stack",
    "redcube",
    "shop",
    "songnodes",
    "store",
    "web",
)
pytest_plugins = [f"tests.fixtures.{name}" for name in NAMES]
