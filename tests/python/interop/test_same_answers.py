"""The same motions, drawn from a seed, by stock clients of this server and of ZEO's own over a
FileStorage: all answers, errors and invalidations are the same but for what docs/zeo-protocol.md
says is not. With ZEOLITE_TEST_LONG there are more of them."""

import base64
import collections
import contextlib
import os
import pathlib
import random
import shutil
import unittest

import fixture
import zeo_servers
from BTrees.Length import Length
from fixture import ServerTest, wait_until
from test_copying import flattened
from ZEO.Exceptions import ServerException
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError, MultipleUndoErrors, POSKeyError
from ZODB.serialize import ObjectWriter
from ZODB.TimeStamp import TimeStamp
from ZODB.utils import p64, u64, z64

SEEDS = range(200 if os.environ.get("ZEOLITE_TEST_LONG") else 2)
MOTIONS = 40
PLAIN, COUNTERS, BLOBS = range(7), range(7, 9), range(9, 12)
OIDS = range(12)
CLIENTS = 2
TEXTS = ["", "user", "käthe ☃", "/site bob"]
EXTENSIONS = [{}, {}, {"näme": "wért", "n": 1 << 40}]
BLOB_PIECES = {"": b"", "short": b"x", "long": b"abc" * 300}
WINDOWS = [(0, -20), (0, 1000), (1, -3), (2, 5), (5, 2)]

# A transaction as it is drawn. Its tids are places, see Side.tid. `between`: one of the other
# client, which comes before this one's vote.
Transaction = collections.namedtuple("Transaction", "client texts steps end restored between")


def plain_record(draw):
    return b"\x80\x03ccart\nCart\n.\x80\x03K%c." % draw.randrange(4)


def blob_record(draw):
    return b"\x80\x03cZODB.blob\nBlob\n.\x80\x03K%c." % draw.randrange(2)


def counter_record(draw):
    """Of a class that resolves conflicts."""
    return ObjectWriter().serialize(Length(draw.randrange(10)))


class Watcher:
    """What a client tells its database of."""

    def __init__(self):
        self.told = []

    def invalidate(self, tid, oids):
        self.told.append((tid, set(oids)))

    def invalidateCache(self):
        self.told.append((None, set()))

    transform_record_data = untransform_record_data = staticmethod(lambda data: data)


