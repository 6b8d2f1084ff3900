"""Whole databases through the protocol: iterators, copies, packs, the stock tools."""

import json
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time
import unittest

import fixture
import transaction
import ZODB
from fixture import ServerTest, commit_record, commit_records, wait_until
from persistent.mapping import PersistentMapping
from ZEO.Exceptions import ServerException
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError, UndoError
from ZODB.utils import p64, u64, z64

SCRIPTS = pathlib.Path(sys.executable).parent


def flattened(storage, start=None, stop=None):
    """Everything an iterator tells, as plain values."""
    transactions = []
    iterator = storage.iterator(start, stop)
    for t in iterator:
        records = [(r.oid, r.tid, r.data, r.data_txn) for r in t]
        transactions.append((t.tid, t.status, t.user, t.description, dict(t.extension), records))
    if hasattr(iterator, "close"):
        iterator.close()
    return transactions


def in_transaction(storage, motion):
    meta = TransactionMetaData()
    storage.tpc_begin(meta)
    motion(meta)
    storage.tpc_vote(meta)
    return storage.tpc_finish(meta)


def make_data_fs(path):
    """A history with changes, undone changes, undone creations, and metadata."""
    database = ZODB.DB(FileStorage(str(path)))
    manager = transaction.TransactionManager()
    connection = database.open(transaction_manager=manager)
    root = connection.root()
    for number in range(30):
        root[number] = PersistentMapping({"n": number})
        if number - 5 in root:
            root[number - 5]["changed"] = number
        manager.get().user = f"user{number}"
        manager.get().note(f"näme {number}")
        manager.get().setExtendedInfo("number", number)
        manager.commit()
        if number % 7 == 3:
            database.undo(database.undoInfo(0, 1)[0]["id"], manager.get())
            manager.commit()
    database.close()


def restore_record(storage, tid, oid, serial, data):
    """A transaction that brings its tid along."""
    meta = TransactionMetaData()
    storage.tpc_begin(meta, tid)
    storage.store(oid, serial, data, "", meta)
    storage.tpc_vote(meta)
    return storage.tpc_finish(meta)


class FirstTidsTest(ServerTest):
    """A new server takes a history that begins at the first tid there is."""

    options = {"replicates": True}
    # A client is given so many more than it asks for.
    oids_at_once = 0 if fixture.is_python_server() else 99

    def restore(self):
        """The object that has it, and its tids."""
        storage = self.storage()
        oid = storage.new_oid()
        tids = [z64]
        for number in (1, 2, 3):
            tids.append(restore_record(storage, p64(number), oid, tids[-1], b"%d" % number))
        self.assertEqual([p64(1), p64(2), p64(3)], tids[1:])
        self.assertEqual((b"1", p64(1), p64(2)), storage.loadBefore(oid, p64(2)))
        storage.close()
        return oid, tids[1:]

    def assert_goes_on(self, server, oid, tids):
        storage = self.storage(server)
        self.assertEqual(tids[-1], storage.lastTransaction())
        self.assertGreater(u64(storage.new_oid()), u64(oid) + self.oids_at_once)
        tids = [*tids, commit_record(storage, oid, b"4", tids[-1])]
        self.assertEqual(tids, [t.tid for t in storage.iterator()])
        if not fixture.is_python_server():
            with self.assertRaises(ServerException):
                restore_record(storage, p64(4), oid, tids[-1], b"5")

    def test_it_goes_on(self):
        self.assert_goes_on(self.server, *self.restore())

    def test_it_goes_on_after_a_kill(self):
        restored = self.restore()
        self.server.kill()
        self.server.start()
        self.assert_goes_on(self.server, *restored)

    @unittest.skipIf(fixture.is_python_server(), "it does not replicate")
    def test_a_standby_has_it_and_takes_over(self):
        oid, tids = self.restore()
        standby = self.start_server("standby", follows=self.server)
        wait_until(self.server.has_in_sync_standby, "the standby is in sync")
        digests = {server.run("verify")["digest"] for server in (self.server, standby)}
        self.assertEqual(1, len(digests))
        self.server.kill()
        standby.run("promote", "--force")
        storage = self.storage(standby)
        self.assertGreater(storage.lastTransaction(), tids[-1])
        self.assertGreater(u64(storage.new_oid()), u64(oid) + self.oids_at_once)


