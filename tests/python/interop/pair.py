"""A primary and its standby, and stock clients that know both."""

import contextlib
import logging
import os
import pathlib
import signal
import socket
import unittest

import fixture
import ZEO
from fixture import ServerTest, wait_until, zeo_servers
from raw_client import RawClient
from ZODB.utils import p64

# A stock client tries a refused address again after one to two seconds.
POLL_S = 2
# Why a standby refuses to be promoted that has not read yet all that its primary sent.
STILL_READS = ("is alive", "not in sync when it last heard")


class Records(logging.Handler):
    """What ZEO's clients log at CRITICAL: a dropped cache, a server behind the cache."""

    def __init__(self, test):
        super().__init__(logging.CRITICAL)
        self.texts = []
        logger = logging.getLogger("ZEO")
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.CRITICAL)
        logger.addHandler(self)
        logger.propagate = False

        def undo():
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.propagate = propagate

        test.addCleanup(undo)

    def emit(self, record):
        self.texts.append(record.getMessage())


@unittest.skipIf(fixture.is_python_server(), "it does not replicate")
class PairTest(ServerTest):
    """`self.primary`, and `self.standby`, which is in sync with it."""

    options = {"replicates": True}
    standby_options = {}
    waits_in_sync = True

    def setUp(self):
        super().setUp()
        self.primary = self.server
        self.standby = self.start_server("standby", follows=self.primary, **self.standby_options)
        if self.waits_in_sync:
            wait_until(self.primary.has_in_sync_standby, "the standby is in sync")

    def client(self, addresses, **options):
        """A database at several addresses, which does not wait to be connected."""
        defaults = {"wait_timeout": fixture.WAIT_LIMIT_S, "server_sync": True}
        database = ZEO.DB(list(addresses), **defaults | options)
        self.addCleanup(fixture.close_quietly, database.close)
        return database

    @property
    def write_ports(self):
        return [self.primary.address, self.standby.address]

    @property
    def read_ports(self):
        return [self.primary.read_address, self.standby.read_address]

    def write(self, connection, **values):
        """Commits, again when the connection is lost."""
        fixture.retried(connection.transaction_manager,
                        lambda: connection.root().update(values))

    def read(self, connection, name):
        connection.transaction_manager.begin()
        return connection.root().get(name)

    def wait_connected(self, database, read_only=False, what="connected"):
        wait_until(lambda: fixture.is_connected(database.storage, read_only), what)

    def wait_lost(self, database):
        wait_until(lambda: not database.storage.is_connected(), "the client notices the loss")

    def verdict(self, database):
        """What came of the check of the client's cache when it connected last."""
        return database.storage._server.client.verify_result

    def address_of(self, database):
        """The one that the client is connected to."""
        return database.storage._server.client.protocol.addr

    def promote(self, server, *arguments):
        """Its primary is dead or paused. Until the server has read all that that sent, and the end
        of it, it refuses."""
        result = {}

        def promoted():
            try:
                result.update(server.run("promote", *arguments))
            except zeo_servers.ServerError as refusal:
                if not any(reason in str(refusal) for reason in STILL_READS):
                    raise
                result["why"] = str(refusal)
                return False
            return True

        try:
            wait_until(promoted, "it is promoted")
        except AssertionError as late:
            raise AssertionError(f"{late}: {result.get('why')}") from None
        self.assertEqual("primary", result["role"])

    def take_over(self):
        """With a commit the standby hears that it is in sync: one is to have been made."""
        self.primary.kill()
        self.promote(self.standby)

    def commit_one(self):
        """By a client that leaves again."""
        client = RawClient(self.primary.address)
        with contextlib.closing(client):
            client.commit(p64(1), b"record")

    def wait_shown(self, primary=None, standby=None):
        """With the last commit the standby also hears that it is in sync."""
        primary, standby = primary or self.primary, standby or self.standby

        def shown():
            try:
                return standby.status()["visible_tid"] == primary.status()["last_tid"]
            except zeo_servers.ServerError:
                return False  # one that takes a copy of the database begins anew

        wait_until(shown, "the standby shows everything")

    def wait_demoted(self, server):
        """Until it has begun anew: the server of the reign that ended is there for a moment more, and
        its ports are open."""
        def demoted():
            try:
                status = server.status()
            except zeo_servers.ServerError:
                return False
            return status["role"] == "standby" or "nobody leads" in status["refuses_why"]

        wait_until(demoted, "it is no primary any more")

    def rejoin(self):
        """The old primary comes back as the standby of the new one."""
        self.primary.options["follows"] = self.standby
        self.primary.start()
        wait_until(self.standby.has_in_sync_standby, "the old primary is in sync")

    def assert_refused(self, address):
        with self.assertRaises(ConnectionRefusedError), socket.socket() as s:
            s.settimeout(5)
            s.connect(address)

    def pause(self, server):
        """Until it stands still: its threads go on for a moment after the signal."""
        os.kill(server.pid, signal.SIGSTOP)
        self.addCleanup(self.go_on, server)
        tasks = pathlib.Path(f"/proc/{server.pid}/task")

        def state(task):
            return (task / "stat").read_text().rpartition(")")[2].split()[0]

        wait_until(lambda: all(state(task) == "T" for task in tasks.iterdir()), "it stands still")

    def go_on(self, server):
        if server.is_running():
            os.kill(server.pid, signal.SIGCONT)
