"""The fixtures are plugins, one file for each kind of server."""

NAMES = ("engine", "front", "mock", "planted", "postgres", "redcube", "somebody", "stack", "web")
pytest_plugins = [f"tests.fixtures.{name}" for name in NAMES]
