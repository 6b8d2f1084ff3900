"""Files of many kinds, which ZODB makes by motions drawn from a seed: imported, served and exported
they read as ZODB reads them, also when both have packed them, and a pack leaves what docs/pack.md
says. With ZEOLITE_TEST_LONG there are more of them."""

import contextlib
import itertools
import os
import random
import shutil
import time
import unittest

import fixture
from fixture import ServerTest
from test_copying import flattened
from test_filestorage import answer, zeolite
from ZEO.Exceptions import ServerException
from zodbpickle import pickle
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSError, POSKeyError
from ZODB.serialize import referencesf
from ZODB.TimeStamp import TimeStamp
from ZODB.utils import p64, u64, z64

SEEDS = range(200 if os.environ.get("ZEOLITE_TEST_LONG") else 6)
OIDS = 12
MAGIC_BYTES = 4
# Of FileStorage, which packs nothing then: see docs/pack.md.
PACK_ERRORS = (KeyError, POSError, AssertionError)
FIRST_TIDS = [None, 1, 0x7000 << 48]  # of today, of 1900, of 5407
EXTENSIONS = [{}, {}, {"näme": "wért", "n": 1 << 40}, {"time": 1, "size": "own"},
              pickle.dumps({"p": 1.5}, 1), b"(dp0\nS'request_type'\np1\nS'Form'\np2\ns."]
TEXTS = ["", "user", "käthe ☃", b"\xff\x00\x80", "long" * 16000]


class Maker:
    """A FileStorage file, by motions at the level of the storage."""

    def __init__(self, seed, path):
        self.draw = random.Random(seed)
        self.storage = FileStorage(path)
        self.last = FIRST_TIDS[seed % len(FIRST_TIDS)]

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

    def next_tid(self):
        if self.last is None:
            return None
        self.last += self.draw.choice([1, 1 << 20, 1 << 33, 1 << 40])
        return p64(self.last)

    def commit(self, motion):
        meta = TransactionMetaData(self.draw.choice(TEXTS), self.draw.choice(TEXTS),
                                   self.draw.choice(EXTENSIONS))
        self.storage.tpc_begin(meta, self.next_tid())
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

    def restore(self, meta):
        """As a copy of another storage makes them; what is repeated may be one that repeats."""
        past = [(r.oid, r.tid, r.data) for t in self.storage.iterator() for r in t]
        oid, tid, data = self.draw.choice(past or [(z64, None, self.record())])
        self.storage.restore(oid, self.storage._tid, data, "", tid, meta)

    def make(self):
        self.commit(lambda meta: self.storage.store(z64, z64, self.record(), "", meta))
        for _ in range(self.draw.choice([0, 5, 30])):
            self.commit(self.draw.choice([self.change, self.change, self.undo, self.delete,
                                          self.restore]))
            if self.draw.random() < 0.05:
                with contextlib.suppress(*PACK_ERRORS):
                    self.storage.pack(time.time(), referencesf, gc=self.draw.random() < 0.5)
        self.storage.close()


def revisions(storage):
    """{oid: [(tid, data, tid of what is repeated or None)]}, oldest first, of what has the data."""
    found = {}
    for t in flattened(storage):
        for oid, tid, data, repeated in t[-1]:
            own = found.setdefault(oid, [])
            # Iterators name what an undo went back to, which may be an undo itself.
            further = {r[0]: r[2] for r in own}
            while repeated and further.get(repeated):
                repeated = further[repeated]
            own.append((tid, data, repeated if data is not None else None))
    return found


def kept_by_pack(found, horizon):
    """{oid: tids} of `found`, as docs/pack.md has it."""
    def current(oid):
        return next((r for r in reversed(found.get(oid, [])) if r[0] <= horizon), None)

    def kept(oid):
        tids = {r[0] for r in found[oid] if r[0] > horizon}
        tids |= {r[0] for r in [current(oid)] if r}
        tids |= {r[2] for r in found[oid] if r[0] in tids and r[2]}
        now = current(oid)
        if now and now[1] is None and now[0] == min(tids):  # a deletion of nothing that is left
            tids.remove(now[0])
        return tids

    root = current(z64)
    to_do = [z64, *(oid for oid in found if found[oid][-1][0] > horizon)]
    if root is None or root[1] is None:
        to_do = list(found)  # it is not certain what is garbage
    result = {}
    while to_do:
        oid = to_do.pop()
        if oid not in result and oid in found:
            result[oid] = kept(oid)
            for tid, data, _ in found[oid]:
                if tid in result[oid] and data is not None:
                    to_do += referencesf(data)
    return {oid: tids for oid, tids in result.items() if tids}


