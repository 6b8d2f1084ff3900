"""Packs as operators and other clients meet them: `zeolite pack`, and iterators under way."""

import itertools
import time
import unittest

import fixture
from BTrees.LOBTree import LOBTree
from fixture import ServerTest, wait_until
from persistent.mapping import PersistentMapping
from test_copying import flattened
from ZODB.blob import Blob
from ZODB.POSException import POSKeyError
from ZODB.utils import z64

KEPT = 20


class Database:
    """What the packs here begin with: objects that are reachable, each with an older revision, and
    ones that were, with a blob among each kind."""

    def __init__(self, connection, garbage):
        root, commit = connection.root(), connection.transaction_manager.commit
        root["kept"] = PersistentMapping({n: PersistentMapping({"v": "old"}) for n in range(KEPT)})
        root["kept"]["blob"] = Blob(b"kept")
        root["cut"] = PersistentMapping({n: PersistentMapping() for n in range(garbage - 2)})
        root["cut"]["blob"] = Blob(b"garbage")
        root["written"] = LOBTree()
        commit()
        self.cut = [o._p_oid for o in (root["cut"], *root["cut"].values())]
        self.kept = [root["kept"][n]._p_oid for n in range(KEPT)]
        for n in range(KEPT):
            root["kept"][n]["v"] = n
        del root["cut"]
        commit()
        self.horizon = connection.db().storage.lastTransaction().hex()


class PackTest(ServerTest):
    options = {"replicates": True}  # for the native port, where commands connect

    def pack(self, horizon, *options):
        return self.server.run("pack", "--before", horizon, *options)

    def digest(self):
        return self.server.run("verify")["digest"]

    def exists(self, storage, oid):
        try:
            return bool(storage.load(oid))
        except POSKeyError:
            return False

    def check_kept(self, connection):
        kept = connection.root()["kept"]
        self.assertEqual(list(range(KEPT)), [kept[n]["v"] for n in range(KEPT)])
        with kept["blob"].open() as file:
            self.assertEqual(b"kept", file.read())

    def blob_files(self):
        return list(self.server.blob_directory.rglob("*.blob"))


@unittest.skipIf(fixture.is_python_server(), "it has no such commands")
class CommandTest(PackTest):
    def setUp(self):
        super().setUp()
        self.client = self.connection(self.database(blob_dir="blobs-one"))
        self.content = Database(self.client, garbage=10)

    def found(self):
        """How many of what is garbage can be loaded."""
        storage = self.storage()
        return sum(self.exists(storage, oid) for oid in self.content.cut)

    def revisions(self):
        return len(self.storage().history(self.content.kept[0], size=10))

    def test_dry_run_tells_what_would_go_and_changes_nothing(self):
        before = self.digest()
        report = self.pack(self.content.horizon, "--dry-run")
        self.assertTrue(report["dry_run"])
        self.assertEqual((10, 1), (report["removed_objects"], report["removed_blobs"]))
        # Of what stays: an older revision of each kept object, and of the root two.
        self.assertEqual(10 + KEPT + 2, report["removed_revisions"])
        self.assertEqual((10, 2, before), (self.found(), self.revisions(), self.digest()))
        self.assertEqual(2, len(self.blob_files()))
        real = self.pack(self.content.horizon)
        for key in ("removed_objects", "removed_revisions", "removed_bytes", "removed_blobs"):
            self.assertEqual(report[key], real[key], key)

    def test_garbage_goes_and_what_is_reachable_stays(self):
        report = self.pack(self.content.horizon)
        self.assertTrue(report["garbage_collected"])
        self.assertEqual(0, report["dangling_count"])
        self.assertEqual((0, 1), (self.found(), self.revisions()))
        self.check_kept(self.connection(self.database(blob_dir="blobs-two")))
        wait_until(lambda: len(self.blob_files()) == 1, "the garbage's blob goes")

    def test_without_garbage_collection_only_old_revisions_go(self):
        report = self.pack(self.content.horizon, "--no-gc")
        self.assertFalse(report["garbage_collected"])
        self.assertEqual((0, KEPT + 2), (report["removed_objects"], report["removed_revisions"]))
        self.assertEqual((10, 1), (self.found(), self.revisions()))
        # A later pack with it finds the garbage.
        self.client.root()["x"] = 1
        self.client.transaction_manager.commit()
        later = self.pack(self.client.db().storage.lastTransaction().hex())
        self.assertEqual((10, 0), (later["removed_objects"], self.found()))


class IterationTest(ServerTest):
    """A pack comes between two calls of an iterator: what is told is true, and all that the pack
    leaves is told."""

    def setUp(self):
        super().setUp()
        self.client = self.connection(self.database())
        root, commit = self.client.root(), self.client.transaction_manager.commit
        for number in range(12):
            root[number] = PersistentMapping({"n": number})
            root[number - 1 if number else 0]["next"] = number
            if number % 3 == 0:
                root["last"] = PersistentMapping()  # the one before is garbage
            commit()
        database = self.client.db()
        database.undo(database.undoInfo(0, 1)[0]["id"], self.client.transaction_manager.get())
        commit()
        root["end"] = 1
        commit()
        self.before = {t[0]: set(r[:3] for r in t[-1]) for t in flattened(self.storage())}

    def pack(self):
        time.sleep(0.01)
        self.client.db().pack(time.time())

    def check_told(self, told):
        """`told`: [(tid, {record})], from some transaction on, in order."""
        tids = [tid for tid, _ in told]
        self.assertEqual(sorted(set(tids)), tids)
        for tid, records in told:
            self.assertLessEqual(records, self.before[tid])
        told = dict(told)
        for tid, *_, records in flattened(self.storage()):
            if tid >= tids[0]:
                self.assertLessEqual({r[:3] for r in records}, told[tid])

    def records(self, t):
        return {(r.oid, r.tid, r.data) for r in t}

    def test_between_two_transactions(self):
        iterator = self.storage().iterator()
        for _ in range(3):
            next(iterator)
        self.pack()
        self.check_told([(t.tid, self.records(t)) for t in iterator])

    def test_between_a_transaction_and_its_records(self):
        iterator = self.storage().iterator()
        for _ in range(4):
            held = next(iterator)
        self.pack()
        self.check_told([(t.tid, self.records(t)) for t in itertools.chain([held], iterator)])

    def test_between_two_records(self):
        iterator = self.storage().iterator()
        for _ in range(5):
            held = next(iterator)
        records = iter(held)
        first = next(records)
        self.pack()
        rest = self.records(records) | {(first.oid, first.tid, first.data)}
        self.check_told([(held.tid, rest)] + [(t.tid, self.records(t)) for t in iterator])

    def test_walk_over_current_records(self):
        current = {}
        for tid, records in sorted(self.before.items()):
            current |= {r[0]: r for r in records if r[2] is not None}
        reachable = {z64} | {o._p_oid for o in self.client.root().values()
                             if isinstance(o, PersistentMapping)}
        garbage = set(current) - reachable
        storage = self.storage()
        seen, following = set(), storage.record_iternext()[3]
        while following not in garbage:
            oid, tid, data, following = storage.record_iternext(following)
            seen.add(oid)
        self.pack()  # what the walk would go on with is gone
        while following is not None:
            oid, tid, data, following = storage.record_iternext(following)
            self.assertEqual((oid, tid, data), current[oid])
            seen.add(oid)
        self.assertLessEqual(reachable - {z64}, seen)


if __name__ == "__main__":
    unittest.main()
