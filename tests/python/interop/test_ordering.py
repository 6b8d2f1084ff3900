"""The rules I1 to I7: in which order a connection is told things (docs/ordering.md).

A raw client sees every message in the order it came; where the order of events matters it is
forced by holding a vote open, else many rounds are run side by side.
"""

import threading
import time
import unittest

import fixture
from fixture import ServerTest
from raw_client import RawClient, ServerError, later
from ZODB.utils import maxtid, p64, z64

ROUNDS = 200


class OrderingTest(ServerTest):
    def client(self, **options):
        client = RawClient(self.server.address, **options)
        self.addCleanup(client.close)
        return client

    def hammer(self, oids, until, serials):
        """Commits to the oids in turn until told; runs in a thread."""
        client = self.client()
        number = 0
        while not until.is_set():
            oid = oids[number % len(oids)]
            serials[oid] = client.commit(oid, b"%d" % number, serials.get(oid, z64))
            number += 1

    def hammered(self, *oids):
        """A context in which another client commits to these oids all the time."""
        test = self

        class Hammered:
            def __enter__(self):
                self.serials = {}
                self.until = threading.Event()
                self.thread = threading.Thread(
                    target=test.hammer, args=(oids, self.until, self.serials), daemon=True)
                self.thread.start()
                fixture.wait_until(lambda: len(self.serials) == len(oids), "first commits")
                return self

            def __exit__(self, *_):
                self.until.set()
                self.thread.join(fixture.WAIT_LIMIT_S)
                test.assertFalse(self.thread.is_alive())

        return Hammered()

    # ---- I1 --------------------------------------------------------------------------------------

    def test_I1_commit_events_have_increasing_tids(self):
        own = self.client()
        own_oid = own.call("new_oids", 1)[0]
        other_oid = own.call("new_oids", 1)[0]
        serial, events = z64, []
        with self.hammered(other_oid):
            for number in range(ROUNDS):
                vote = own.staged(own_oid, b"%d" % number, serial, number)
                own.reply(vote)
                finish = own.send("tpc_finish", number)
                while True:
                    message = own.receive()
                    if message[2] == "invalidateTransaction":
                        events.append(message[3][0])
                    elif message[0] == finish:
                        serial = message[3]
                        events.append(serial)
                        break
        self.assertGreater(len(events), ROUNDS)
        self.assertEqual(sorted(set(events)), events)

    # ---- I2 --------------------------------------------------------------------------------------

    def test_I2_invalidation_precedes_answers_that_know_of_the_commit(self):
        writer, reader = self.client(), self.client()
        oid = writer.call("new_oids", 1)[0]
        serial = z64
        for number in range(ROUNDS):
            serial = writer.commit(oid, b"%d" % number, serial)
            answer = ("ping", "lastTransaction")[number % 2]
            reader.call(answer)
            told = reader.invalidations()
            self.assertIn((serial, [oid]), told, answer)

    def test_I2_invalidation_precedes_the_conflict_it_explains(self):
        writer, loser = self.client(), self.client()
        oid = writer.call("new_oids", 1)[0]
        first = writer.commit(oid, b"0")
        held = writer.staged(oid, b"1", first, 2)
        self.assertFalse(writer.reply(held))
        vote = loser.staged(oid, b"2", first)  # waits, or is judged when the writer is done
        second = writer.call("tpc_finish", 2)
        try:
            conflict = loser.reply(vote)[0]  # for the client to resolve
        except ServerError as error:
            conflict = error.details
        self.assertEqual((oid, (second, first)), (conflict["oid"], tuple(conflict["serials"])))
        self.assertIn((second, [oid]), loser.invalidations())

    # ---- I3, I4 ----------------------------------------------------------------------------------

    def test_I3_current_is_true_of_what_was_told(self):
        self.check_loads_against_invalidations(maxtid)

    def test_I4_no_revision_is_newer_than_what_was_told(self):
        self.check_loads_against_invalidations(p64(0x7FFFFFFFFFFFFFF0))

    def check_loads_against_invalidations(self, before):
        reader = self.client()
        oids = reader.call("new_oids", 3)
        told = {}
        line = z64
        with self.hammered(*oids):
            reader.call("ping")
            for tid, names in reader.invalidations():
                line = tid
                told.update(dict.fromkeys(names, tid))
            for _ in range(ROUNDS):
                pending = [reader.load_before(oid, before) for oid in oids]
                while pending:
                    message = reader.receive()
                    if message[2] == "invalidateTransaction":
                        line = message[3][0]
                        told.update(dict.fromkeys(message[3][1], line))
                    elif message[2] == ".reply":
                        pending.remove(message[0])
                        oid = message[0][0]
                        _, start, end = message[3]
                        self.assertLessEqual(start, line)
                        if end is None:
                            self.assertEqual(told.get(oid, start), start)
                        else:
                            self.assertLessEqual(end, line)

    def test_I4_commit_is_invisible_until_it_is_finished(self):
        writer, reader = self.client(), self.client()
        oid = writer.call("new_oids", 1)[0]
        first = writer.commit(oid, b"old")
        writer.reply(writer.staged(oid, b"new", first, 2))
        key = reader.load_before(oid)
        self.assertEqual((b"old", first, None), tuple(reader.reply(key)))
        self.assertEqual(first, reader.call("lastTransaction"))
        writer.call("tpc_abort", 2)
        self.assertEqual((b"old", first, None), tuple(reader.reply(reader.load_before(oid))))

    # ---- I5 --------------------------------------------------------------------------------------

    def test_I5_registering_is_answered_before_any_invalidation(self):
        oids = self.client().call("new_oids", 2)
        with self.hammered(*oids):
            for _ in range(ROUNDS // 4):
                client = self.client(register=False)
                client.send_bytes(client.protocol, client.message("register", "1", False))
                message = client.receive()
                self.assertEqual((1, ".reply"), (message[0], message[2]))
                line = message[3]
                # From here on nothing may be missing: together with what the log says of the
                # time between, the invalidations are complete.
                up_to, _ = client.call("getInvalidations", line)
                for tid, _ in client.invalidations():
                    self.assertGreater(tid, line)
                    line = tid
                self.assertGreaterEqual(line, up_to)
                client.close()

    def test_I5_nothing_is_lost_between_register_and_the_first_invalidation(self):
        oid = self.client().call("new_oids", 1)[0]
        with self.hammered(oid) as hammered:
            client = self.client()
            line = client.tid
            for _ in range(20):
                client.call("ping")
        client.call("ping")
        told = [tid for tid, _ in client.invalidations()]
        self.assertEqual(hammered.serials[oid], told[-1])
        history = self.client().call("history", oid, 100000)
        expected = sorted(h["tid"] for h in history if h["tid"] > line)
        self.assertEqual(expected, told)

    # ---- I6, I7 ----------------------------------------------------------------------------------

    def test_I6_committer_gets_the_reply_and_no_invalidation(self):
        client = self.client()
        oid = client.call("new_oids", 1)[0]
        serial = z64
        for number in range(20):
            serial = client.commit(oid, b"%d" % number, serial)
        client.call("ping")
        self.assertEqual([], client.invalidations())

    def test_I6_vote_names_what_an_undo_changes(self):
        client, other = self.client(), self.client()
        oid = client.call("new_oids", 1)[0]
        first = client.commit(oid, b"1")
        second = client.commit(oid, b"2", first)
        undo_id = client.call("undoInfo", 0, 1, None)[0]["id"]
        client.begin(7)
        client.tell("undoa", undo_id, 7)
        self.assertEqual([oid], list(client.call("vote", 7)))
        third = client.call("tpc_finish", 7)
        self.assertEqual((b"1", third, None), tuple(client.reply(client.load_before(oid))))
        before_undo = client.reply(client.load_before(oid, later(second)))
        self.assertEqual((b"2", second, third), tuple(before_undo))
        other.call("ping")
        self.assertIn((third, [oid]), other.invalidations())

    def test_I7_new_objects_are_in_the_invalidation(self):
        writer, reader = self.client(), self.client()
        old, new = writer.call("new_oids", 2)
        serial = writer.commit(old, b"old")
        writer.begin(2)
        writer.store(old, b"old again", serial, 2)
        writer.store(new, b"new", z64, 2)
        writer.call("vote", 2)
        tid = writer.call("tpc_finish", 2)
        reader.call("ping")
        told = dict(reader.invalidations())
        self.assertEqual({old, new}, set(told[tid]))
        self.assertEqual({old, new}, set(reader.call("getInvalidations", serial)[1]))

    # ---- a transaction that writes nothing, and the queue of what takes long ---------------------

    def test_a_transaction_without_stores_is_one_like_others(self):
        writer, watcher = self.client(), self.client()
        oid = writer.call("new_oids", 1)[0]
        first = writer.commit(oid, b"1")
        writer.begin(2)
        self.assertFalse(writer.call("vote", 2))
        empty = writer.call("tpc_finish", 2)
        self.assertGreater(empty, first)
        self.assertEqual((0, True, "invalidateTransaction", (first, [oid])),
                         self.event(watcher))
        self.assertEqual((0, True, "invalidateTransaction", (empty, [])), self.event(watcher))
        self.assertEqual(empty, watcher.call("lastTransaction"))
        up_to, missed = watcher.call("getInvalidations", first)
        self.assertEqual((empty, []), (up_to, list(missed)))
        iterator = watcher.call("iterator_start", first, None)
        self.assertEqual(first, watcher.call("iterator_next", iterator)[0])
        self.assertEqual((empty, " "), tuple(watcher.call("iterator_next", iterator)[:2]))
        records = watcher.call("iterator_record_start", iterator, empty)
        self.assertIsNone(watcher.call("iterator_record_next", records))
        self.assertIsNone(watcher.call("iterator_next", iterator))
        self.assertGreater(writer.commit(oid, b"2", first, 3), empty)

    @unittest.skipIf(fixture.is_python_server(), "it tells of every pack")
    def test_clients_are_told_the_size_after_packs_that_removed_something(self):
        client, watcher = self.client(), self.client()
        oid = client.call("new_oids", 1)[0]
        client.commit(oid, b"2", client.commit(oid, b"1"), 2)
        for sizes in (1, 0):
            client.call("pack", time.time() + 1, True)
            watcher.call("ping")
            told = [message for message in watcher.received if message[2] == "info"]
            self.assertEqual(sizes, len(told))
            watcher.received.clear()

    @staticmethod
    def event(client):
        message_id, one_way, name, args = client.receive()
        return message_id, bool(one_way), name, (args[0], list(args[1]))

    @unittest.skipIf(fixture.is_python_server(), "each has a thread there: they come in any order")
    def test_answers_to_calls_that_take_long_are_each_given_once_in_order(self):
        client = self.client()
        oid = client.call("new_oids", 1)[0]
        serial = z64
        for number in range(10):
            serial = client.commit(oid, b"%d" % number, serial)
        client = self.client()
        long_calls, loads = [], []
        for number in range(50):
            long_calls.append(client.send("undoInfo", 0, 10 ** 6, {"user_name": b"nobody"}))
            long_calls.append(client.send("undoLog", number % 10, 10))
            loads.append(client.send("getTid", oid))
        answers = {}
        while len(answers) < len(long_calls) + len(loads):
            message_id, failed, _, answer = client.receive()
            self.assertFalse(failed or message_id in answers, answer)
            answers[message_id] = answer
        self.assertEqual(long_calls, [i for i in answers if i in set(long_calls)])
        self.assertEqual([serial] * len(loads), [answers[i] for i in loads])
        self.assertEqual([0, 10], [len(answers[i]) for i in long_calls[:2]])


if __name__ == "__main__":
    unittest.main()