class Packs:
    """Packs to the same times in a FileStorage and on a server that has the same content."""

    def __init__(self, test, server, file):
        self.test, self.server, self.file = test, server, file
        self.horizon = z64
        self.original = revisions(file)
        self.same = True  # whether all packs went through on both sides

    def compare(self, moment):
        """Packs both. It is nothing new here when it is earlier than a pack before."""
        before = self.ask(revisions)
        size = self.file.getSize()
        try:
            self.file.pack(moment, referencesf, gc=True)
        except PACK_ERRORS:
            self.same = False
        self.ask(lambda copy: copy.pack(moment, referencesf, True))
        after, expected = self.ask(revisions), {oid: {r[0] for r in before[oid]} for oid in before}
        horizon = TimeStamp(*time.gmtime(moment)[:5], moment % 60).raw()
        if horizon > self.horizon:
            self.horizon = horizon
            expected = kept_by_pack(before, horizon)
        self.test.assertEqual(expected, {oid: {r[0] for r in after[oid]} for oid in after})
        for oid in after:
            self.test.assertLessEqual({r[:2] for r in after[oid]}, {r[:2] for r in before[oid]})
        if self.same and self.file.getSize() != size:  # else it had nothing to do
            self.ask(self.compare_with_file)

    def compare_with_file(self, copy):
        """What FileStorage keeps is here, too, and so is all that is newer."""
        self.test.assertEqual(*(records_after(self.horizon, storage)
                                for storage in (self.file, copy)))
        for oid in self.original:
            tids = [self.horizon, *(r[0] for r in self.original[oid] if r[0] > self.horizon)]
            for before in (p64(u64(tid) + 1) for tid in tids):
                there = answer(self.file.loadBefore, oid, before)
                if there in (None, POSKeyError) or there[:2] != self.as_of(oid, before):
                    continue  # it lost something, or shows again what was deleted
                self.test.assertEqual(there, answer(copy.loadBefore, oid, before), (oid, before))

    def as_of(self, oid, before):
        """What it was before any pack."""
        return next((r[1::-1] for r in reversed(self.original[oid]) if r[0] < before), None)

    def served(self):
        return self.ask(flattened)

    def ask(self, question):
        """A client of its own: what was removed may be in another's cache."""
        copy = self.test.storage(self.server)
        try:
            return question(copy)
        finally:
            copy.close()


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
            size = os.path.getsize(f"{name}.fs") - seed
            os.truncate(f"{name}.fs", max(size, MAGIC_BYTES))
        shutil.copy(f"{name}.fs", f"{name}-source.fs")
        source = FileStorage(f"{name}-source.fs")  # this cuts off what is unfinished
        self.addCleanup(source.close)
        expected = flattened(source)
        data = self.import_and_export(name, expected)
        server = self.start_server(name)
        copy = self.storage(server)
        self.assertEqual(expected, flattened(copy))
        tids = [t[0] for t in expected]
        self.compare_loads(source, copy, tids)
        self.compare_lists(source, copy, tids)
        copy.close()
        draw, packs = random.Random(seed), Packs(self, server, source)
        for tid in draw.choices(tids, k=3) if tids else []:
            packs.compare(TimeStamp(tid).timeTime() + draw.choice([0, 0, 1]))
        served = packs.served()
        server.stop()
        zeolite("export", f"filestorage:{name}-packed.fs", "--data", data)
        exported = FileStorage(f"{name}-packed.fs", read_only=True)
        self.addCleanup(exported.close)
        self.assertEqual(served, flattened(exported))

    def import_and_export(self, name, expected):
        data = self.directory / name / "data"
        data.parent.mkdir()
        zeolite("import", f"filestorage:{name}.fs", "--data", data)
        zeolite("verify", "--data", data)
        zeolite("export", f"filestorage:{name}-exported.fs", "--data", data)
        exported = FileStorage(f"{name}-exported.fs", read_only=True)
        self.addCleanup(exported.close)
        self.assertEqual(expected, flattened(exported))
        return data

    def compare_lists(self, source, copy, tids):
        for window in [(0, 1000), (0, -20), (1, -3), (2, 5), (5, 2)]:
            self.assertEqual(source.undoLog(*window), list(copy.undoLog(*window)), window)
            for specification in {"user_name": b"user"}, {"size": "own"}, {"n": 1 << 40}:
                asked = (*window, specification)
                self.assertEqual(source.undoInfo(*asked), list(copy.undoInfo(*asked)), asked)
        bounds = [None, *tids[:2], *(p64(u64(tid) + 1) for tid in tids[-2:])]
        for start, stop in itertools.product(bounds, bounds):
            self.assertEqual(flattened(source, start, stop), flattened(copy, start, stop))
        expected = [(oid, *answer(source.load, oid)[::-1]) for oid in map(p64, range(OIDS))
                    if answer(source.load, oid) is not POSKeyError]
        self.assertEqual(expected, current_records(copy))
        last = tids[-1] if tids else z64  # FileStorage's may be one that it cut off
        self.assertEqual(last, copy.lastTransaction())

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


def current_records(storage):
    records, following = [], z64
    while following is not None:
        try:
            oid, tid, data, following = storage.record_iternext(following)
        except ServerException:  # there is none; FileStorage's is a ValueError
            return records
        records.append((oid, tid, data))
    return records


def list_of(told):
    """msgpack has no lists."""
    return list(told) if isinstance(told, tuple) else told


if __name__ == "__main__":
    unittest.main()
