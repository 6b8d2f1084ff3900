"""Clients that were away: caches stay warm, nothing stale is served, nothing is lost."""

import logging
import os
import pathlib
import random
import shutil
import tempfile
import time
import unittest

import fixture
import transaction
import ZEO
import ZODB
from BTrees.Length import Length
from fixture import ServerTest, commit_record, retried, wait_until, zeo_servers
from persistent.mapping import PersistentMapping
from raw_client import RawClient, ServerError
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ReadOnlyError
from ZODB.utils import p64, u64

KILLS = int(os.environ.get("ZEOLITE_KILL_ROUNDS", "3"))
HAMMERERS = 4


class Records(logging.Handler):
    """What ZEO's client logs at CRITICAL: a dropped cache is among it."""

    def __init__(self):
        super().__init__(logging.CRITICAL)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


class CacheTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.log = Records()
        logger = logging.getLogger("ZEO")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        logger.addHandler(self.log)
        logger.propagate = False
        self.addCleanup(lambda: (logger.removeHandler(self.log), logger.setLevel(level)))

    def verdict(self, storage):
        return storage._server.client.verify_result

    def fill(self, count=200):
        connection = self.connection(self.database())
        for number in range(count):
            connection.root()[number] = PersistentMapping({"v": 0})
        connection.transaction_manager.commit()
        return connection

    def warm(self):
        """A database with a persistent cache that holds everything."""
        database = self.database(client="warm", var=str(self.directory))
        for o in self.connection(database).root().values():
            o["v"]
        return database

    def loads(self, storage):
        return storage.server_status()["loads"]

    def test_cache_is_warm_after_a_restart_of_the_server(self):
        self.fill()
        self.warm().close()
        self.server.stop()
        self.server.start()
        database = self.database(client="warm", var=str(self.directory))
        self.assertIn(self.verdict(database.storage), ("Cache up to date", "quick verification"))
        before = self.loads(database.storage)
        values = self.connection(database).root().values()
        self.assertEqual(0, sum(o["v"] for o in values))
        self.assertEqual(before, self.loads(database.storage))
        self.assertEqual([], self.log.texts)

    def test_cache_is_warm_after_a_kill_and_many_transactions(self):
        writer = self.fill()
        self.warm().close()
        for number in range(1000):
            writer.root()[number % 10]["v"] = number
            writer.transaction_manager.commit()
        self.server.kill()
        self.server.start()
        database = self.database(client="warm", var=str(self.directory))
        if not fixture.is_python_server():  # which remembers only so many after a restart
            self.assertEqual("quick verification", self.verdict(database.storage))
        self.assertEqual([], self.log.texts)
        before = self.loads(database.storage)
        root = self.connection(database).root()
        self.assertEqual([990 + number for number in range(10)],
                         [root[number]["v"] for number in range(10)])
        self.assertTrue(all(root[number]["v"] == 0 for number in range(10, 200)))
        self.assertLessEqual(self.loads(database.storage) - before, 11)

    def test_open_client_goes_on_after_a_restart(self):
        writer = self.fill()
        database = self.warm()
        connection = self.connection(database)
        self.server.kill()
        fixture.wait_until(lambda: not database.storage.is_connected(), "the loss")
        self.assertEqual(0, connection.root()[5]["v"])  # from the cache, without a server
        self.server.start()
        fixture.wait_until(lambda: database.storage.is_connected(), "the reconnection")
        retried(writer.transaction_manager, lambda: writer.root()[5].update(v=7))
        connection.transaction_manager.begin()
        self.assertEqual(7, connection.root()[5]["v"])
        self.assertEqual([], self.log.texts)

    def test_more_missed_transactions_than_allowed_drop_the_cache(self):
        self.server.stop()
        self.server.options["invalidations"] = 5
        self.server.start()
        writer = self.fill(20)
        self.warm().close()
        for number in range(50):
            writer.root()[number % 10]["v"] = number
            writer.transaction_manager.commit()
        database = self.database(client="warm", var=str(self.directory))
        self.assertEqual("cache too old, clearing", self.verdict(database.storage))
        self.assertEqual(49, self.connection(database).root()[9]["v"])

    @unittest.skipIf(fixture.is_python_server(), "it takes every older tid for one of its own")
    def test_a_tid_that_is_not_in_the_history_drops_the_cache(self):
        storage = self.storage()
        tids = [commit_record(storage, p64(n), b"x") for n in range(1, 4)]
        client = RawClient(self.server.address)
        self.addCleanup(client.close)
        self.assertEqual(tids[2], client.call("getInvalidations", tids[1])[0])
        self.assertIsNone(client.call("getInvalidations", p64(u64(tids[1]) + 2)))
        self.assertIsNone(client.call("getInvalidations", p64(u64(tids[0]) - 1)))

    def test_a_tid_right_after_one_of_the_history_is_as_good(self):
        storage = self.storage()
        tids = [commit_record(storage, p64(n), b"x") for n in range(1, 4)]
        client = RawClient(self.server.address)
        self.addCleanup(client.close)
        missed = client.call("getInvalidations", p64(u64(tids[1]) + 1))
        self.assertEqual((tids[2], [p64(3)]), (missed[0], list(missed[1])))

    def test_transaction_of_the_lost_connection_fails_and_the_next_succeeds(self):
        connection = self.fill()
        connection.root()["x"] = 1
        manager = connection.transaction_manager
        current = manager.get()
        connection.tpc_begin(current)
        connection.commit(current)
        connection.tpc_vote(current)
        self.server.kill()
        self.assertRaises(ClientDisconnected, connection.tpc_finish, current)
        self.server.start()
        connection.tpc_abort(current)
        manager.abort()
        retried(manager, lambda: connection.root().update(x=2))
        self.assertEqual(2, self.connection(self.database()).root()["x"])


