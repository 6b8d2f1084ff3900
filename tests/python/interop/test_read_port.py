"""The port for clients that only read: of a standby that follows, and of the primary."""

import time
import unittest

from fixture import commit_record, wait_until
from pair import PairTest
from persistent.mapping import PersistentMapping
from raw_client import RawClient, ServerError
from ZEO.Exceptions import ServerException
from ZODB.blob import Blob
from ZODB.POSException import POSKeyError, ReadOnlyError
from ZODB.utils import maxtid, p64, z64

REFUSED = "ZODB.POSException.ReadOnlyError"
# What is refused to a registered reader: calls, with the error that is told.
WRITING_CALLS = (
    ("new_oids", (10,), REFUSED),
    ("vote", (1,), "ZODB.POSException.StorageTransactionError"),
    ("tpc_finish", (1,), "ZODB.POSException.StorageTransactionError"),
)
# And one-way messages, after which the connection ends.
WRITING_MESSAGES = (
    ("tpc_begin", 1, b"", b"", {}, None, " "),
    ("storea", p64(1), z64, b"data", 1),
    ("restorea", p64(1), p64(1), b"data", "", 1),
    ("deleteObject", p64(1), p64(1), 1),
    ("checkCurrentSerialInTransaction", p64(1), p64(1), 1),
    ("undoa", b"MTIzNDU2Nzg=", 1),
    ("storeBlobStart",),
)


