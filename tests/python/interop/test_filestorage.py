"""From ZODB's FileStorage to a server and back: what was imported, as clients see it; what clients
did, as ZODB finds it in the exported file, and its own check of such files."""

import os
import subprocess
import sys
import time
import unittest

import fixture
import transaction
import zeo_servers
import ZODB
from fixture import ServerTest, commit_record
from persistent.mapping import PersistentMapping
from test_copying import flattened, make_data_fs
from ZODB.blob import Blob
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.utils import p64, u64

COMMAND_LIMIT_S = 60


def zeolite(*arguments):
    done = subprocess.run([zeo_servers.zeolite_binary(), *map(str, arguments)],
                          capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
    if done.returncode != 0:
        raise zeo_servers.ServerError(done.stderr)


def answer(load, *arguments):
    """What a load returns, or that there is nothing."""
    try:
        return load(*arguments)
    except POSKeyError:
        return POSKeyError


def blob_contents(storage):
    """{(oid, tid): bytes} of every revision with a blob."""
    contents = {}
    for _, _, _, _, _, records in flattened(storage):
        for oid, tid, _, _ in records:
            try:
                with open(storage.loadBlob(oid, tid), "rb") as blob:
                    contents[oid, tid] = blob.read()
            except POSKeyError:
                pass
    return contents


def add_blobs(path, blob_dir):
    """Two revisions of a blob, at the end of a Data.fs."""
    database = ZODB.DB(FileStorage(path, blob_dir=blob_dir))
    manager = transaction.TransactionManager()
    root = database.open(transaction_manager=manager).root()
    root["blob"] = Blob(b"first")
    manager.commit()
    with root["blob"].open("w") as stream:
        stream.write(b"second" * 50_000)
    manager.commit()
    database.close()


@unittest.skipIf(fixture.is_python_server(), "it has no import and no export")
class ImportTest(ServerTest):
    def setUp(self):
        super().setUp()
        make_data_fs("source.fs")
        add_blobs("source.fs", "source-blobs")
        data = self.directory / "imported" / "data"
        data.parent.mkdir()
        zeolite("import", "filestorage:source.fs", "--blobs", "source-blobs", "--data", data)
        os.rename(data / "blobs", data.parent / "blobs")  # where the server is told they are
        self.source = FileStorage("source.fs", blob_dir="source-blobs", read_only=True)
        self.addCleanup(self.source.close)
        self.copy = self.storage(self.start_server("imported"), blob_dir="client-blobs")

    def test_every_revision_is_loaded_as_from_the_file(self):
        expected = flattened(self.source)
        self.assertEqual(expected, flattened(self.copy))
        oids = {record[0] for t in expected for record in t[-1]} | {p64(1 << 40)}
        moments = {p64(u64(t[0]) + step) for t in expected for step in (-1, 0, 1)}
        for oid in sorted(oids):
            for tid in sorted(moments):
                self.assertEqual(answer(self.source.loadBefore, oid, tid),
                                 answer(self.copy.loadBefore, oid, tid), (oid, tid))
                self.assertEqual(answer(self.source.loadSerial, oid, tid),
                                 answer(self.copy.loadSerial, oid, tid), (oid, tid))

    def test_so_are_blobs(self):
        expected = blob_contents(self.source)
        self.assertEqual(2, len(expected))
        self.assertEqual(expected, blob_contents(self.copy))


@unittest.skipIf(fixture.is_python_server(), "it has no import and no export")
class ExportTest(ServerTest):
    options = {"replicates": True}  # and so has a native port

    def setUp(self):
        super().setUp()
        self.storage_told = self.storage(blob_dir="client-blobs")
        self.make_history()

    def make_history(self):
        """Changes, undo, undo of that, a blob in two revisions, a deletion, and a pack in between."""
        database = self.database(blob_dir="database-blobs")
        connection = self.connection(database)
        manager, root = connection.transaction_manager, connection.root()

        def commit(note):
            manager.get().user = "käthe"
            manager.get().note(note)
            manager.commit()

        for number in range(10):
            root[number] = PersistentMapping({"n": number})
            commit(f"adds {number}")
        del root[9]
        commit("makes garbage")
        time.sleep(0.01)
        database.pack(time.time())
        for _ in range(2):
            root[0]["n"] += 100
            commit("changes")
        for _ in range(2):
            database.undo(database.undoInfo(0, 1)[0]["id"], manager.get())
            commit("undoes what was last")
        root["blob"] = Blob(b"first")
        commit("a blob")
        with root["blob"].open("w") as stream:
            stream.write(b"second" * 50_000)
        commit("another revision of it")
        lone = commit_record(self.storage_told, p64(1 << 20), b"lone")
        writer, t = self.storage_told, transaction.Transaction()
        writer.tpc_begin(t)
        writer.deleteObject(p64(1 << 20), lone, t)
        writer.tpc_vote(t)
        writer.tpc_finish(t)

    def check_exported(self, expected, blobs):
        checked = subprocess.run([sys.executable, "-m", "ZODB.scripts.fstest", "exported.fs"],
                                 capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
        self.assertEqual((0, ""), (checked.returncode, checked.stdout + checked.stderr))
        exported = FileStorage("exported.fs", blob_dir="exported-blobs", read_only=True)
        self.addCleanup(exported.close)
        self.assertEqual(expected, flattened(exported))
        self.assertEqual(2, len(blobs))
        self.assertEqual(blobs, blob_contents(exported))
        with self.assertRaises(POSKeyError):
            exported.load(p64(1 << 20))
        root = ZODB.DB(exported).open().root()
        self.assertEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, "blob"], sorted(root, key=str))

    def test_zodb_opens_what_a_running_server_exports(self):
        expected, blobs = flattened(self.storage_told), blob_contents(self.storage_told)
        zeolite("export", "filestorage:exported.fs", "--at", self.server.native,
                "--blobs", "exported-blobs")
        self.check_exported(expected, blobs)

    def test_zodb_opens_what_is_exported_from_the_data_of_a_stopped_one(self):
        expected, blobs = flattened(self.storage_told), blob_contents(self.storage_told)
        self.storage_told.close()
        self.server.stop()
        zeolite("export", "filestorage:exported.fs", "--data", self.directory / "server" / "data",
                "--blobs", "exported-blobs")
        self.check_exported(expected, blobs)


if __name__ == "__main__":
    unittest.main()
