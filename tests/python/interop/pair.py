"""A primary and its standby, and stock clients that know both."""

import logging
import os
import signal
import socket
import unittest

import fixture
import ZEO
from fixture import ServerTest, wait_until, zeo_servers

# A stock client tries a refused address again after one to two seconds.
POLL_S = 2


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
        storage = database.storage
        wait_until(lambda: storage.is_connected() and storage.isReadOnly() == read_only, what)

    def wait_lost(self, database):
        wait_until(lambda: not database.storage.is_connected(), "the client notices the loss")

    def verdict(self, database):
        """What came of the check of the client's cache when it connected last."""
        return database.storage._server.client.verify_result

    def address_of(self, database):
        """The one that the client is connected to."""
        return database.storage._server.client.protocol.addr

    def promote(self, server, *arguments):
        self.assertEqual("primary", server.run("promote", *arguments)["role"])

    def take_over(self):
        self.primary.kill()
        self.promote(self.standby)

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
        def demoted():
            try:
                return server.status()["role"] != "primary"
            except zeo_servers.ServerError:
                return False  # it begins anew

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
        os.kill(server.pid, signal.SIGSTOP)
        self.addCleanup(self.go_on, server)

    def go_on(self, server):
        if server.is_running():
            os.kill(server.pid, signal.SIGCONT)