class Side:
    """A server with its clients. In what is compared, tids and oids have names: tids are numbered
    in the order of their commits, oids in the order in which the server gave them."""

    def __init__(self, test, server, folder):
        self.test, self.server, self.folder = test, server, folder
        folder.mkdir()
        self.tids, self.names = [], {}
        self.clients = [test.storage(server, blob_dir=str(folder / f"blobs{n}"))
                        for n in range(CLIENTS)]
        self.watchers = [Watcher() for _ in self.clients]
        for client, watcher in zip(self.clients, self.watchers):
            client.registerDB(watcher)
        self.oids = [self.clients[n % CLIENTS].new_oid() for n in OIDS]
        self.names.update((oid, f"oid {n}") for n, oid in enumerate(self.oids))
        test.assertEqual(len(OIDS), len(self.names))

    def close(self):
        for client in self.clients:
            client.close()

    def tid(self, place):
        """(number, distance) is so far from the tid with that number."""
        return z64 if place is None else p64(u64(self.tids[place[0]]) + place[1])

    def add_tid(self, tid):
        number = len(self.tids)
        self.tids.append(tid)
        for distance in -1, 1:
            self.names.setdefault(self.tid((number, distance)), f"tid {number} {distance:+}")
        self.names |= {tid: f"tid {number}", undo_id(tid): f"undo {number}"}

    def named(self, value):
        if isinstance(value, (list, tuple)):
            return [self.named(item) for item in value]
        if isinstance(value, (set, frozenset)):
            return sorted(str(self.named(item)) for item in value)
        if isinstance(value, dict):  # of history, undoLog or undoInfo, or an extension
            named = {key: self.named(item) for key, item in value.items()}
            if "time" in value:
                tid = value.get("tid") or base64.decodebytes(value["id"])
                named["time"] = value["time"] == TimeStamp(tid).timeTime()
            return named
        return self.names.get(value, value)

    def answer(self, call, *arguments):
        """What the call gives, or what it raises."""
        try:
            return self.named(call(*arguments))
        except Exception as error:  # whatever it is, the other side's shall be the same
            return self.named(described(error))

    def asked(self, method, *arguments):
        """The server's answer, whatever is in the client's cache."""
        return self.answer(self.clients[0]._call, method, *arguments)

    def commit(self, drawn):
        """What its steps come to."""
        client, meta, done = self.clients[drawn.client], TransactionMetaData(*drawn.texts), {}
        own_tid = p64(u64(self.tids[-1]) + drawn.restored) if drawn.restored else None
        client.tpc_begin(meta, own_tid)
        try:
            for kind, *arguments in drawn.steps:
                getattr(self, kind)(client, meta, *arguments)
            if drawn.between:
                done["between"] = self.commit(drawn.between)
            if drawn.end != "abort early":
                done["voted"] = self.named(set(client.tpc_vote(meta) or ()))
            if drawn.end == "finish":
                self.finished(drawn, client.tpc_finish(meta))
                done["tid"] = self.named(self.tids[-1])
        except Exception as error:
            done["error"] = "one of several"
            if len(drawn.steps) == 1 or all(step[0] == "undo" for step in drawn.steps):
                done["error"] = self.named(described(error))
        client.tpc_abort(meta)
        return done

    def finished(self, drawn, tid):
        self.add_tid(tid)
        for number, watcher in enumerate(self.watchers):
            if number != drawn.client:
                wait_until(lambda w=watcher: w.told and w.told[-1][0] == tid, "its news")
        if any(kind in ("delete", "restore") for kind, *_ in drawn.steps):
            for client in self.clients:  # ZEO's server tells nobody
                client._cache.clear()

    def store(self, client, meta, oid, serial, data):
        client.store(self.oids[oid], self.tid(serial), data, "", meta)

    def blob(self, client, meta, oid, serial, data, content):
        file = self.folder / "blob"
        file.write_bytes(BLOB_PIECES[content[0]] * content[1])
        client.storeBlob(self.oids[oid], self.tid(serial), data, str(file), "", meta)

    def delete(self, client, meta, oid, serial):
        client.deleteObject(self.oids[oid], self.tid(serial), meta)

    def check(self, client, meta, oid, serial):
        client.checkCurrentSerialInTransaction(self.oids[oid], self.tid(serial), meta)

    def undo(self, client, meta, number):
        client.undo(undo_id(self.tids[number]), meta)

    def restore(self, client, meta, oid, data, repeated, distance):
        """As copyTransactionsFrom: with the data of what it repeats."""
        if repeated is not None:
            repeated = self.tids[repeated]
            try:
                data = client.loadSerial(self.oids[oid], repeated)
            except POSKeyError:
                data = None
        serial = p64(u64(self.tids[-1]) + distance)
        client.restore(self.oids[oid], serial, data, "", repeated, meta)

    def blob_content(self, client, oid, number):
        file = self.clients[client].loadBlob(self.oids[oid], self.tids[number])
        return pathlib.Path(file).read_bytes()

    def iterated(self, client, start, stop):
        """The last record of each object. Of one that is stored twice ZEO's server makes two, and
        clients store those with blobs twice."""
        bounds = [place and self.tid(place) for place in (start, stop)]
        return [[*told, sorted({record[0]: record for record in records}.values())]
                for *told, records in flattened(self.clients[client], *bounds)]

    def history(self, oid, size):
        """Each transaction once: see iterated."""
        told = self.clients[0].history(self.oids[oid], size)
        return list({entry["tid"]: entry for entry in told}.values())

    def undoable(self, method, *arguments):
        """Without the sizes of those that have more bytes there: see iterated; and extensions may
        be pickled in several ways."""
        told = [dict(entry) for entry in self.clients[0]._call(method, *arguments)]
        larger = {undo_id(self.tids[number]) for number in self.test.model.larger}
        for entry in told:
            if entry["id"] in larger:
                del entry["size"]
        return told

    def current_records(self):
        """As record_iternext tells them; FileStorage's stumbles over what was deleted."""
        records, following = [], z64
        while following is not None:
            try:
                oid, tid, data, following = self.clients[0].record_iternext(following)
            except POSKeyError as error:
                following = p64(u64(error.args[0]) + 1)
                continue
            except ServerException:  # behind the last one
                break
            records.append((oid, tid, data))
        return records

    def warm(self, stale):
        """What one with a cache file that was away reads, but of the `stale` objects."""
        with contextlib.closing(self.test.storage(
                self.server, client="warm", var=str(self.folder))) as client:
            return [client._server.client.verify_result == "cache too old, clearing",
                    [self.answer(client.load, self.oids[oid]) for oid in OIDS
                     if oid not in stale]]

    def restart(self):
        self.server.stop()
        wait_until(lambda: not any(c.is_connected() for c in self.clients), "they notice")
        self.server.start()
        wait_until(lambda: all(c.is_connected() for c in self.clients), "they are back")


def undo_id(tid):
    return base64.encodebytes(tid).rstrip()