class UnixSocketTest(CacheTest):
    """The same at a Unix socket; a server that was killed has left its file."""

    options = {"unix": True}
    # The socket plays no part in it.
    test_more_missed_transactions_than_allowed_drop_the_cache = None


class ReadOnlyTest(ServerTest):
    def test_fallback_client_reads_and_becomes_writable_again(self):
        connection = self.connection(self.database(read_only_fallback=True))
        connection.root()["x"] = 1
        connection.transaction_manager.commit()
        for read_only in (True, False):
            self.server.stop()
            self.server.options["read_only"] = read_only
            self.server.start()
            storage = connection.db().storage
            fixture.wait_until(lambda: fixture.is_connected(storage, read_only),
                               f"read-only {read_only}")
            connection.transaction_manager.begin()
            self.assertEqual(1, connection.root()["x"])
        retried(connection.transaction_manager, lambda: connection.root().update(x=2))

    def test_second_registration_as_reader_on_the_same_connection(self):
        self.database()
        self.server.stop()
        self.server.options["read_only"] = True
        self.server.start()
        client = RawClient(self.server.address, register=False)
        self.addCleanup(client.close)
        client.send_bytes(client.protocol)
        with self.assertRaises(ServerError) as caught:
            client.call("register", "1", False)
        self.assertEqual("ZODB.POSException.ReadOnlyError", caught.exception.class_name)
        tid = client.call("register", "1", True)
        self.assertEqual(tid, client.call("lastTransaction"))
        with self.assertRaises(ServerError):
            client.call("new_oids", 10)

    def test_pack_is_allowed_to_readers(self):
        writer = self.connection(self.database())
        writer.root()["x"] = 1
        writer.transaction_manager.commit()
        time.sleep(0.01)
        reader = self.storage(read_only=True)
        reader.pack(time.time(), lambda data, oids=None: [], True)
        self.assertEqual(1, len(self.storage().history(b"\0" * 8, size=10)))
        with self.assertRaises(ReadOnlyError):
            reader.new_oid()


def hammer(address, worker, stop):
    """Commits +1 to an own counter and to the shared ones until the file `stop` is there, or its
    test has been forgotten.

    Returns (acknowledged, unknown): of an unknown one the client does not know the outcome."""
    logging.disable(logging.CRITICAL)
    database = fixture.through_losses(lambda: ZEO.DB(address, wait_timeout=60, server_sync=True))
    manager = transaction.TransactionManager()
    connection = fixture.through_losses(lambda: database.open(transaction_manager=manager))
    acknowledged = unknown = 0
    until = time.monotonic() + 300
    while not stop.exists() and time.monotonic() < until:
        asked_to_finish = False
        try:
            manager.begin()
            root = connection.root()
            root[f"own{worker}"]["v"] += 1
            root["total"].change(1)
            root[f"pair{worker % 2}"].change(1)
            asked_to_finish = True
            manager.commit()
            acknowledged += 1
        except ZODB.POSException.ConflictError:
            manager.abort()
        except ClientDisconnected:
            unknown += asked_to_finish
            manager.abort()
            time.sleep(0.02)
    database.close()
    return acknowledged, unknown


