"""Files of many kinds, which ZODB makes by motions drawn from a seed: imported, served and exported
they read as ZODB reads them, also when both have packed them. With ZEOLITE_TEST_LONG there are
more of them."""

import contextlib
import os
import random
import shutil
import time
import unittest

import fixture
from fixture import ServerTest
from test_copying import flattened
from test_filestorage import answer, zeolite
from zodbpickle import pickle
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSError, POSKeyError
from ZODB.serialize import referencesf
from ZODB.TimeStamp import TimeStamp
from ZODB.utils import p64, u64, z64

SEEDS = range(200 if os.environ.get("ZEOLITE_TEST_LONG") else 6)
OIDS = 12
EXTENSIONS = [{}, {}, {"näme": "wért", "n": 1 << 40}, {"time": 1, "size": "own"},
              pickle.dumps({"p": 1.5}, 1), b"(dp0\nS'request_type'\np1\nS'Form'\np2\ns."]
TEXTS = ["", "user", "käthe ☃", b"\xff\x00\x80", "long" * 16000]


class Maker:
    """A FileStorage file, by motions at the level of the storage."""

    def __init__(self, seed, path):
        self.draw = random.Random(seed)
        self.storage = FileStorage(path)

    def record(self):
        references = [p64(self.draw.randrange(OIDS)) for _ in range(self.draw.randrange(3))]
        data = self.draw.randbytes(self.draw.choice([0, 1, 300, 70_000]))
        if self.draw.random() < 0.3:  # as Python 2 wrote it
            items = b"".join(b"(U\x08" + oid + b"ccart\nCart\ntQ" for oid in references)
            return b"ccart\nCart\n.](" + items + b"e."
        items = b"".join(b"C\x08" + oid + b"ccart\nCart\n\x86Q" for oid in references)
        return b"\x80\x03ccart\nCart\n.\x80\x03](" + items + pickle.dumps(data, 3)[2:-1] + b"e."

    def serial(self, oid):
        serial = answer(self.storage.getTid, oid)
        return z64 if serial is POSKeyError else serial

    def commit(self, motion):
        meta = TransactionMetaData(self.draw.choice(TEXTS), self.draw.choice(TEXTS),
                                   self.draw.choice(EXTENSIONS))
        self.storage.tpc_begin(meta)
        try:
            motion(meta)
            self.storage.tpc_vote(meta)
            self.storage.tpc_finish(meta)
        except POSError:  # nothing to delete, no way to undo
            self.storage.tpc_abort(meta)

    def change(self, meta):
        for oid in self.draw.sample(range(OIDS), self.draw.choice([0, 1, 2, 6])):
            self.storage.store(p64(oid), self.serial(p64(oid)), self.record(), "", meta)

    def delete(self, meta):
        oid = p64(self.draw.randrange(1, OIDS))
        self.storage.deleteObject(oid, self.serial(oid), meta)

    def undo(self, meta):
        done = self.storage.undoLog(0, 3)  # nothing right after a pack
        if done:
            self.storage.undo(self.draw.choice(done)["id"], meta)

    def make(self):
        self.commit(lambda meta: self.storage.store(z64, z64, self.record(), "", meta))
        for _ in range(self.draw.choice([0, 5, 30])):
            self.commit(self.draw.choice([self.change, self.change, self.undo, self.delete]))
            if self.draw.random() < 0.05:
                with contextlib.suppress(KeyError):  # a reference leads nowhere: it packs nothing
                    self.storage.pack(time.time(), referencesf, gc=self.draw.random() < 0.5)
        self.storage.close()


@unittest.skipIf(fixture.is_python_server(), "it has no import and no export")
class SeededFilesTest(ServerTest):
    limit_s = 1200

    def test_they_read_as_zodb_reads_them(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(seed)

    def check(self, seed):
        name = f"file{seed}"
        Maker(seed, f"{name}.fs").make()
        if seed % 2:  # a crash while something was written
            os.truncate(f"{name}.fs", os.path.getsize(f"{name}.fs") - seed)
        source = FileStorage(f"{name}.fs", read_only=True)
        self.addCleanup(source.close)
        expected = flattened(source)
        self.import_and_export(name, expected)
        server = self.start_server(name)
        copy = self.storage(server)
        self.assertEqual(expected, flattened(copy))
        self.compare_loads(source, copy, [t[0] for t in expected])
        self.assertEqual(list(source.undoLog(0, 1000)), list(copy.undoLog(0, 1000)))
        copy.close()
        if expected:
            self.compare_packed(name, source, server, [t[0] for t in expected])
        server.stop()

    def compare_packed(self, name, source, server, tids):
        """To the same time: what FileStorage keeps is here, too, and so is all that is newer."""
        moment = TimeStamp(tids[len(tids) * 2 // 3]).timeTime()
        horizon = TimeStamp(*time.gmtime(moment)[:5], moment % 60).raw()
        shutil.copy(f"{name}.fs", f"{name}-packed.fs")
        packed = FileStorage(f"{name}-packed.fs")
        self.addCleanup(packed.close)
        try:
            packed.pack(moment, referencesf, gc=True)
        except (KeyError, POSError):  # a reference leads nowhere: docs/pack.md
            return
        copy = self.storage(server)
        copy.pack(moment, referencesf, True)
        self.assertEqual(*(records_after(horizon, storage) for storage in (packed, copy)))
        nothing = (None, POSKeyError)
        for oid in map(p64, range(OIDS)):
            for tid in [horizon, *(tid for tid in tids if tid > horizon)]:
                asked = (oid, p64(u64(tid) + 1))
                before = answer(source.loadBefore, *asked)
                if before not in nothing and answer(packed.loadBefore, *asked) not in nothing:
                    self.assertEqual(before, answer(copy.loadBefore, *asked), asked)

    def import_and_export(self, name, expected):
        data = self.directory / name / "data"
        data.parent.mkdir()
        zeolite("import", f"filestorage:{name}.fs", "--data", data)
        zeolite("verify", "--data", data)
        zeolite("export", f"filestorage:{name}-exported.fs", "--data", data)
        exported = FileStorage(f"{name}-exported.fs", read_only=True)
        self.addCleanup(exported.close)
        self.assertEqual(expected, flattened(exported))

    def compare_loads(self, source, copy, tids):
        for oid in map(p64, range(OIDS + 1)):
            self.assertEqual(answer(source.load, oid), answer(copy.load, oid), oid)
            self.assertEqual(list_of(answer(source.history, oid, 100)),
                             list_of(answer(copy.history, oid, 100)), oid)
            for tid in tids:
                self.assertEqual(answer(source.loadSerial, oid, tid),
                                 answer(copy.loadSerial, oid, tid), (oid, tid))
                for before in (tid, p64(u64(tid) + 1)):
                    self.assertEqual(answer(source.loadBefore, oid, before),
                                     answer(copy.loadBefore, oid, before), (oid, before))


def records_after(horizon, storage):
    return [(t[0], [r[:3] for r in t[-1]]) for t in flattened(storage) if t[0] > horizon]


def list_of(told):
    """msgpack has no lists."""
    return list(told) if isinstance(told, tuple) else told


if __name__ == "__main__":
    unittest.main()
