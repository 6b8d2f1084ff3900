"""A server that is killed while clients commit blobs: each acknowledged one is there byte for byte,
and the directory holds nothing else."""

import pathlib
import random
import time
import unittest

import fixture
from fixture import ServerTest
from killed import KILLED, Committer, KilledServer
from persistent.mapping import PersistentMapping
from test_blobs import content
from test_reconnect import KILLS
from ZODB.blob import Blob, BushyLayout, is_blob_record

# Of one upload, in the order in which it passes them.
POINTS = ("blob.before_seal", "blob.after_rename", "blob.after_seal", "blob.before_install",
          "blob.after_install", "blob.before_forget", "blob.after_forget")
SHARED_POINTS = ("blob.after_adopt", *POINTS)
OWN_FILES = {pathlib.Path(name) for name in (".layout", ".zeolite/LOCK", ".zeolite/OWNER")}
# A file that a client in a shared directory made, and whose name no living server was told.
CLIENTS_OWN = ".tmp-"
SIZES = (0, 10, 5_000, 70_000, 400_000)


class Uploader(Committer):
    """Commits one blob after another, and each time the blob "latest" anew. It alone writes
    root()[name]."""

    def __init__(self, database, name):
        super().__init__(database)
        self.name = name

    def content(self, number):
        return content(number * 31 + len(self.name), SIZES[number % len(SIZES)])

    def change(self, root, number):
        own = root[self.name]
        own[number] = Blob(self.content(number))
        with own.setdefault("latest", Blob()).open("w") as file:
            file.write(self.content(number))


@unittest.skipIf(fixture.is_python_server(), "it loses blobs when it is killed")
class BlobKillTest(KilledServer, ServerTest):
    limit_s = 300

    def setUp(self):
        super().setUp()
        connection = self.connection(self.database())
        for name in ("uploads", "shared"):
            connection.root()[name] = PersistentMapping()
        connection.transaction_manager.commit()
        self.uploaders = []

    def start_uploader(self, name, **options):
        uploader = Uploader(self.database(**options), name)
        uploader.start()
        self.addCleanup(uploader.end)
        self.uploaders.append(uploader)

    def start_uploading(self):
        self.start_uploader("uploads", blob_dir=str(self.directory / "one"))

    def start_sharing(self):
        self.start_uploader("shared", blob_dir=str(self.server.blob_directory),
                            shared_blob_dir=True)

    def kill_at(self, points):
        for point in points:
            with self.subTest(point):
                self.server.kill()
                self.start_again(point)
                self.assertEqual(KILLED, self.server.process.wait(60))
                self.start_again()
                for uploader in self.uploaders:
                    uploader.wait_more(2)
        self.check_all()

    def check_all(self):
        for uploader in self.uploaders:
            uploader.end()
            self.assertIsNone(uploader.error)
            uploader.database.close()
        self.server.kill()  # once more: what opening leaves is what counts
        self.start_again()
        self.check_blobs()
        self.check_directory()
        self.check_stopped()

    def check_blobs(self):
        root = self.connection(self.database(blob_dir=str(self.directory / "fresh"))).root()
        for uploader in self.uploaders:
            own = dict(root[uploader.name])
            latest = own.pop("latest")
            self.assertLessEqual(set(uploader.acknowledged), set(own))
            for number, blob in own.items():
                self.assertEqual(uploader.content(number), self.read(blob), number)
            # Each transaction is whole: both its blobs, or none.
            self.assertEqual(uploader.content(max(own)), self.read(latest))

    def read(self, blob):
        with blob.open() as file:
            return file.read()

    def check_directory(self):
        """The files are those of the records, and no others."""
        layout = BushyLayout()
        expected = {pathlib.Path(layout.getBlobFilePath(r.oid, r.tid))
                    for t in self.storage().iterator() for r in t if is_blob_record(r.data)}
        directory = self.server.blob_directory
        found = {path.relative_to(directory) for path in directory.rglob("*")
                 if path.is_file() and path.suffix != CLIENTS_OWN}
        self.assertEqual(expected, found - OWN_FILES)

    def test_at_each_point_of_an_upload(self):
        self.start_uploading()
        self.kill_at(POINTS)

    def test_at_each_point_of_a_blob_in_a_shared_directory(self):
        self.start_sharing()
        self.kill_at(SHARED_POINTS)

    def test_at_any_time(self):
        self.start_uploading()
        self.start_sharing()
        for _ in range(KILLS):
            for uploader in self.uploaders:
                uploader.wait_more(2)
            # The moment of the kill is what the test is about: there is nothing to wait for.
            time.sleep(random.uniform(0, 0.5))
            self.server.kill()
            self.start_again()
        self.check_all()


if __name__ == "__main__":
    unittest.main()