class IteratorTest(ServerTest):
    def test_copy_of_a_file_storage_iterates_equal(self):
        make_data_fs("source.fs")
        source = FileStorage("source.fs", read_only=True)
        self.addCleanup(source.close)
        copy = self.storage()
        copy.copyTransactionsFrom(source)
        expected = flattened(source)
        self.assertEqual(expected, flattened(copy))
        self.assertTrue(any(data_txn for t in expected for *_, data_txn in t[-1]))
        self.assertTrue(any(data is None for t in expected for _, _, data, _ in t[-1]))
        for oid, tid, data, _ in (record for t in expected for record in t[-1]):
            if data is not None:
                self.assertEqual(data, copy.loadSerial(oid, tid))
        second = self.start_server("second")
        again = self.storage(second)
        again.copyTransactionsFrom(copy)
        self.assertEqual(expected, flattened(again))

    def test_copy_tells_to_which_deletion_an_undo_went_back(self):
        source = FileStorage("source.fs")
        self.addCleanup(source.close)
        created = commit_record(source, p64(1), b"first")
        deleted = in_transaction(source, lambda meta: source.deleteObject(p64(1), created, meta))
        commit_record(source, p64(1), b"second", deleted)
        last = source.undoLog(0, 1)[0]["id"]
        in_transaction(source, lambda meta: source.undo(last, meta))
        copy = self.storage()
        copy.copyTransactionsFrom(source)
        self.assertEqual(flattened(source), flattened(copy))
        self.assertEqual((None, deleted), flattened(copy)[-1][-1][0][2:])
        # So that one may be undone as well.
        first = copy.undoLog(0, 10)[2]["id"]
        in_transaction(copy, lambda meta: copy.undo(first, meta))
        self.assertEqual(b"first", copy.load(p64(1))[0])

    def test_iterators_have_bounds(self):
        storage = self.storage()
        tids = [commit_record(storage, p64(i), b"%d" % i) for i in range(1, 8)]
        told = [t[0] for t in flattened(storage, tids[2], tids[4])]
        self.assertEqual(tids[2:5], told)
        self.assertEqual(tids, [t[0] for t in flattened(storage)])
        self.assertEqual(tids[6:], [t[0] for t in flattened(storage, tids[6])])
        self.assertEqual([], flattened(storage, p64(u64(tids[6]) + 1)))
        between = flattened(storage, p64(u64(tids[1]) + 1), p64(u64(tids[3]) - 1))
        self.assertEqual([tids[2]], [t[0] for t in between])

    def test_iterator_is_not_disturbed_by_commits(self):
        storage = self.storage()
        first = commit_record(storage, p64(1), b"1")
        iterator = storage.iterator()
        self.assertEqual(first, next(iterator).tid)
        second = commit_record(storage, p64(2), b"2")
        self.assertIn([t.tid for t in iterator], ([], [second]))

    def test_current_records_one_after_another(self):
        storage = self.storage()
        for i in range(1, 21):
            tid = commit_record(storage, p64(i), b"%d" % i)
            if i % 3 == 0:
                tid = commit_record(storage, p64(i), b"new %d" % i, tid)
        seen, following = [], None
        while True:
            oid, tid, data, following = storage.record_iternext(following)
            self.assertEqual((data, tid), storage.load(oid))
            seen.append(oid)
            if following is None:
                break
        self.assertEqual([p64(i) for i in range(1, 21)], seen)

    @unittest.skipIf(fixture.MSGPACK, "that client does not send such an extension")
    @unittest.skipIf(fixture.is_python_server(), "it tells them as they are")
    def test_extensions_are_told_without_what_clients_refuse(self):
        storage = self.storage()
        about = TransactionMetaData(extension={"s": {1}, "d": {1: frozenset([2])}})
        storage.tpc_begin(about)
        storage.store(p64(1), z64, b"record", "", about)
        storage.tpc_vote(about)
        storage.tpc_finish(about)
        self.assertEqual({"s": (1,), "d": {1: (2,)}}, flattened(storage)[-1][4])

    def test_undone_creations_in_iterators(self):
        database = self.database()
        connection = self.connection(database)
        connection.root()["o"] = PersistentMapping()
        connection.transaction_manager.commit()
        oid = connection.root()["o"]._p_oid
        database.undo(database.undoInfo(0, 1)[0]["id"], connection.transaction_manager.get())
        connection.transaction_manager.commit()
        records = {r[0]: r for r in flattened(database.storage)[-1][-1]}
        first, created = (t[0] for t in flattened(database.storage)[:2])
        self.assertIsNone(records[oid][2])
        self.assertEqual(first, records[z64][3])
        self.assertNotEqual(created, records[z64][3])