class ReadPortTest(PairTest):
    def reader(self, server, **options):
        return self.client([server.read_address], read_only=True, **options)

    def raw(self, server, **options):
        client = RawClient(server.read_address, **{"read_only": True} | options)
        self.addCleanup(client.close)
        return client

    @property
    def servers(self):
        return [self.standby, self.primary]

    def fill(self):
        """Three commits, with a blob, an undo and a deletion among them."""
        connection = self.connection(self.client([self.primary.address], blob_dir="writer"))
        for number in range(3):
            self.write(connection, n=number, o=PersistentMapping({"n": number}))
        connection.root()["blob"] = Blob(b"b" * 100_000)
        connection.transaction_manager.commit()
        self.write(connection, n=99)
        database = connection.db()
        database.undo(database.undoInfo(0, 1)[0]["id"], connection.transaction_manager.get())
        connection.transaction_manager.commit()
        self.wait_shown()
        return connection

    def test_everything_can_be_read(self):
        writer = self.fill()
        root_oid = writer.root()._p_oid
        expected = self.pictures(writer.db(), root_oid)
        for server in self.servers:
            database = self.reader(server, blob_dir=f"reader-{server.directory.name}")
            root = self.connection(database).root()
            self.assertEqual(2, root["n"])
            self.assertEqual({"n": 2}, dict(root["o"]))
            with root["blob"].open() as file:
                self.assertEqual(b"b" * 100_000, file.read())
            self.assertEqual(expected, self.pictures(database, root_oid))
            with self.assertRaises(POSKeyError):
                database.storage.load(p64(1 << 40))
            self.assertTrue(database.storage.isReadOnly())

    def pictures(self, database, oid):
        """All that the storage tells of history, to be compared."""
        storage = database.storage
        revisions = storage.history(oid, size=100)
        return (
            [(t.tid, t.user, t.description, [(r.oid, r.tid, r.data) for r in t])
             for t in storage.iterator()],
            [(r["tid"], r["size"]) for r in revisions],
            [storage.loadSerial(oid, r["tid"]) for r in revisions],
            [storage.loadBefore(oid, r["tid"]) for r in revisions],
            [(t["id"], t["time"], t["size"]) for t in storage.undoInfo(0, 100)],
            [(t["id"], t["time"]) for t in storage.undoLog(0, 100)],
            storage.load(oid),
            storage.getTid(oid),
            storage.record_iternext(),
            storage.lastTransaction(),
            len(storage),
        )

    def test_writes_are_refused(self):
        self.fill()
        for server in self.servers:
            last = server.status()["last_tid"]
            client = self.raw(server, register=False)
            client.send_bytes(client.protocol)
            with self.assertRaises(ServerError) as caught:
                client.call("register", "1", False)
            self.assertEqual(REFUSED, caught.exception.class_name)
            client.call("register", "1", True)
            for name, arguments, error in WRITING_CALLS:
                with self.assertRaises(ServerError) as caught:
                    client.call(name, *arguments)
                self.assertEqual(error, caught.exception.class_name)
            for message in WRITING_MESSAGES:
                client = self.raw(server)
                client.tell(*message)
                self.assertTrue(client.is_closed(), message)
            connection = self.connection(self.reader(server))
            connection.root()["n"] = 7
            self.assertRaises(ReadOnlyError, connection.transaction_manager.commit)
            connection.transaction_manager.abort()
            self.assertEqual(last, server.status()["last_tid"])

    def test_a_standby_packs_nothing_for_a_client(self):
        self.fill()
        time.sleep(0.01)
        reader = self.reader(self.standby).storage
        with self.assertRaisesRegex(ServerException, "primary"):
            reader.pack(time.time(), lambda data, oids=None: [], True)
        before = len(reader.history(z64, size=100))
        primary = self.storage(self.primary)
        self.assertEqual(before, len(primary.history(z64, size=100)))
        primary.pack(time.time(), lambda data, oids=None: [], True)
        after = len(primary.history(z64, size=100))
        self.assertLess(after, before)
        wait_until(lambda: len(reader.history(z64, size=100)) == after, "the standby packs, too")

    def test_invalidations_arrive_in_order_while_it_follows(self):
        storage = self.storage(self.primary)
        tids = [commit_record(storage, p64(n), b"one") for n in (1, 2)]
        self.wait_shown()
        for server in self.servers:
            client = self.raw(server)
            self.assertEqual(tids[-1], client.tid)
            told = []
            for data in (b"two", b"three"):
                for oid in (1, 2):
                    serial = storage.getTid(p64(oid))
                    tids.append(commit_record(storage, p64(oid), data, serial))
                    told.append((tids[-1], [p64(oid)]))
            self.wait_shown()
            self.assertEqual(tids[-1], client.call("lastTransaction"))
            self.assertEqual(told, client.invalidations())
            self.assertEqual((b"three", tids[-1], None),
                             tuple(client.reply(client.load_before(p64(2), maxtid))))

    def test_an_open_reader_sees_what_the_primary_commits(self):
        writer = self.connection(self.client([self.primary.address]))
        self.write(writer, x=0)
        self.wait_shown()
        readers = [self.connection(self.reader(server)) for server in self.servers]
        for number in range(5):
            self.write(writer, x=number)
            for reader in readers:
                wait_until(lambda: self.read(reader, "x") == number, "the reader is told")

    def test_a_readers_cache_is_warm_at_the_other_server(self):
        self.fill()
        options = {"client": "warm", "var": str(self.directory), "wait_timeout": 10}
        database = self.reader(self.primary, **options)
        self.connection(database).root()["o"]["n"]
        database.close()
        database = self.reader(self.standby, **options)
        self.assertIn(self.verdict(database), ("Cache up to date", "quick verification"))

    def test_a_restarted_standby_is_read_from_when_it_has_something_to_show(self):
        writer = self.fill()
        reader = self.connection(self.reader(self.standby))
        self.standby.stop()
        self.wait_lost(reader.db())
        self.write(writer, n=1000)
        self.standby.start()
        self.wait_connected(reader.db(), read_only=True)
        wait_until(lambda: self.read(reader, "n") == 1000, "it follows")
        self.write(writer, n=1001)
        wait_until(lambda: self.read(reader, "n") == 1001, "it is told")


class UnfedStandbyTest(PairTest):
    """A standby that has nothing to show: it never reached its primary."""

    waits_in_sync = False

    def setUp(self):
        super().setUp()
        self.primary.kill()

    def test_both_ports_refuse(self):
        alone = self.start_server("alone", follows=self.primary)
        for address in (alone.address, alone.read_address):
            self.assert_refused(address)


if __name__ == "__main__":
    unittest.main()
