"""The fixtures are plugins, one file for each kind of server."""

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
