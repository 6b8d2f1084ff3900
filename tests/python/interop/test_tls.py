"""Stock clients over TLS, and peers on that port that do not speak it."""

import contextlib
import socket
import ssl
import unittest

import fixture
from fixture import ServerTest, commit_record, wait_until
from pair import PairTest
from raw_client import RawClient
from ZODB.utils import p64

LARGE = 20 << 20


def client_context(*servers):
    context = ssl.create_default_context()
    for server in servers:
        context.load_verify_locations(server.directory / "tls.pem")
    return context


@unittest.skipIf(fixture.is_python_server(), "its own tests do this")
class TlsTest(ServerTest):
    options = {"tls": True}

    def client(self):
        return self.storage(ssl=client_context(self.server))

    def test_a_stock_client_commits_and_another_is_told(self):
        writer, reader = self.client(), self.client()
        tid = commit_record(writer, p64(1), b"first")
        wait_until(lambda: reader.lastTransaction() == tid, "the other one is told")
        self.assertEqual((b"first", tid), reader.load(p64(1)))

    def test_large_records_go_both_ways(self):
        record = bytes(range(256)) * (LARGE // 256)
        tid = commit_record(self.client(), p64(1), record)
        self.assertEqual((record, tid), self.client().load(p64(1)))

    def test_a_client_that_leaves_is_answered_in_order(self):
        plain = socket.create_connection(self.server.address)
        secure = client_context(self.server).wrap_socket(plain, server_hostname="localhost")
        self.assertEqual(b"\0\0\0\2", secure.recv(4))
        secure.recv(2)
        # Raises when the server does not say goodbye, too.
        with secure.unwrap() as left:
            self.assertEqual(b"", left.recv(1))

    def test_who_does_not_speak_tls_is_hung_up_on_with_one_line(self):
        before = len(self.server.log_text().splitlines())

        def lines():
            return self.server.log_text().splitlines()[before:]

        for count, words in enumerate(
                (b"\0\0\0\2Z5" + b"\0" * 100, b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 1000), 1):
            with socket.create_connection(self.server.address) as peer:
                peer.settimeout(20)
                peer.sendall(words)
                # After an alert, a reset when the server had not read all of it.
                with contextlib.suppress(ConnectionError):
                    while peer.recv(1000):
                        pass
            wait_until(lambda: len(lines()) >= count, "the line is written")
        commit_record(self.client(), p64(1), b"record")
        self.assertEqual(3, len(lines()), lines())
        for line in lines():
            self.assertIn("TLS", line)

    def test_connections_that_close_at_once_are_not_worth_a_line(self):
        before = self.server.log_text()
        for words in (b"", b"\x16\x03\x01"):
            with socket.create_connection(self.server.address) as peer:
                peer.sendall(words)
        commit_record(self.client(), p64(1), b"record")
        self.assertEqual(before, self.server.log_text())


@unittest.skipIf(fixture.is_python_server(), "its own tests do this")
class PlainPortTest(ServerTest):
    def test_a_tls_client_is_hung_up_on(self):
        with socket.create_connection(self.server.address) as plain:
            plain.settimeout(20)
            context = ssl.create_default_context()
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="localhost")
        self.assertEqual(8, len(RawClient(self.server.address).call("lastTransaction")))


class TlsParkingTest(PairTest):
    """A standby that parks clients finishes the handshake with them, and is silent then."""

    options = {"replicates": True, "parks": True, "tls": True}

    def test_a_parked_client_is_greeted_by_the_promoted_standby(self):
        connection = self.connection(self.client(
            self.write_ports, ssl=client_context(self.primary, self.standby)))
        self.write(connection, x=1)
        self.primary.kill()
        standby = self.standby.address
        wait_until(lambda: fixture.attempt_at(connection.db().storage, standby),
                   "the client waits at the standby")
        attempt = fixture.attempt_at(connection.db().storage, standby)
        self.promote(self.standby)
        self.wait_connected(connection.db())
        self.assertIs(attempt, connection.db().storage._server.client.protocol)
        self.write(connection, x=2)
        self.assertEqual(2, self.read(connection, "x"))


if __name__ == "__main__":
    unittest.main()
