"""Blobs: uploads, downloads, the shared directory, undo, pack."""

import contextlib
import os
import pathlib
import threading
import time
import unittest

import fixture
import ZODB.blob
from fixture import ServerTest
from raw_client import Closed, RawClient, ServerError
from ZEO.Exceptions import ServerException
from ZODB.blob import Blob
from ZODB.POSException import ConflictError, POSKeyError
from ZODB.utils import z64

LARGE = 24 << 20


def content(seed, size=LARGE):
    block = bytes((seed + i) % 251 for i in range(65537))
    return (block * (size // len(block) + 1))[:size]


def blob_files(directory):
    return sorted(path for path in pathlib.Path(directory).rglob("*.blob"))


def waiting_uploads(server):
    return [path for path in (server.blob_directory / ".zeolite").iterdir()
            if path.suffix in (".upload", ".staged")]


class BlobTest(ServerTest):
    def open(self, name, **options):
        return self.connection(self.database(blob_dir=str(self.directory / name), **options))

    def read(self, connection, name):
        with connection.root()[name].open() as file:
            return file.read()


@unittest.skipIf(fixture.is_python_server(), "the disk's failure is made inside zeolite")
class FailingDiskTest(BlobTest):
    def test_an_upload_that_the_disk_refuses_fails_its_transaction_alone(self):
        for point in ("blob.append:3", "blob.sync:1"):
            with self.subTest(point):
                name = point.replace(":", "-")
                server = self.start_server(name, environment={"ZEOLITE_FAIL_POINT": point})
                connection = self.connection(self.database(server, blob_dir=name + "-one"))
                connection.root()["before"] = 1
                connection.transaction_manager.commit()
                connection.root()["blob"] = Blob(content(1, 300_000))
                with self.assertRaisesRegex(ServerException, "Input/output error"):
                    connection.transaction_manager.commit()
                connection.transaction_manager.abort()
                self.assertEqual(["before"], list(connection.root()))
                self.assertEqual([], waiting_uploads(server))
                connection.root()["blob"] = Blob(content(2, 300_000))
                connection.transaction_manager.commit()
                other = self.connection(self.database(server, blob_dir=name + "-two"))
                self.assertEqual(content(2, 300_000), self.read(other, "blob"))
                self.assertEqual(1, len(blob_files(server.blob_directory)))


class ManyDownloadsTest(BlobTest):
    """At once, on one connection, and together much more than may wait for a client."""

    options = {"limits": {"frame": "1 MiB", "outbound": "8 MiB"}}

    def test_as_threads_ask_for_them(self):
        count, size = 100, 1 << 20
        connection = self.open("one")
        for number in range(count):
            connection.root()[number] = Blob(content(number, size))
        connection.transaction_manager.commit()
        blobs = []
        for number in range(count):
            blob = connection.root()[number]
            blob._p_activate()
            blobs.append((blob._p_oid, blob._p_serial))
        storage = self.database(blob_dir="two").storage
        wrong = []

        def download(number):
            try:
                with open(storage.loadBlob(*blobs[number]), "rb") as file:
                    if file.read() != content(number, size):
                        wrong.append(number)
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=download, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual([], wrong)


class TransferTest(BlobTest):
    def test_two_large_uploads_on_one_connection(self):
        database = self.database(blob_dir="one")
        connections = [self.connection(database) for _ in range(2)]
        for i, connection in enumerate(connections):
            connection.root()  # both begin from the same state
            connection.transaction_manager.begin()
        threads, errors = [], []

        def upload(number):
            try:
                connection = connections[number]
                fixture.retried(connection.transaction_manager, lambda: connection.root().update(
                    {f"blob{number}": Blob(content(number))}))
            except Exception as error:
                errors.append(error)

        for number in range(2):
            threads.append(threading.Thread(target=upload, args=(number,)))
            threads[-1].start()
        for thread in threads:
            thread.join(120)
        self.assertEqual([], errors)
        other = self.open("two")
        for number in range(2):
            self.assertEqual(content(number), self.read(other, f"blob{number}"))

    def test_two_large_blobs_in_one_transaction(self):
        connection = self.open("one")
        connection.root()["a"], connection.root()["b"] = Blob(content(3)), Blob(content(4))
        connection.transaction_manager.commit()
        other = self.open("two")
        self.assertEqual(content(3), self.read(other, "a"))
        self.assertEqual(content(4), self.read(other, "b"))

    def test_empty_and_small_blobs_and_their_new_revisions(self):
        connection, other = self.open("one"), self.open("two")
        for data in (b"", b"x", content(1, 59000), content(1, 59001), b"short again"):
            blob = connection.root().setdefault("blob", Blob())
            with blob.open("w") as file:
                file.write(data)
            connection.transaction_manager.commit()
            fixture.wait_until(lambda: other.sync() or (
                "blob" in other.root() and other.root()["blob"]._p_serial is not None
                and self.read(other, "blob") == data), "the new revision")

    def test_old_revisions_stay_readable(self):
        connection = self.open("one")
        blob = connection.root()["blob"] = Blob(b"first")
        connection.transaction_manager.commit()
        blob._p_activate()
        first = blob._p_serial
        with blob.open("w") as file:
            file.write(b"second")
        connection.transaction_manager.commit()
        storage = self.storage(blob_dir=str(self.directory / "two"))
        path = storage.loadBlob(blob._p_oid, first)
        self.assertEqual(b"first", pathlib.Path(path).read_bytes())
        with self.assertRaises(POSKeyError):
            storage.loadBlob(blob._p_oid, storage.lastTransaction()[:7] + b"\xfe")

    def test_reads_go_on_during_a_download(self):
        connection = self.open("one")
        connection.root()["blob"], connection.root()["x"] = Blob(content(5)), 1
        connection.transaction_manager.commit()
        storage = self.storage(blob_dir=str(self.directory / "two"))
        connection.root()["blob"]._p_activate()
        oid, serial = connection.root()["blob"]._p_oid, connection.root()["blob"]._p_serial
        download = threading.Thread(target=storage.loadBlob, args=(oid, serial))
        download.start()
        for _ in range(20):
            storage._cache.clear()
            storage.load(z64)
            connection.root()["x"] += 1
            connection.transaction_manager.commit()
        download.join(60)
        path = storage.loadBlob(oid, serial)
        self.assertEqual(content(5), pathlib.Path(path).read_bytes())


class OutcomesTest(BlobTest):
    def test_abort_leaves_nothing(self):
        connection = self.open("one")
        connection.root()["kept"] = Blob(b"kept")
        connection.transaction_manager.commit()
        connection.root()["dropped"] = Blob(content(1))
        savepoint_manager = connection.transaction_manager
        current = savepoint_manager.get()
        connection.tpc_begin(current)
        connection.commit(current)
        connection.tpc_vote(current)
        connection.tpc_abort(current)
        savepoint_manager.abort()
        # A client does not wait for its abort.
        fixture.wait_until(lambda: not self.large_files(), "no file of the blob that was dropped")
        self.assertEqual(1, len(blob_files(self.server.blob_directory)))

    def large_files(self):
        sizes = []
        for path in self.server.blob_directory.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(path.stat().st_size if path.is_file() else 0)
        return [size for size in sizes if size > 1000]

    def test_conflicting_blobs_are_not_merged(self):
        one, two = self.open("one"), self.open("two")
        one.root()["blob"] = Blob(b"first")
        one.transaction_manager.commit()
        two.sync()
        for connection, data in ((one, b"of one"), (two, b"of two")):
            with connection.root()["blob"].open("w") as file:
                file.write(data)
        one.transaction_manager.commit()
        self.assertRaises(ConflictError, two.transaction_manager.commit)
        two.transaction_manager.abort()
        self.assertEqual(b"of one", self.read(two, "blob"))

    def test_undo_brings_the_old_file_back(self):
        connection = self.open("one")
        connection.root()["blob"] = Blob(b"first")
        connection.transaction_manager.commit()
        with connection.root()["blob"].open("w") as file:
            file.write(b"second")
        connection.transaction_manager.commit()
        database = connection.db()
        database.undo(database.undoInfo(0, 1)[0]["id"], connection.transaction_manager.get())
        connection.transaction_manager.commit()
        self.assertEqual(b"first", self.read(connection, "blob"))
        self.assertEqual(b"first", self.read(self.open("two"), "blob"))

    def test_pack_removes_what_nobody_can_read(self):
        connection = self.open("one")
        blob = connection.root()["blob"] = Blob(b"first")
        connection.root()["garbage"] = Blob(b"garbage")
        connection.transaction_manager.commit()
        with blob.open("w") as file:
            file.write(b"second")
        del connection.root()["garbage"]
        connection.transaction_manager.commit()
        self.assertEqual(3, len(blob_files(self.server.blob_directory)))
        time.sleep(0.01)
        connection.db().pack(time.time())
        fixture.wait_until(lambda: len(blob_files(self.server.blob_directory)) == 1,
                           "one file to remain")
        self.assertEqual(b"second", self.read(self.open("two"), "blob"))

    def test_committed_blobs_survive_a_kill(self):
        connection = self.open("one")
        for number in range(5):
            connection.root()[f"blob{number}"] = Blob(content(number, 200000))
            connection.transaction_manager.commit()
        self.server.kill()
        self.server.start()
        other = self.open("two")
        for number in range(5):
            self.assertEqual(content(number, 200000), self.read(other, f"blob{number}"))


class SharedDirectoryTest(BlobTest):
    def open_shared(self):
        database = self.database(blob_dir=str(self.server.blob_directory), shared_blob_dir=True)
        return self.connection(database)

    def test_clients_on_the_same_machine_share_the_files(self):
        connection = self.open_shared()
        connection.root()["blob"] = Blob(content(7))
        connection.transaction_manager.commit()
        blob = connection.root()["blob"]
        blob._p_activate()
        path = self.server.blob_directory / ZODB.blob.BushyLayout().getBlobFilePath(
            blob._p_oid, blob._p_serial)
        self.assertEqual(content(7), path.read_bytes())
        self.assertEqual(0, os.stat(path).st_mode & 0o222)
        self.assertEqual(content(7), self.read(self.open_shared(), "blob"))
        self.assertEqual(content(7), self.read(self.open("apart"), "blob"))
        self.assertEqual("bushy", (self.server.blob_directory / ".layout").read_text().strip())

    def test_abort_of_a_shared_blob_leaves_nothing(self):
        connection = self.open_shared()
        connection.root()["blob"] = Blob(b"x" * 5000)
        current = connection.transaction_manager.get()
        connection.tpc_begin(current)
        connection.commit(current)
        connection.tpc_vote(current)
        connection.tpc_abort(current)
        connection.transaction_manager.abort()
        fixture.wait_until(lambda: not [p for p in self.server.blob_directory.rglob("*")
                                        if p.is_file() and p.stat().st_size == 5000],
                           "the file to go")

    def test_no_name_leads_out_of_the_directory(self):
        self.database()
        outside = self.directory / "outside.tmp"
        for name in ("../../outside.tmp", str(outside), "x/../../../outside.tmp", "outside",
                     "..", "", "a\0.tmp"):
            outside.write_bytes(b"secret")
            client = RawClient(self.server.address)
            self.addCleanup(client.close)
            oid = client.call("new_oids", 1)[0]
            client.begin()
            client.tell("storeBlobShared", oid, z64, b"record", name, 1)
            with self.assertRaises((Closed, ServerError), msg=name):
                client.call("vote", 1)
            self.assertEqual(b"secret", outside.read_bytes(), name)
        self.storage().load(z64)
        self.assertEqual([], blob_files(self.server.blob_directory))


if __name__ == "__main__":
    unittest.main()