class PackTest(ServerTest):
    def test_pack_removes_old_revisions_and_garbage(self):
        database = self.database()
        connection = self.connection(database)
        connection.root()["kept"], connection.root()["cut"] = (
            PersistentMapping(), PersistentMapping({"inner": PersistentMapping()}))
        connection.transaction_manager.commit()
        cut = [connection.root()["cut"]._p_oid, connection.root()["cut"]["inner"]._p_oid]
        kept, first = connection.root()["kept"], connection.root()["kept"]._p_serial
        for value in range(3):
            kept["v"] = value
            connection.transaction_manager.commit()
        del connection.root()["cut"]
        connection.transaction_manager.commit()
        time.sleep(0.01)
        database.pack(time.time())
        fresh = self.storage()
        for oid in cut:
            with self.assertRaises(POSKeyError):
                fresh.load(oid)
        with self.assertRaises(POSKeyError):
            fresh.loadSerial(kept._p_oid, first)
        self.assertEqual({"v": 2}, dict(self.connection(self.database()).root()["kept"]))
        self.assertEqual(1, len(database.history(kept._p_oid, 10)))
        kept["v"] = 4
        connection.transaction_manager.commit()

    def test_what_was_packed_away_is_not_referred_to_again(self):
        connection = self.connection(self.database())
        connection.root()["cut"] = PersistentMapping({"v": 1})
        connection.transaction_manager.commit()
        other = self.connection(self.database())
        kept = other.root()["cut"]
        self.assertEqual(1, kept["v"])
        del connection.root()["cut"]
        connection.transaction_manager.commit()
        time.sleep(0.01)
        connection.db().pack(time.time())
        other.transaction_manager.begin()
        other.readCurrent(kept)
        other.root()["again"] = kept
        with self.assertRaises(POSKeyError):
            other.transaction_manager.commit()
        other.transaction_manager.abort()
        other.transaction_manager.begin()
        self.assertNotIn("again", other.root())

    def test_pack_keeps_what_came_after_its_time(self):
        database = self.database()
        connection = self.connection(database)
        connection.root()["v"] = 1
        connection.transaction_manager.commit()
        time.sleep(0.05)
        moment = time.time()
        time.sleep(0.05)
        for value in (2, 3):
            connection.root()["v"] = value
            connection.transaction_manager.commit()
        database.pack(moment)
        self.assertEqual(3, len(database.history(z64, 10)))
        database.undo(database.undoInfo(0, 1)[0]["id"], connection.transaction_manager.get())
        connection.transaction_manager.commit()
        self.assertEqual(2, connection.root()["v"])
        self.assertEqual(3, len(database.undoInfo(0, 100)))
        database.pack(moment - 1000)  # earlier than the last one: nothing
        self.assertEqual(2, connection.root()["v"])

    def test_undo_of_what_was_packed_away_is_an_error(self):
        database = self.database()
        connection = self.connection(database)
        for value in range(3):
            connection.root()["v"] = value
            connection.transaction_manager.commit()
        oldest = database.undoInfo(0, 10)[-1]["id"]
        time.sleep(0.01)
        database.pack(time.time())
        self.assertEqual([], list(database.undoInfo(0, 10)))
        database.undo(oldest, connection.transaction_manager.get())
        with self.assertRaises((UndoError, ServerException)):  # the latter from ZEO's server
            connection.transaction_manager.commit()
        connection.transaction_manager.abort()

    def test_writers_go_on_during_a_pack(self):
        connection, other = self.connection(self.database()), self.connection(self.database())
        for number in range(300):
            connection.root()[number] = PersistentMapping({"v": "old" * 100})
        connection.transaction_manager.commit()
        other.sync()
        done = connection.db().storage._call("pack", time.time(), True, wait=False)
        for number in range(0, 300, 3):
            other.root()[number]["v"] = "new"
            other.root()[number]["child"] = PersistentMapping()
            other.transaction_manager.commit()
        done.result(60)
        root = self.connection(self.database()).root()
        for number in range(300):
            self.assertEqual("new" if number % 3 == 0 else "old" * 100, root[number]["v"])
            self.assertEqual(number % 3 == 0, root[number].get("child") is not None)

    def test_deleted_objects_are_gone_after_a_pack(self):
        storage = self.storage()
        database = ZODB.DB(storage)
        connection = self.connection(database)
        connection.root()["o"] = PersistentMapping()
        connection.transaction_manager.commit()
        oid, serial = connection.root()["o"]._p_oid, connection.root()["o"]._p_serial
        meta = ZODB.Connection.TransactionMetaData()
        storage.tpc_begin(meta)
        storage.deleteObject(oid, serial, meta)
        storage.tpc_vote(meta)
        storage.tpc_finish(meta)
        fresh = self.storage()
        with self.assertRaises(POSKeyError):
            fresh.load(oid)
        self.assertTrue(fresh.loadSerial(oid, serial))


