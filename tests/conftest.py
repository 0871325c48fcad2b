"""The fixtures are plugins, one file for each kind of server."""

pytest_plugins = ["tests.fixtures.front"]
