"""What stock clients see of a takeover, of a switchover, and of what either may lose."""

import concurrent.futures
import json
import pathlib
import socket
import struct
import subprocess
import time
import unittest

import fixture
from BTrees.Length import Length
from fixture import wait_until, zeo_servers
from pair import POLL_S, PairTest, Records
from persistent.mapping import PersistentMapping
from raw_client import RawClient
from test_reconnect import HAMMERERS, Hammering
from ZEO.Exceptions import ClientDisconnected
from ZODB.blob import Blob
from ZODB.POSException import ReadOnlyError

WARM = ("Cache up to date", "quick verification")


class RefusingTest(PairTest):
    """The default: until it is promoted the standby's write port refuses."""

    def test_a_client_goes_on_with_the_promoted_standby(self):
        log = Records(self)
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.assert_refused(self.standby.address)
        self.primary.kill()
        self.wait_lost(connection.db())
        self.assert_refused(self.standby.address)
        self.promote(self.standby)
        self.wait_connected(connection.db())
        self.assertEqual(self.standby.address, self.address_of(connection.db()))
        self.assertIn(self.verdict(connection.db()), WARM)
        self.assertEqual(1, self.read(connection, "x"))
        self.write(connection, x=2)
        self.assertEqual([], log.texts)

        # And when the old primary is back, the other way round.
        self.rejoin()
        self.assert_refused(self.primary.address)
        self.write(connection, x=3)
        self.wait_shown(self.standby, self.primary)
        self.standby.kill()
        self.wait_lost(connection.db())
        self.promote(self.primary)
        self.wait_connected(connection.db())
        self.assertEqual(3, self.read(connection, "x"))
        self.write(connection, x=4)
        self.assertEqual([], log.texts)

    def test_a_killed_primary_that_is_back_has_its_clients_back(self):
        # A client that the dying process takes in once more, and loses before it said anything,
        # tries the standby alone from then on, and for ever.
        connection = self.connection(self.client(self.write_ports))
        for number in range(8):
            self.write(connection, x=number)
            self.primary.kill()
            self.wait_lost(connection.db())
            self.primary.start()
            self.wait_connected(connection.db(), what=f"connected after {number + 1} kills")

    def test_a_switchover_closes_writers_and_refuses_them(self):
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.primary.run("switchover")
        self.wait_demoted(self.primary)
        self.assert_refused(self.primary.address)
        self.write(connection, x=2)
        self.assertEqual(self.standby.address, self.address_of(connection.db()))
        reader = self.connection(self.client([self.primary.read_address], read_only=True))
        wait_until(lambda: self.read(reader, "x") == 2, "the demoted server follows")

    def test_a_voted_transaction_of_a_demoted_primary_fails(self):
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        connection.root()["x"] = 2
        current = connection.transaction_manager.get()
        connection.tpc_begin(current)
        connection.commit(current)
        connection.tpc_vote(current)
        self.primary.run("demote")
        # The server of the reign that ended may still take a client for a moment, and lose it again.
        self.wait_demoted(self.primary)
        self.wait_lost(connection.db())
        self.assertRaises(ClientDisconnected, connection.tpc_finish, current)
        self.assert_refused(self.primary.address)
        self.promote(self.standby, "--force")
        self.wait_connected(connection.db())
        connection.tpc_abort(current)
        connection.transaction_manager.abort()
        self.assertEqual(1, self.read(connection, "x"))

    def test_a_closed_clients_cache_is_warm_after_a_takeover(self):
        log = Records(self)
        options = {"client": "warm", "var": str(self.directory)}
        database = self.client(self.write_ports, **options)
        self.write(self.connection(database), **{f"o{i}": PersistentMapping() for i in range(50)})
        database.close()
        self.take_over()
        # What the first is told, the others hold against what they are told.
        for restarts in range(3):
            database = self.client([self.standby.address], **options)
            self.assertIn(self.verdict(database), WARM)
            before = database.storage.server_status()["loads"]
            root = self.connection(database).root()
            self.assertEqual([{}] * 50, [dict(root[f"o{i}"]) for i in range(50)])
            if restarts > 0:
                self.assertEqual(before, database.storage.server_status()["loads"])
            database.close()
            self.standby.stop()
            self.standby.start()
        self.assertEqual([], log.texts)


