"""Clients that do not keep to the protocol: they are cut off, and the others notice nothing."""

import contextlib
import os
import pickle
import socket
import struct
import time
import unittest

import fixture
from fixture import ServerTest, commit_record
from raw_client import Closed, RawClient, ServerError
from ZODB.utils import maxtid, p64, z64

OIDS = 3


def framed(payload):
    return struct.pack(">I", len(payload)) + payload


def proto3(body):
    """A pickle of protocol 3 from the bytes between its header and its end."""
    return b"\x80\x03" + body + b"."


# Messages that cannot be decoded, or must not be. Each is what a client sends after registering.
BOMBS = {
    "not a pickle": b"salty",
    "empty": b"",
    "only a stop": b".",
    "no stop": b"\x80\x03(K\x01",
    "not a tuple": proto3(b"K\x01"),
    "three items": proto3(b"K\x01K\x00X\x04\x00\x00\x00ping\x87"),
    "five items": pickle.dumps((1, 0, "ping", (), 5), 3),
    "nested too deep": proto3(b"(" + b"]" * 200000 + b"a" * 199999 + b"t"),
    "tuples too deep": proto3(b")" + b"\x85" * 500000),
    "length without bytes": proto3(b"B\xff\xff\xff\x7f"),
    "long without bytes": proto3(b"\x8b\xff\xff\xff\x7f"),
    "memo index": proto3(b"Nr\xff\xff\xff\xff"),
    "memo never written": proto3(b"h\x05"),
    "stack underflow": proto3(b"aaaa"),
    "contains itself": proto3(b"]q\x00h\x00a" * 3 + b"t"),
    "os.system": proto3(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R"),
    "builtins.eval": proto3(b"K\x01\x89X\x04\x00\x00\x00pingcbuiltins\neval\n"
                            b"X\x03\x00\x00\x001/0\x85R\x85t"),
    "a class of the application": proto3(b"(K\x01\x89X\x04\x00\x00\x00ping"
                                         b"c__main__\nHack\n)\x81\x85t"),
    "doubling references": proto3(b"(K\x01\x89X\x04\x00\x00\x00ping]q\x00" + b"".join(
        b"]q%c(h%ch%ce" % (i + 1, i, i) for i in range(60)) + b"t"),
}

# The same for msgpack.
MSGPACK_BOMBS = {
    "not msgpack": b"\xc1",
    "empty": b"",
    "array without items": b"\xdd\xff\xff\xff\xff",
    "map without items": b"\xdf\xff\xff\xff\xff",
    "bytes without bytes": b"\x94\x01\xc2\xa4ping\xc6\xff\xff\xff\xff",
    "nested too deep": b"\x91" * 500000 + b"\xc0",
    "an extension type": b"\x94\x01\xc2\xa4ping\xc7\x01\x05x",
    "bytes behind the end": b"\x94\x01\xc2\xa4ping\x90\xc0\xc0",
    "not a tuple": b"\x01",
    "three items": b"\x93\x01\xc2\xa4ping",
}

# What ZEO's own server takes without complaint, or dies of; ours must close.
PYTHON_TAKES = {"five items", "doubling references", "contains itself", "builtins.eval"}


class HostileTest(ServerTest):
    options = {"vote_timeout": 2}

    def setUp(self):
        super().setUp()
        self.witness = self.storage()
        self.serial = commit_record(self.witness, p64(1), b"record")
        self.generation = self.witness._connection_generation

    def tearDown(self):
        """A second client works on, on the connection that it had."""
        commit_record(self.witness, p64(1), b"record 2", self.serial)
        self.assertEqual(self.generation, self.witness._connection_generation)
        self.assertTrue(self.server.is_running())

    def client(self, **options):
        client = RawClient(self.server.address, **options)
        self.addCleanup(client.close)
        return client

    def bare_socket(self):
        s = socket.create_connection(self.server.address)
        self.addCleanup(s.close)
        s.settimeout(20)
        return s

    @contextlib.contextmanager
    def one_log_line(self):
        """What is done here makes the server write one line, however it is done."""
        if fixture.is_python_server():
            yield
            return
        before = len(self.server.log_text().splitlines())
        yield
        until = time.monotonic() + 10
        while len(self.server.log_text().splitlines()) == before and time.monotonic() < until:
            time.sleep(0.01)
        lines = self.server.log_text().splitlines()[before:]
        self.assertEqual(1, len(lines), lines)

    def check_closes(self, bombs, encoding):
        for name, payload in bombs.items():
            if fixture.is_python_server() and name in PYTHON_TAKES:
                continue
            with self.subTest(name), self.one_log_line():
                client = self.client(encoding=encoding)
                client.socket.settimeout(5)
                try:
                    client.send_bytes(payload)
                    self.assertTrue(client.is_closed(), "still open")
                except OSError:
                    pass  # closed while we wrote

    # ---- what cannot be decoded ------------------------------------------------------------------

    def test_pickles_that_cannot_be_decoded_close_the_connection(self):
        self.check_closes(BOMBS, b"Z5")

    def test_msgpack_that_cannot_be_decoded_closes_the_connection(self):
        if fixture.is_python_server():
            self.skipTest("it stays open after some of them")
        self.check_closes(MSGPACK_BOMBS, b"M5")

    def test_random_bytes(self):
        for size in (1, 10, 1000, 100000):
            client = self.client()
            client.send_bytes(os.urandom(size))
            self.assertTrue(client.is_closed())

    def test_a_length_that_no_message_has(self):
        s = self.bare_socket()
        s.sendall(b"\xff\xff\xff\xff" + b"x" * 1000)
        self.server_answers()

    # ---- the handshake ---------------------------------------------------------------------------

    def test_greetings_that_are_none(self):
        for greeting in (b"Z4", b"Z3101", b"X5", b"GET / HTTP/1.0", b"Z", b"ZZZZ5", b"\0" * 2000):
            if fixture.is_python_server() and greeting == b"X5":
                continue
            s = self.bare_socket()
            s.recv(6)
            with self.one_log_line():
                s.sendall(framed(greeting))
                self.assertEqual(b"", s.recv(1), greeting)

    def test_both_encodings_are_understood_whatever_was_announced(self):
        for encoding in (b"Z5", b"M5"):
            client = self.client(encoding=encoding)
            data, tid, end = client.reply(client.load_before(p64(1)))
            self.assertEqual((b"record", self.serial, None), (data, tid, end))

    def test_connections_that_close_at_once(self):
        for _ in range(50):
            s = socket.create_connection(self.server.address)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            socket.create_connection(self.server.address).close()
        self.server_answers()
        if not fixture.is_python_server():
            noisy = [line for line in self.server.log_text().splitlines()
                     if " warning " in line.lower() or " error " in line.lower()]
            self.assertEqual([], noisy)

    def server_answers(self):
        self.assertEqual(8, len(self.client().call("lastTransaction")))

    # ---- calls that are wrong --------------------------------------------------------------------

    def test_methods_that_are_not_there_close_the_connection(self):
        for name in ("nonsense", "__init__", "__class__", "", "stop", "x" * 100000):
            client = self.client()
            with self.one_log_line():
                client.send(name)
                self.assertTrue(client.is_closed(), name[:20])

    def test_what_a_client_says_is_no_line_of_the_log(self):
        client = self.client()
        client.call("set_client_label", "x\n2026-11-28T00:00:00.000Z error forged")
        with self.one_log_line():
            client.send("no\nsuch")
            self.assertTrue(client.is_closed())

    def test_only_register_is_allowed_before_registering(self):
        for name in ("lastTransaction", "get_info", "vote", "tpc_begin"):
            client = self.client(register=False)
            client.send_bytes(client.protocol, client.message(name))
            self.assertTrue(client.is_closed(), name)

    def test_registering_twice_or_for_what_is_not_there(self):
        with self.assertRaises((Closed, ServerError)):
            self.client().call("register", "1", False)
        client = self.client(register=False)
        client.send_bytes(client.protocol)
        with self.assertRaises(ServerError) as caught:
            client.call("register", "nothing", False)
        self.assertIn("ValueError", caught.exception.class_name)

    def test_wrong_arguments_are_an_error_or_close_the_connection(self):
        calls = [("loadBefore", b"short", maxtid), ("loadBefore", z64, b""), ("loadBefore",),
                 ("loadBefore", None, None), ("loadBefore", 5, 6), ("loadSerial", b"x" * 9, z64),
                 ("history", z64, None), ("getInvalidations", b"x"), ("sendBlob", b"", b""),
                 ("iterator_next", 77), ("iterator_next", "x"), ("new_oids", "many"),
                 ("iterator_start", b"x", b"y"), ("record_iternext", b"x"), ("pack", "now", True),
                 ("undoInfo", "a", "b", "c"), ("set_client_label",),
                 ("vote",), ("tpc_finish", "no such"), ("tpc_finish", None)]
        for call in calls:
            with self.subTest(call):
                client = self.client()
                try:
                    answer = client.call(*call)
                    if not fixture.is_python_server():  # which takes two of them as they are
                        self.assertIsNone(answer)
                except (Closed, ServerError):
                    pass

    def test_a_call_with_a_short_oid_says_so(self):
        client = self.client()
        with self.assertRaises((Closed, ServerError)):
            client.reply(client.load_before(b"short"))

    # ---- transactions out of order ---------------------------------------------------------------

    def test_finish_without_a_vote_commits_nothing(self):
        client = self.client()
        oid = client.call("new_oids", 1)[0]
        client.begin()
        client.store(oid, b"never voted")
        with self.assertRaises((Closed, ServerError)):
            client.call("tpc_finish", 1)
        self.assertFalse(self.exists(oid))

    def exists(self, oid):
        client = self.client()
        try:
            return client.reply(client.load_before(oid)) is not None
        except ServerError as error:
            self.assertIn("POSKeyError", error.class_name)
            return False

    def test_stores_outside_of_a_transaction_close_the_connection(self):
        for name, *args in (("storea", p64(1), z64, b"", 1), ("undoa", b"x", 1),
                            ("deleteObject", p64(1), z64, 1), ("storeBlobChunk", b"x"),
                            ("storeBlobEnd", p64(1), z64, b"", 1),
                            ("checkCurrentSerialInTransaction", p64(1), z64, 1),
                            ("restorea", p64(1), z64, b"", None, 1)):
            client = self.client()
            with self.one_log_line():
                client.tell(name, *args)
                self.assertTrue(client.is_closed(), name)

    def test_another_transaction_while_one_is_open_closes_the_connection(self):
        client = self.client()
        client.begin(1)
        client.begin(1)  # the same again is ignored
        client.call("ping")
        with self.one_log_line():
            client.begin(2)
            self.assertTrue(client.is_closed())

    def test_voting_twice_is_an_error(self):
        client = self.client()
        oid = client.call("new_oids", 1)[0]
        client.reply(client.staged(oid, b"x"))
        with self.assertRaises((Closed, ServerError)):
            client.call("vote", 1)
        client.close()

    def test_a_lost_connection_gives_its_locks_back(self):
        client, other = self.client(), self.client()
        client.reply(client.staged(p64(1), b"mine", self.serial))
        waiting = other.staged(p64(1), b"other", self.serial)
        client.close()
        self.assertFalse(other.reply(waiting))
        other.call("tpc_abort", 1)

    def test_a_vote_after_reconnecting_is_another_transaction(self):
        client = self.client()
        client.reply(client.staged(p64(1), b"mine", self.serial))
        client.close()
        client = self.client()
        with self.assertRaises((Closed, ServerError)):
            client.call("vote", 1)
        client = self.client()
        with self.assertRaises((Closed, ServerError)):
            self.assertIsNone(client.call("tpc_finish", 1))  # ZEO's server answers None
            raise ServerError("answered", None)
        self.client().call("tpc_abort", 1)  # also of what is not known

    @unittest.skipIf(fixture.is_python_server(), "it keeps the lock of a client it cut off itself")
    def test_a_vote_without_a_finish_is_given_up(self):
        client = self.client()
        client.reply(client.staged(p64(1), b"silent", self.serial))
        started = time.monotonic()
        other = self.client()
        with self.one_log_line():
            self.assertFalse(other.reply(other.staged(p64(1), b"other", self.serial)))
            self.assertLess(time.monotonic() - started, 10)
            self.assertTrue(client.is_closed())
        other.call("tpc_abort", 1)

    # ---- many of them ----------------------------------------------------------------------------

    def test_a_client_that_does_not_read_is_cut_off_or_waits_alone(self):
        silent = self.client()
        record = b"z" * (1 << 20)
        commit_record(self.witness, p64(2), record)
        for number in range(200):
            silent.socket.setblocking(False)
            try:
                silent.send_bytes(silent.message("loadBefore", p64(2), maxtid))
            except BlockingIOError:
                break
            except OSError:
                break  # cut off
        for _ in range(20):
            self.server_answers()

    @unittest.skipUnless(os.environ.get("ZEOLITE_TEST_LONG"), "ten thousand connections: long")
    def test_ten_thousand_idle_connections(self):
        idle = []
        try:
            for _ in range(10000):
                idle.append(self.client())
            self.server_answers()
            for client in idle[::100]:
                client.call("ping")
        finally:
            for client in idle:
                client.close()


if __name__ == "__main__":
    unittest.main()
