"""Records longer than what may wait for a client, by stock clients."""

import unittest

import fixture
from fixture import ServerTest
from ZODB.utils import p64, z64

LENGTH = 8 << 20


class LongRecordTest(ServerTest):
    options = {"limits": {"frame": "1 MiB", "outbound": "3 MiB", "buffers": "40 MiB"}}

    def test_a_long_record_is_stored_and_loaded_by_all(self):
        writer = self.storage()
        oids = [writer.new_oid() for _ in range(3)]
        serials = [fixture.commit_record(writer, oid, bytes([n]) * LENGTH)
                   for n, oid in enumerate(oids)]
        readers = [self.storage(), self.storage(), writer]
        for reader in readers:
            for n, oid in enumerate(oids):
                data, serial = fixture.through_losses(lambda: reader.load(oid))
                self.assertEqual((bytes([n]) * LENGTH, serials[n]), (data, serial))
        second = fixture.commit_record(writer, oids[0], b"short", serials[0])
        fixture.wait_until(lambda: readers[0].lastTransaction() == second, "the invalidation")
        self.assertEqual((b"short", second), readers[0].load(oids[0]))
        self.assertEqual(bytes([0]) * LENGTH, readers[1].loadSerial(oids[0], serials[0]))

    def test_long_and_short_records_of_one_transaction(self):
        writer = self.storage()
        oids = [writer.new_oid() for _ in range(20)]
        records = [(oid, z64, b"%d" % n * (LENGTH // 2 if n % 10 == 0 else 1))
                   for n, oid in enumerate(oids)]
        tid = fixture.commit_records(writer, records)
        reader = self.storage()
        for oid, _, data in records:
            self.assertEqual((data, tid), fixture.through_losses(lambda: reader.load(oid)))
        transactions = list(reader.iterator(tid, tid))
        self.assertEqual([tid], [one.tid for one in transactions])
        self.assertRaises(KeyError, reader.load, p64(10 ** 9))


if __name__ == "__main__":
    unittest.main()
