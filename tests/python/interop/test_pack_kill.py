"""A server that is killed in the middle of a pack, while clients commit: what is reachable and what
was acknowledged stays, and in the end the garbage is gone."""

import unittest

import fixture
import zeo_servers
from fixture import wait_until
from killed import KILLED, Committer, KilledServer
from persistent.mapping import PersistentMapping
from test_packing import Database, PackTest

# So many that they do not go in one removal record.
GARBAGE = 1800


class Writer(Committer):
    """Adds one object after another to root()["written"]."""

    def change(self, root, number):
        root["written"][number] = PersistentMapping({"n": number})


@unittest.skipIf(fixture.is_python_server(), "it is killed at points that zeolite has")
class KillTest(KilledServer, PackTest):
    """The server dies at given points of a pack, again while it carries that on after its start,
    while a client commits all the time."""

    limit_s = 300

    def check_killed(self, *points):
        setup = self.connection(self.database(blob_dir="blobs-one"))
        content = Database(setup, GARBAGE)
        self.server.stop()
        self.start_again(points[0])
        writer = Writer(self.database())
        writer.start()
        self.addCleanup(writer.end)
        writer.wait_more(3)
        with self.assertRaises(zeo_servers.ServerError):
            self.pack(content.horizon)
        for point in points[1:]:
            self.assertEqual(KILLED, self.server.process.wait(60))
            self.start_again(point)
        self.assertEqual(KILLED, self.server.process.wait(60))
        self.start_again()
        writer.wait_more(3)
        again = self.pack(content.horizon)  # comes after what goes on
        self.assertEqual(0, again["removed_revisions"])
        writer.end()
        self.assertIsNone(writer.error)
        self.check_content(content, writer)

    def check_content(self, content, writer):
        connection = self.connection(self.database(blob_dir="blobs-two"))
        self.check_kept(connection)
        written = connection.root()["written"]
        for number in writer.acknowledged:
            self.assertEqual(number, written[number]["n"])
        storage = self.storage()
        self.assertEqual([], [oid for oid in content.cut if self.exists(storage, oid)])
        for oid in content.kept:
            self.assertEqual(1, len(storage.history(oid, size=10)))
        wait_until(lambda: len(self.blob_files()) == 1, "the garbage's blob goes")
        verified = self.check_stopped()
        self.assertIn("clean", verified)
        self.assertNotIn("note:", verified)

    def test_before_anything_is_marked_and_while_it_marks(self):
        self.check_killed("pack.after_record", "pack.after_marking")

    def test_around_a_removal(self):
        self.check_killed("pack.before_removal:1", "pack.after_removal:1", "pack.after_removal:2")

    def test_when_the_file_of_a_blob_is_removed(self):
        self.check_killed("blob.after_remove")

    def test_when_all_is_removed(self):
        self.check_killed("pack.before_removal:3", "pack.before_complete", "pack.before_complete")


if __name__ == "__main__":
    unittest.main()