class ToolsTest(ServerTest):
    def run_tool(self, *command):
        return subprocess.run([str(SCRIPTS / command[0]), *command[1:]], text=True,
                              capture_output=True, timeout=60)

    def test_zeopack(self):
        database = self.database()
        connection = self.connection(database)
        for value in range(5):
            connection.root()["v"] = value
            connection.transaction_manager.commit()
        time.sleep(0.01)
        done = self.run_tool("zeopack", self.server.address_text + ":1")
        self.assertEqual(("", 0), (done.stderr, done.returncode))
        fixture.wait_until(lambda: len(database.history(z64, 10)) == 1, "the pack")

    def test_zeo_nagios(self):
        empty = self.run_tool("zeo-nagios", self.server.address_text)
        self.assertEqual((1, True), (empty.returncode, "Empty storage" in empty.stdout))
        self.database()
        done = self.run_tool("zeo-nagios", self.server.address_text, "-m")
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn("connections=1", done.stdout)

    def test_ruok(self):
        connection = self.connection(self.database())
        connection.root()["x"] = 1
        connection.transaction_manager.commit()
        with socket.create_connection(self.server.address) as s:
            file = s.makefile("rb")
            announced = file.read(struct.unpack(">I", file.read(4))[0])
            self.assertEqual(b"M5" if fixture.MSGPACK else b"Z5", announced)
            s.sendall(struct.pack(">I", 4) + b"ruok")
            (status,) = json.loads(file.read(struct.unpack(">I", file.read(4))[0])).values()
            self.assertEqual(b"", file.read())
        expected = {"aborts", "active_txns", "commits", "conflicts", "conflicts_resolved",
                    "connections", "last-transaction", "loads", "lock_time", "start", "stores",
                    "timeout-thread-is-alive", "waiting"}
        self.assertEqual(expected, set(status))
        self.assertEqual((2, 1), (status["commits"], status["connections"]))
        self.assertTrue(re.fullmatch(r"[0-9a-f]{16}", status["last-transaction"]))
        self.assertEqual(connection.root()._p_serial.hex(), status["last-transaction"])

    def test_the_last_record_of_an_object_in_a_transaction_counts(self):
        storage = self.storage()
        tid = commit_records(storage, [(p64(1), z64, b"first"), (p64(1), z64, b"last")])
        self.assertEqual((b"last", tid), storage.load(p64(1)))


if __name__ == "__main__":
    unittest.main()