class ParkingTest(PairTest):
    """`--zeo-standby park`: the standby's write port takes clients, and is silent."""

    options = {"replicates": True, "parks": True}

    def wait_parked(self, database):
        wait_until(lambda: fixture.attempt_at(database.storage, self.standby.address),
                   "the client waits at the standby")

    def test_a_parked_client_is_greeted_by_the_promoted_standby(self):
        log = Records(self)
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.primary.kill()
        self.wait_parked(connection.db())
        attempt = fixture.attempt_at(connection.db().storage, self.standby.address)
        self.promote(self.standby)
        self.wait_connected(connection.db())
        self.assertIs(attempt, connection.db().storage._server.client.protocol)
        self.assertIn(self.verdict(connection.db()), WARM)
        self.assertEqual(1, self.read(connection, "x"))
        self.write(connection, x=2)
        self.assertEqual([], log.texts)

        # And when the old primary is back, the other way round.
        self.rejoin()
        self.write(connection, x=3)
        self.wait_shown(self.standby, self.primary)
        self.standby.kill()
        wait_until(lambda: fixture.attempt_at(connection.db().storage, self.primary.address),
                   "the client waits at the old primary")
        self.promote(self.primary)
        self.wait_connected(connection.db())
        self.write(connection, x=4)
        self.assertEqual([], log.texts)

    def test_clients_of_a_restarted_standby_wait_for_the_old_primary(self):
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.wait_shown()
        self.primary.kill()
        self.wait_parked(connection.db())
        self.standby.stop()
        self.standby.start()
        self.promote(self.standby, "--force")
        # Until all its attempts have ended the client begins no other, and as a rule the refused one
        # never ends: the new primary is there in vain. But the old primary takes the client in,
        # finds that another one leads, and hangs up.
        self.rejoin()
        self.wait_connected(connection.db())
        self.assertEqual(self.standby.address, self.address_of(connection.db()))
        self.write(connection, x=2)

    def test_a_parked_client_that_leaves_is_forgotten(self):
        others = self.standby.status()["clients"]
        clients = [socket.create_connection(self.standby.address) for _ in range(20)]
        wait_until(lambda: self.standby.status()["clients"] >= len(clients), "they are there")
        for client in clients:
            client.close()
        wait_until(lambda: self.standby.status()["clients"] <= others, "they are gone")

    def test_a_parked_client_takes_the_primary_that_is_back_first(self):
        # Nothing that a client holds while it registers is held while it is parked.
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.primary.kill()
        self.wait_parked(connection.db())
        self.primary.start()
        self.wait_connected(connection.db())
        self.assertEqual(self.primary.address, self.address_of(connection.db()))
        self.write(connection, x=2)

    def test_a_silent_standby_named_first_does_not_keep_a_client_from_the_primary(self):
        connection = self.connection(self.client(reversed(self.write_ports)))
        self.write(connection, x=1)
        self.assertEqual(self.primary.address, self.address_of(connection.db()))
        self.assertIsNone(fixture.attempt_at(connection.db().storage, self.standby.address))

    def test_a_parked_connection_hears_nothing_until_the_greeting(self):
        self.commit_one()
        with socket.create_connection(self.standby.address) as waiting:
            waiting.settimeout(0.3)
            self.assertRaises(TimeoutError, waiting.recv, 1)
            self.take_over()
            waiting.settimeout(fixture.WAIT_LIMIT_S)
            self.assertEqual(2, struct.unpack(">I", waiting.recv(4, socket.MSG_WAITALL))[0])
            self.assertEqual(b"M5" if fixture.MSGPACK else b"Z5",
                             waiting.recv(2, socket.MSG_WAITALL))

    def test_a_probe_is_answered_at_a_parked_port(self):
        client = RawClient(self.standby.address, waits=False)
        self.addCleanup(client.close)
        client.send_bytes(b"ruok")
        self.assertEqual(["main"], list(json.loads(client.receive_bytes())))
        self.assertTrue(client.is_closed())

    def test_a_demoted_primary_parks_its_writers(self):
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, x=1)
        self.primary.run("switchover")
        self.write(connection, x=2)
        self.assertEqual(self.standby.address, self.address_of(connection.db()))
        self.wait_demoted(self.primary)
        wait_until(lambda: zeo_servers.can_connect(self.primary.address), "its port is open")
        with socket.create_connection(self.primary.address) as waiting:
            waiting.settimeout(0.3)
            self.assertRaises(TimeoutError, waiting.recv, 1)

    def test_parked_clients_leave_room_for_commands(self):
        self.standby.stop()
        self.standby.options["limits"] = {"connections": 20}
        self.standby.start()
        wait_until(self.primary.has_in_sync_standby, "the standby is in sync")
        self.commit_one()
        clients = [socket.create_connection(self.standby.address) for _ in range(30)]
        for client in clients:
            self.addCleanup(client.close)
        self.take_over()
        for client in clients[:10]:
            client.settimeout(fixture.WAIT_LIMIT_S)
            self.assertEqual(6, len(client.recv(6, socket.MSG_WAITALL)))


