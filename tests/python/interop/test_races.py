"""ZODB's racetest: models whose invariant any stale or torn read breaks.

ZEOLITE_TEST_LONG=SECONDS runs each of them again and again for that long.
"""

import os
import time
import unittest

import ZODB
from fixture import ServerTest
from ZODB.tests.racetest import RaceTests

LONG_S = float(os.environ.get("ZEOLITE_TEST_LONG") or 0)


class RacesTest(RaceTests, ServerTest):
    """RaceTests wants `_storage`, `_new_storage_client` and `dbopen`."""

    limit_s = 600 + int(2 * LONG_S)

    def setUp(self):
        super().setUp()
        self._storage = self.storage()

    def _new_storage_client(self):
        return self.storage()

    def dbopen(self):
        return ZODB.DB(self._new_storage_client())


def repeated(once):
    def run(self):
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            once(self)
            self.tearDown()
            self.doCleanups()
            self.setUp()

    return run


if LONG_S:
    for name in [name for name in dir(RaceTests) if name.startswith("test_")]:
        setattr(RacesTest, name, repeated(getattr(RaceTests, name)))
del RaceTests  # or the runner takes it for a test of its own


if __name__ == "__main__":
    unittest.main()