def described(error):
    if isinstance(error, MultipleUndoErrors):
        return ["MultipleUndoErrors", {oid for oid, _ in error._errs}]
    if isinstance(error, ConflictError):
        return [type(error).__name__, error.oid, error.serials]
    if isinstance(error, POSKeyError) and isinstance(error.args[0], bytes):
        return ["POSKeyError", error.args[0]]
    return error.args[0] if isinstance(error, ServerException) else type(error).__name__


class Model:
    """Draws transactions, from what it was told of those before."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.count = 0  # of tids
        self.revisions = {oid: [] for oid in OIDS}  # the numbers of their tids
        self.larger = set()  # transactions that have more bytes in a FileStorage
        self.counters = set()  # transactions with some: ZEO's server merges when it undoes them
        self.untold = []  # by number: of which objects ZEO's server tells nobody
        self.gone = set()
        self.stale = set()  # so caches may have old states of these

    def serial(self, oid):
        """Mostly the current one."""
        past, chance = self.revisions[oid], self.draw.random()
        if not past or chance < 0.1:
            return None
        if chance < 0.75:
            return past[-1], 0
        return self.draw.choice(past), self.draw.choice([0, 0, 1, -1])

    def step(self, oid):
        [kind] = self.draw.choices(["store", "delete", "check"], [6, 1, 1])
        serial = self.serial(oid)
        if kind == "check" and oid in self.gone:
            kind = "delete"  # FileStorage may not notice that it is gone, see getTid
        if kind != "store":
            return kind, oid, serial
        if oid in BLOBS:
            content = self.draw.choice(["", "short", "long"]), self.draw.randrange(256)
            return "blob", oid, serial, blob_record(self.draw), content
        record = counter_record if oid in COUNTERS else plain_record
        return "store", oid, serial, record(self.draw)

    def write_steps(self):
        oids = self.draw.sample(OIDS, self.draw.choice([0, 1, 1, 2, 4]))
        steps = [self.step(oid) for oid in oids]
        again = [(*step[:3], plain_record(self.draw)) for step in steps
                 if step[0] == "store" and step[1] in PLAIN and self.draw.random() < 0.1]
        return steps + again

    def undo_steps(self):
        past = [n for n in range(max(0, self.count - 6), self.count) if n not in self.counters]
        chosen = self.draw.sample(past, min(len(past), self.draw.choice([1, 1, 1, 2, 3])))
        if self.draw.random() < 0.7:
            chosen.sort(reverse=True)
        return [("undo", number) for number in chosen]

    def restore_steps(self, distance):
        steps = []
        for oid in self.draw.sample(PLAIN, 2):
            repeated = self.draw.choice([None, *self.revisions[oid]])
            data = None if self.draw.random() < 0.2 else plain_record(self.draw)
            steps.append(("restore", oid, data, repeated, distance))
        return steps

    def transaction(self, between=True):
        if not self.count:  # FileStorage does not find the first one when it is short
            return Transaction(0, ["user", "the first one", {}],
                               [("store", 0, None, plain_record(self.draw))], "finish", None, None)
        kind = self.draw.choices(["write", "undo", "restore"], [6, 2, 1])[0]
        restored = None
        if kind == "restore":
            restored, between = self.draw.choice([1000, 1 << 20]), False
            steps = self.restore_steps(restored)
        else:
            steps = self.undo_steps() if kind == "undo" else self.write_steps()
        client, texts = self.draw.randrange(CLIENTS), [self.draw.choice(TEXTS) for _ in range(2)]
        inner = None
        if between and self.draw.random() < 0.2:
            inner = self.transaction(False)._replace(client=1 - client)
        return Transaction(client, [*texts, self.draw.choice(EXTENSIONS)], steps,
                           self.draw.choices(["finish", "abort", "abort early"], [10, 1, 1])[0],
                           restored, inner)

    def committed(self, drawn, records, larger):
        oids = {int(record[0].split()[1]): record for record in records}
        for oid, record in oids.items():
            self.revisions[oid].append(self.count)
            (self.gone.add if record[2] is None else self.gone.discard)(oid)
        if larger or drawn.texts[2]:
            self.larger.add(self.count)
        if set(oids) & set(COUNTERS):
            self.counters.add(self.count)
        self.untold.append({step[1] for step in drawn.steps if step[0] in ("delete", "restore")})
        self.stale = self.stale - set(oids) | self.untold[-1]
        self.count += 1

    def untold_since(self, number):
        return set().union(*self.untold[number:])


@unittest.skipIf(fixture.is_python_server(), "it is compared with that")
class SameAnswersTest(ServerTest):
    limit_s = 3000

    def test_motions_from_seeds_have_the_same_answers(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(seed)

    def check(self, seed):
        folder = self.directory / f"seed{seed}"
        folder.mkdir()
        with contextlib.ExitStack() as ends:
            ends.callback(shutil.rmtree, folder)
            self.sides = []
            for kind in zeo_servers.PythonServer, zeo_servers.ZeoliteServer:
                server = kind(folder / kind.name, msgpack=fixture.MSGPACK)
                ends.callback(server.stop)
                server.start()
                self.sides.append(Side(self, server, folder / f"clients-{kind.name}"))
                ends.callback(self.sides[-1].close)
            self.model = Model(seed)
            for _ in range(MOTIONS):
                self.move()
            self.compare_all()

    def same(self, question, about):
        theirs, ours = map(question, self.sides)
        self.assertEqual(theirs, ours, about)
        return ours

    def move(self):
        draw = self.model.draw
        drawn = self.model.transaction()
        self.note(drawn, self.same(lambda side: side.commit(drawn), drawn))
        if draw.random() < 0.02:
            for side in self.sides:
                side.restart()
        if draw.random() < 0.1:
            self.same(lambda side: side.warm(self.model.stale), "a cache that is warm")
        for oid in draw.sample(OIDS, 3):
            client = draw.randrange(CLIENTS)
            self.same(lambda side: side.answer(side.clients[client].load, side.oids[oid]), oid)

    def note(self, drawn, done):
        if drawn.between and "between" in done:
            self.note(drawn.between, done["between"])
        if "tid" not in done:
            return
        last = [self.model.count, 0]
        told = self.same(lambda side: side.answer(
            side.iterated, 0, last, last), drawn)
        [theirs] = flattened(self.sides[0].clients[0], *[self.sides[0].tid(last)] * 2)
        self.model.committed(drawn, told[0][-1], len(theirs[-1]) > len(told[0][-1]))
        self.same(lambda side: self.invalidated(side), drawn)

    def invalidated(self, side):
        """What was told of the objects of which ZEO's server tells."""
        known = side.tids[:self.model.count]
        return [[(side.named(tid), self.without_untold(side, tid, oids))
                 for tid, oids in watcher.told if tid in known] for watcher in side.watchers]

    def without_untold(self, side, tid, oids):
        untold = {side.oids[oid] for oid in self.model.untold[side.tids.index(tid)]}
        return side.named(oids - untold)

    def compare_all(self):
        for oid in OIDS:
            self.compare_object(oid)
        for window in WINDOWS:
            self.same(lambda side: side.answer(side.undoable, "undoLog", *window), window)
            for wanted in {"user_name": b"user"}, {"n": 1 << 40}, {"description": b""}:
                self.same(lambda side: side.answer(side.undoable, "undoInfo", *window, wanted),
                          (window, wanted))
        self.same(lambda side: side.answer(side.iterated, 0, None, None), "all transactions")
        count, draw = self.model.count, self.model.draw
        for _ in range(6):
            bounds = [draw.choice([None, (draw.randrange(count), draw.randrange(-1, 2))])
                      for _ in range(2)]
            self.same(lambda side: side.answer(side.iterated, 1, *bounds), bounds)
        self.same(lambda side: side.named(side.current_records()), "current records")
        self.same(lambda side: side.asked("lastTransaction"), "last transaction")
        self.same(lambda side: side.asked("get_info").keys(), "what is told of the storage")
        for number in range(count):
            self.same(lambda side: self.missed(side, number), number)

    def compare_object(self, oid):
        for size in (100,) if oid in BLOBS else (1, 3, 100):
            self.same(lambda side: side.answer(side.history, oid, size), oid)
        current = self.same(lambda side: side.answer(side.clients[0].load, side.oids[oid]), oid)
        if current != ["POSKeyError", f"oid {oid}"]:  # FileStorage may not notice that
            self.same(lambda side: side.asked("getTid", side.oids[oid]), oid)
        there = []
        for number in range(self.model.count):
            data = self.same(lambda side: side.asked("loadSerial", side.oids[oid],
                                                     side.tids[number]), (oid, number))
            if isinstance(data, bytes):
                there.append(number)
            for place in (number, 0), (number, 1):
                self.same(lambda side: side.asked("loadBefore", side.oids[oid], side.tid(place)),
                          (oid, place))
        for number in there if oid in BLOBS else ():
            for client in range(CLIENTS):
                self.same(lambda side: side.answer(side.blob_content, client, oid, number),
                          (oid, number))

    def missed(self, side, number):
        """What a client is told that was away since that transaction."""
        up_to, oids = side.clients[0]._call("getInvalidations", side.tids[number])
        untold = {side.oids[oid] for oid in self.model.untold_since(number + 1)}
        return side.named(up_to), side.named(set(oids) - untold)


if __name__ == "__main__":
    unittest.main()