class FallbackTest(PairTest):
    """Clients with read-only-fallback, which are also told the read port."""

    def make_root(self):
        """A client that begins as a reader, as any of these may, cannot make it."""
        self.client(self.write_ports).close()
        self.wait_shown()

    def fallback_client(self):
        return fixture.through_losses(lambda: self.client([*self.write_ports, *self.read_ports],
                                                  read_only_fallback=True))

    def test_a_client_whom_a_reader_took_first_goes_to_the_primary(self):
        self.make_root()
        self.pause(self.primary)
        database = self.fallback_client()
        self.wait_connected(database, read_only=True, what="the standby takes the client")
        self.assertEqual(self.standby.read_address, self.address_of(database))
        self.go_on(self.primary)
        self.wait_connected(database, what="the primary takes the client")
        self.assertEqual(self.primary.address, self.address_of(database))
        self.write(self.connection(database), x=1)

    def test_reads_go_on_and_the_client_is_upgraded_at_promotion(self):
        log = Records(self)
        self.make_root()
        database = self.fallback_client()
        self.wait_connected(database, what="the primary takes the client")
        connection = self.connection(database)
        self.write(connection, x=1)
        self.wait_shown()
        self.primary.kill()
        self.wait_connected(connection.db(), read_only=True, what="the read port takes the client")
        self.assertEqual(1, self.read(connection, "x"))
        connection.root()["x"] = 2
        self.assertRaises(ReadOnlyError, connection.transaction_manager.commit)
        connection.transaction_manager.abort()
        reader = RawClient(self.standby.read_address, read_only=True)
        self.addCleanup(reader.close)
        self.promote(self.standby)
        self.wait_connected(connection.db(), what="the client writes again")
        self.assertEqual(self.standby.address, self.address_of(connection.db()))
        self.write(connection, x=3)
        # Readers were not dropped, and are told of what is committed now.
        self.assertEqual(connection.root()._p_serial, reader.call("lastTransaction"))
        self.assertEqual(1, len(reader.invalidations()))
        self.assertEqual([], log.texts)

    def test_a_client_that_knows_only_the_read_port_stays_a_reader(self):
        writer = self.connection(self.client(self.write_ports))
        self.write(writer, x=1)
        self.wait_shown()
        reader = self.connection(
            self.client([self.standby.read_address], read_only_fallback=True))
        self.wait_connected(reader.db(), read_only=True)
        self.take_over()
        self.write(writer, x=2)
        time.sleep(2 * POLL_S)  # it would have been upgraded by now
        self.assertTrue(reader.db().storage.isReadOnly())
        self.assertEqual(2, self.read(reader, "x"))


class ParkingFallbackTest(FallbackTest):
    """The same with a write port that is silent instead of refusing."""

    options = {"replicates": True, "parks": True}
    # The write port of the standby plays no part in them.
    test_a_client_whom_a_reader_took_first_goes_to_the_primary = None
    test_a_client_that_knows_only_the_read_port_stays_a_reader = None