class Hammering:
    """HAMMERERS processes that hammer() until the end of the block; then `results` has what each
    returned."""

    def __init__(self, address):
        self.stop = pathlib.Path(tempfile.mkdtemp(prefix="zeo-hammer-")) / "stop"
        self.address = address
        self.results = []

    def __enter__(self):
        self.pool = fixture.processes(HAMMERERS)
        self.futures = [self.pool.submit(hammer, self.address, worker, self.stop)
                        for worker in range(HAMMERERS)]
        return self

    def wait_more(self, connection, count):
        """Until so many commits more are there, and at least one of each process."""
        def look():
            connection.transaction_manager.begin()
            root = connection.root()
            return root["total"].value, [root[f"own{w}"]["v"] for w in range(HAMMERERS)]

        until = fixture.through_losses(look)[0] + count

        def there():
            total, own = fixture.through_losses(look)
            return total >= until and min(own) > 0

        wait_until(there, "commits go on", 60)

    def __exit__(self, *_):
        self.stop.touch()
        try:
            self.results = [future.result(90) for future in self.futures]
        finally:
            self.pool.shutdown()
            shutil.rmtree(self.stop.parent)


@unittest.skipIf(fixture.is_python_server(), "it has no limit")
class CrowdTest(ServerTest):
    """More clients than the server takes."""

    options = {"limits": {"connections": 2}}

    def test_a_client_waits_without_a_fuss_until_another_leaves(self):
        inside = [RawClient(self.server.address) for _ in range(2)]
        for client in inside:
            self.addCleanup(client.close)
        # A client that is hung up on connects again, at once; with an address that refuses beside,
        # as a standby's does, it never does.
        refuses = ("127.0.0.1", zeo_servers.free_port())
        for addresses in ([self.server.address], [self.server.address, refuses]):
            storage = ZEO.client(addresses, wait=False)
            self.addCleanup(storage.close)
            wait_until(lambda: fixture.attempt_at(storage, self.server.address),
                       "the client is connected as far as it can see")
            attempt = fixture.attempt_at(storage, self.server.address)
            time.sleep(1)
            self.assertIs(attempt, fixture.attempt_at(storage, self.server.address))
            self.assertFalse(storage.is_connected())
            inside.pop().close()
            wait_until(storage.is_connected, "there is room for it")


class KillTest(ServerTest):
    limit_s = 120 + 20 * KILLS

    def test_counters_are_exact_after_kills_under_conflicts(self):
        setup = self.connection(self.database())
        for worker in range(HAMMERERS):
            setup.root()[f"own{worker}"] = PersistentMapping({"v": 0})
        for name in ("total", "pair0", "pair1"):
            setup.root()[name] = Length()
        setup.transaction_manager.commit()

        with Hammering(self.server.address) as hammering:
            for _ in range(KILLS):
                hammering.wait_more(setup, 20)
                # The moment of the kill is what the test is about.
                time.sleep(random.uniform(0, 0.5))
                self.server.kill()
                self.server.start()
            hammering.wait_more(setup, 20)
        results = hammering.results

        root = self.connection(self.database()).root()
        values = [root[f"own{worker}"]["v"] for worker in range(HAMMERERS)]
        for worker, (acknowledged, unknown) in enumerate(results):
            self.assertLessEqual(acknowledged, values[worker], "an acknowledged commit is lost")
            self.assertLessEqual(values[worker], acknowledged + unknown)
            self.assertGreater(acknowledged, 0)
        self.assertEqual(sum(values), root["total"].value)
        self.assertEqual(values[0] + values[2], root["pair0"].value)
        self.assertEqual(values[1] + values[3], root["pair1"].value)
        self.check_history()

    def check_history(self):
        """Every transaction is whole: it changed an own counter and both it belongs to."""
        for number, t in enumerate(self.storage().iterator()):
            if number > 1:
                self.assertEqual(3, len({record.oid for record in t}), t.tid.hex())


if __name__ == "__main__":
    unittest.main()
