"""The fixtures are plugins, one file for each kind of server."""

pytest_plugins = ["tests.fixtures.engine", "tests.fixtures.front", "tests.fixtures.postgres", "tests.fixtures.redcube", "tests.fixtures.stack", "tests.fixtures.web"]