class LostTransactionsTest(PairTest):
    """A takeover by a standby that has not got everything, as an operator may force it."""

    options = {"replicates": True, "durability": "local"}
    waits_in_sync = False  # it never is

    def test_a_cache_beyond_the_new_history_is_dropped(self):
        log = Records(self)
        options = {"client": "warm", "var": str(self.directory)}
        database = self.client(self.write_ports, **options)
        connection = self.connection(database)
        self.write(connection, x=1)
        self.wait_shown()
        self.standby.kill()
        self.write(connection, x=2)
        newest = connection.db().lastTransaction()
        self.primary.kill()
        self.wait_lost(database)
        self.standby.start()
        self.promote(self.standby, "--force")
        # Nothing is committed there yet, and still the client is told of something newer than it
        # has: else it would refuse this server for ever.
        self.wait_connected(database)
        self.assertEqual("cache too old, clearing", self.verdict(database))
        self.assertTrue(any("dropping stale cache" in text for text in log.texts), log.texts)
        self.assertEqual(1, self.read(connection, "x"))
        self.write(connection, x=3)
        client = RawClient(self.standby.address)
        self.addCleanup(client.close)
        self.assertIsNone(client.call("getInvalidations", newest))

        # What the client kept of this is right again.
        database.close()
        database = self.client([self.standby.address], **options)
        self.assertIn(self.verdict(database), WARM)
        self.assertEqual(3, self.read(self.connection(database), "x"))

        # The old primary undoes what only it had, and serves the same.
        self.rejoin()
        reader = self.connection(self.client([self.primary.read_address], read_only=True))
        self.wait_connected(reader.db(), read_only=True)
        wait_until(lambda: self.read(reader, "x") == 3, "the old primary follows")

    def rejoin(self):
        self.primary.options["follows"] = self.standby
        self.primary.start()

    def test_blobs_that_only_the_old_primary_had_are_kept(self):
        database = self.client(self.write_ports, blob_dir=str(self.directory / "client"))
        connection = self.connection(database)
        self.write(connection, kept=Blob(b"in both"))
        self.wait_shown()
        self.standby.kill()
        self.write(connection, lost=Blob(b"in one"), x=1)
        self.primary.kill()
        self.standby.start()
        self.promote(self.standby, "--force")
        self.wait_lost(database)
        blobs, kept = self.primary.blob_directory, self.primary.directory / "data" / "divergence"
        self.assertEqual({b"in both", b"in one"}, contents_of(blobs))

        self.rejoin()
        wait_until(lambda: contents_of(blobs) == {b"in both"}, "the blob is undone")
        archive, = kept.glob("*.blobs")
        self.assertEqual({b"in one"}, contents_of(archive))
        shown = subprocess.run([zeo_servers.zeolite_binary(), "divergence", "show", kept, "--json"],
                               stdout=subprocess.PIPE, check=True, timeout=fixture.WAIT_LIMIT_S)
        objects = [written for record in json.loads(shown.stdout)["files"][0]["records"]
                   for written in record["objects"] if written["blob_size"]]
        self.assertEqual([b"in one"],
                         [pathlib.Path(one["blob_file"]).read_bytes() for one in objects])


def contents_of(directory):
    """Of the blobs in a directory of ZODB's layout."""
    return {path.read_bytes() for path in directory.glob("0x*/**/*.blob")}


class LostReplyTest(PairTest):
    limit_s = 180

    def test_a_commit_whose_answer_is_lost_is_whole_or_not_there(self):
        connection = self.connection(self.client(self.write_ports))
        self.write(connection, a=PersistentMapping({"v": 1}), b=PersistentMapping({"v": 1}))
        self.pause(self.standby)
        connection.root()["a"]["v"] = connection.root()["b"]["v"] = 2
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            committed = pool.submit(connection.transaction_manager.commit)

            def waits_for_the_standby():
                status = self.primary.status()
                return status["last_tid"] > status["visible_tid"]

            wait_until(waits_for_the_standby, "the commit is on one disk")
            self.assertFalse(committed.done())
            self.primary.kill()
            self.go_on(self.standby)
            self.promote(self.standby)
            self.assertRaises(ClientDisconnected, committed.result, fixture.WAIT_LIMIT_S)
        connection.transaction_manager.abort()
        self.wait_connected(connection.db())
        connection.transaction_manager.begin()
        values = [connection.root()[name]["v"] for name in "ab"]
        self.assertIn(values, ([1, 1], [2, 2]))
        others = self.connection(self.database(self.standby))
        self.assertEqual(values, [others.root()[name]["v"] for name in "ab"])
        # The request is run again, as Zope does.
        fixture.retried(connection.transaction_manager,
                        lambda: [connection.root()[name].update(v=3) for name in "ab"])
        self.assertTrue(self.standby.run("verify")["clean"])
        self.rejoin()
        wait_until(lambda: self.primary.status()["visible_tid"] ==
                   self.standby.status()["last_tid"], "the old primary has everything")
        self.assertEqual(self.standby.run("verify")["digest"],
                         self.primary.run("verify")["digest"])

    def test_counters_are_exact_after_a_takeover_under_conflicts(self):
        setup = self.connection(self.client(self.write_ports))
        setup.root().update({f"own{i}": PersistentMapping({"v": 0}) for i in range(HAMMERERS)})
        setup.root().update({name: Length() for name in ("total", "pair0", "pair1")})
        setup.transaction_manager.commit()
        with Hammering(self.write_ports) as hammering:
            hammering.wait_more(setup, 20)
            self.take_over()
            hammering.wait_more(setup, 20)
        results = hammering.results
        root = self.connection(self.database(self.standby)).root()
        values = [root[f"own{worker}"]["v"] for worker in range(HAMMERERS)]
        for value, (acknowledged, unknown) in zip(values, results):
            self.assertLessEqual(acknowledged, value, "an acknowledged commit is lost")
            self.assertLessEqual(value, acknowledged + unknown)
        self.assertEqual(sum(values), root["total"].value)
        self.assertEqual(values[0] + values[2], root["pair0"].value)
        self.assertEqual(values[1] + values[3], root["pair1"].value)


if __name__ == "__main__":
    unittest.main()
