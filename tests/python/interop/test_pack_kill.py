"""A server that is killed in the middle of a pack, while clients commit: what is reachable and what
was acknowledged stays, and in the end the garbage is gone."""

import contextlib
import itertools
import subprocess
import threading
import unittest

import fixture
import transaction
import zeo_servers
from fixture import wait_until
from persistent.mapping import PersistentMapping
from test_packing import Database, PackTest
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ConflictError

KILLED = 137  # the exit status at a crash point
# So many that they do not go in one removal record.
GARBAGE = 1800


class Writer(threading.Thread):
    """A stock client that adds one object after another to root()["written"], also to a server
    that comes and goes."""

    def __init__(self, database):
        super().__init__()
        self.database = database
        self.acknowledged = []
        self.stopping = False
        self.error = None

    def run(self):
        manager = transaction.TransactionManager()
        with contextlib.closing(self.database.open(transaction_manager=manager)) as connection:
            for number in itertools.count():
                if self.stopping:
                    break
                try:
                    manager.begin()
                    connection.root()["written"][number] = PersistentMapping({"n": number})
                    manager.commit()
                    self.acknowledged.append(number)
                except (ClientDisconnected, ConflictError):
                    manager.abort()
                except Exception as error:
                    self.error = error
                    break

    def wait_more(self, count=3):
        until = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= until or self.error, "commits go on")

    def end(self):
        self.stopping = True
        self.join(60)


@unittest.skipIf(fixture.is_python_server(), "it is killed at points that zeolite has")
class KillTest(PackTest):
    """The server dies at given points of a pack, again while it carries that on after its start,
    while a client commits all the time."""

    limit_s = 300

    def start_armed(self, point):
        """Starts it; False when it died before it was ready."""
        self.server.options["environment"] = {"ZEOLITE_CRASH_POINT": point} if point else {}
        try:
            self.server.start()
            return True
        except zeo_servers.ServerError:
            self.assertEqual(KILLED, self.server.process.returncode)
            return False

    def check_killed(self, *points):
        setup = self.connection(self.database(blob_dir="blobs-one"))
        content = Database(setup, GARBAGE)
        self.server.stop()
        self.start_armed(points[0])
        writer = Writer(self.database())
        writer.start()
        self.addCleanup(writer.end)
        writer.wait_more()
        with self.assertRaises(zeo_servers.ServerError):
            self.pack(content.horizon)
        for point in points[1:]:
            self.assertEqual(KILLED, self.server.process.wait(60))
            self.start_armed(point)
        self.assertEqual(KILLED, self.server.process.wait(60))
        self.start_armed(None)
        writer.wait_more()
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
        self.server.stop()
        data = self.directory / "server" / "data"
        verified = subprocess.run([zeo_servers.zeolite_binary(), "verify", "--data", str(data)],
                                  capture_output=True, text=True, timeout=60)
        self.assertEqual(0, verified.returncode, verified.stdout + verified.stderr)
        self.assertIn("clean", verified.stdout)
        self.assertNotIn("note:", verified.stdout)

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
