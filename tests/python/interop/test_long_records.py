"""Records longer than what may wait for a client, by stock clients."""

import unittest

import fixture
from fixture import ServerTest
from transaction.interfaces import TransientError
from ZODB.POSException import StorageError
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


@unittest.skipIf(fixture.is_python_server(), "it has no limit")
class LargeTransactionTest(ServerTest):
    options = {"limits": {"transaction": "1 MiB"}}

    def test_one_that_is_too_large_is_refused_for_good_and_the_connection_goes_on(self):
        writer = self.storage()
        lost = []
        disconnect = writer.notify_disconnected
        writer.notify_disconnected = lambda: lost.append(1) or disconnect()
        oids = [writer.new_oid() for _ in range(40)]
        records = [(oid, z64, b"x" * 100_000) for oid in oids]
        for _ in range(2):
            with self.assertRaisesRegex(StorageError, "bytes together, no more") as caught:
                fixture.commit_records(writer, records)
            self.assertNotIsInstance(caught.exception, TransientError)
        tid = fixture.commit_records(writer, records[:5])
        self.assertEqual([], lost)
        reader = self.storage()
        self.assertEqual((b"x" * 100_000, tid), reader.load(oids[4]))
        self.assertRaises(KeyError, reader.load, oids[5])


if __name__ == "__main__":
    unittest.main()
