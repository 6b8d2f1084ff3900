"""What a pack takes for references in records, however they were pickled: the objects that stay are
those that Python's own reading of the records finds."""

import io
import pickle
import time
import unittest

import fixture
import zodbpickle
import zodbpickle.pickle
from fixture import ServerTest, commit_records
from persistent.mapping import PersistentMapping
from ZODB.POSException import POSKeyError
from ZODB.serialize import referencesf
from ZODB.utils import p64, z64


class Reference:
    """Pickled as its persistent id."""

    def __init__(self, persistent_id):
        self.persistent_id = persistent_id


# Of an oid, the persistent ids that keep the object, and those that do not.
STRONG = {
    "oid and class": lambda oid: (oid, PersistentMapping),
    "oid and arguments": lambda oid: (oid, (PersistentMapping, ("x",))),
    "oid": lambda oid: oid,
}
WEAK = {
    "weak": lambda oid: ["w", (oid,)],
    "weak, of another database": lambda oid: ["w", (oid, "other")],
    "old weak": lambda oid: [oid],
    "another database": lambda oid: ["m", ("other", oid, PersistentMapping)],
    "another database, no class": lambda oid: ["n", ("other", oid)],
}
# As they are in Python 3 and in what older versions wrote.
OIDS = {
    "bytes": lambda oid: oid,
    "zodbpickle.binary": zodbpickle.binary,
}


def written(pickler_class, protocol, persistent_ids):
    """A record as ZODB writes one: class and state by one pickler, with one memo."""
    class Pickler(pickler_class):
        def persistent_id(self, value):
            return value.persistent_id if isinstance(value, Reference) else None

    stream = io.BytesIO()
    pickler = Pickler(stream, protocol)
    pickler.dump((PersistentMapping, None))
    references = [Reference(persistent_id) for persistent_id in persistent_ids]
    # Each twice, so that the second comes from the memo; among other values.
    pickler.dump({"data": {"x": [1, None, "text", b"bytes"], "references": references,
                           "again": (1.5, references), 2: {"deep": [{"er": references}]}}})
    return stream.getvalue()


def by_python2(oids):
    """A record of Python 2: plain oids, and such with their class, are short strings."""
    record = b"(cpersistent.mapping\nPersistentMapping\nq\x01Nt.}q\x02U\x04dataq\x03}q\x04("
    for number, oid in enumerate(oids):
        key = b"K%c" % number
        if number % 2:
            record += key + b"U\x08" + oid + b"q%cQ" % (10 + number)
        else:
            record += key + b"(U\x08" + oid + b"q%ch\x01tQ" % (10 + number)
    return record + b"us."


def loaded_references(unpickler_class, record, **options):
    found = []

    class Unpickler(unpickler_class):
        def persistent_load(self, persistent_id):
            found.append(persistent_id)

    unpickler = Unpickler(io.BytesIO(record), **options)
    unpickler.load(), unpickler.load()
    oids = [id[0] if isinstance(id, tuple) else id for id in found if not isinstance(id, list)]
    return {oid.encode("ascii") if isinstance(oid, str) else bytes(oid) for oid in oids}


def references_of(record):
    """As ZODB finds them; where it cannot, as they are when the record is loaded: it reads no
    protocols above 3, no bytes that a call makes, which is how those below 3 hold them, and no
    strings of Python 2 that are not ASCII."""
    try:
        return set(referencesf(record))
    except (AssertionError, UnicodeDecodeError):
        return loaded_references(zodbpickle.pickle.Unpickler, record, errors="bytes")
    except ValueError:
        return loaded_references(pickle.Unpickler, record)


class ReferencesTest(ServerTest):
    def setUp(self):
        super().setUp()
        # Some of the bytes are ASCII only, and some are no UTF-8.
        self.next_oids = iter([p64(0x4142434445460000 + n) for n in range(0x2121, 0x2171)] +
                              [p64(0x80FFC0FE00000000 + n) for n in range(10000)])
        self.records = {}

    def target(self):
        oid = next(self.next_oids)
        self.records[oid] = written(zodbpickle.pickle.Pickler, 3, [])
        return oid

    def holder(self, record):
        oid = next(self.next_oids)
        self.records[oid] = record
        return oid

    def check_what_stays(self, holders):
        self.records[z64] = written(zodbpickle.pickle.Pickler, 3,
                                    [(oid, PersistentMapping) for oid in holders])
        reachable, todo = set(), [z64]
        while todo:
            oid = todo.pop()
            if oid not in reachable and oid in self.records:
                reachable.add(oid)
                todo += references_of(self.records[oid])
        storage = self.storage()
        commit_records(storage, [(oid, z64, data) for oid, data in self.records.items()])
        time.sleep(0.01)
        storage.pack(time.time(), referencesf, True)
        fresh = self.storage()
        kept = {oid for oid in self.records if self.exists(fresh, oid)}
        self.assertEqual(sorted(reachable), sorted(kept))
        self.assertLess(reachable, set(self.records))  # there was garbage

    def exists(self, storage, oid):
        try:
            return bool(storage.load(oid))
        except POSKeyError:
            return False

    def forms(self):
        """A strong and a weak reference of each form, to a new object each."""
        return [make(kind(self.target())) for make in (*STRONG.values(), *WEAK.values())
                for kind in OIDS.values()]

    def test_pickles_of_zodb(self):
        holders = [self.holder(written(zodbpickle.pickle.Pickler, 3, self.forms()))
                   for _ in range(3)]
        self.check_what_stays(holders)

    def test_pickles_of_every_protocol_with_bytes(self):
        holders = [self.holder(written(pickler, protocol, self.forms()))
                   for pickler in (pickle.Pickler, pickle._Pickler)
                   for protocol in ((3,) if fixture.is_python_server() else (3, 4, 5))]
        self.check_what_stays(holders)

    @unittest.skipIf(fixture.is_python_server(), "its pack fails on them")
    def test_pickles_of_older_protocols(self):
        holders = [self.holder(written(pickler, protocol, self.forms()))
                   for pickler in (pickle.Pickler, pickle._Pickler) for protocol in (1, 2)]
        # In protocol 0 a persistent id is a line of text.
        plain = [next(self.next_oids).decode("ascii") for _ in range(3)]
        for oid in plain:
            self.records[oid.encode("ascii")] = written(zodbpickle.pickle.Pickler, 3, [])
        self.target()  # garbage
        holders.append(self.holder(written(pickle.Pickler, 0, plain)))
        self.check_what_stays(holders)

    def test_records_of_python_2(self):
        targets = [self.target() for _ in range(12)]
        high = [p64(0x00000000000000F0 + n) for n in range(10)]
        for oid in high:
            self.records[oid] = written(zodbpickle.pickle.Pickler, 3, [])
        holders = [self.holder(by_python2(targets[:6]))]
        if not fixture.is_python_server():
            holders.append(self.holder(by_python2(high[:7])))
        self.check_what_stays(holders)


if __name__ == "__main__":
    unittest.main()
