"""What every test shares; the fixtures themselves are in ``tests/fixtures``."""

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.processes",
    "tests.fixtures.in_process",
    "tests.fixtures.mail",
    "tests.fixtures.simulator",
    "tests.fixtures.browser",
]
