"""What the interoperability tests stand on: a server per test, stock clients of it.

Environment: ZEOLITE_TEST_SERVER zeolite (default) or python, ZEOLITE_TEST_MSGPACK, ZEOLITE_BINARY.
"""

import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import unittest

import transaction
import ZEO
import ZODB.utils
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import zeo_servers  # noqa: E402

SERVER = os.environ.get("ZEOLITE_TEST_SERVER", "zeolite")
MSGPACK = bool(os.environ.get("ZEOLITE_TEST_MSGPACK"))
WAIT_LIMIT_S = 30

# Clients log what the tests provoke.
logging.getLogger("ZEO").setLevel(logging.CRITICAL + 1)
logging.getLogger("txn").setLevel(logging.CRITICAL + 1)
logging.getLogger("ZODB").setLevel(logging.CRITICAL + 1)


def is_python_server():
    return SERVER == "python"


def attempt_at(storage, address):
    """The client's connection to `address` that was accepted, but did not register (yet)."""
    client = storage._server.client
    for attempt in client.protocols:
        if attempt.addr == address and attempt is not client.protocol and not attempt.closed:
            if attempt.sm_protocol is not None:
                return attempt
    return None


def is_connected(storage, read_only=False):
    """Connected, as a reader or as a writer. A client that loses a writer's connection is not
    connected first, and then read-only: asked the other way round it may be taken for a reader."""
    return storage.isReadOnly() == read_only and storage.is_connected()


def wait_until(condition, what, limit_s=WAIT_LIMIT_S):
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.01)


def end_of_time(*_):
    raise AssertionError("the test takes too long: something waits for ever")


class ServerTest(unittest.TestCase):
    """Starts `self.server` before each test, with the class's `options`."""

    options = {}
    limit_s = 120

    def run(self, result=None):
        # ZEO's client waits without end for an answer: a hang shall be one failure, not the last.
        signal.signal(signal.SIGALRM, end_of_time)
        signal.alarm(self.limit_s)
        try:
            return super().run(result)
        finally:
            signal.alarm(0)

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="zeo-interop-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        previous = os.getcwd()
        os.chdir(self.directory)  # ZEO keeps its cache files in the current directory
        self.addCleanup(os.chdir, previous)
        transaction.abort()
        self.server = self.start_server()

    def start_server(self, name="server", **options):
        options = dict(self.options, msgpack=MSGPACK) | options
        server = zeo_servers.SERVERS[SERVER](self.directory / name, **options)
        server.start()
        self.addCleanup(self._end, server)
        return server

    def _end(self, server):
        crashed = not server.is_running() and server.process.returncode not in (0, -9)
        if crashed:
            self.fail(f"the server ended with {server.process.returncode}:\n{server.log_text()}")
        server.stop()

    def storage(self, server=None, **options):
        storage = ClientStorage((server or self.server).address,
                                **{"wait_timeout": WAIT_LIMIT_S} | options)
        self.addCleanup(storage.close)
        return storage

    def database(self, server=None, **options):
        """With server_sync, so that a new transaction sees whatever was answered to anybody."""
        defaults = {"wait_timeout": WAIT_LIMIT_S, "server_sync": True}
        database = ZEO.DB((server or self.server).address, **defaults | options)
        self.addCleanup(close_quietly, database.close)
        return database

    def connection(self, database, **options):
        """A connection with a transaction manager of its own, so that tests can interleave."""
        manager = transaction.TransactionManager()
        connection = database.open(transaction_manager=manager, **options)
        self.addCleanup(close_quietly, connection.close)
        self.addCleanup(manager.abort)
        return connection


def close_quietly(close):
    """Tests close some databases themselves, and their connections with them."""
    with contextlib.suppress(Exception):
        close()


def commit_record(storage, oid, data, serial=ZODB.utils.z64, user="", note="", extension=None):
    """One object in one transaction, at the level below ZODB.Connection; returns the tid."""
    return commit_records(storage, [(oid, serial, data)], user, note, extension)


def commit_records(storage, records, user="", note="", extension=None):
    meta = TransactionMetaData(user, note, extension or {})
    storage.tpc_begin(meta)
    try:
        for oid, serial, data in records:
            storage.store(oid, serial, data, "", meta)
        storage.tpc_vote(meta)
        return storage.tpc_finish(meta)
    except BaseException:
        storage.tpc_abort(meta)
        raise


def retried(manager, action, limit_s=WAIT_LIMIT_S):
    """Calls action() in a transaction until it commits; returns how often it did not."""
    deadline = time.monotonic() + limit_s
    failures = 0
    while True:
        manager.begin()
        try:
            action()
            manager.commit()
            return failures
        except (ConflictError, ClientDisconnected):
            manager.abort()
            failures += 1
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, 0.002 * min(failures, 10)))


def through_losses(action, limit_s=WAIT_LIMIT_S):
    """What action() returns; called again when the connection is lost, or changed for a better one,
    in its middle. Opening a database or a connection loads and pings."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return action()
        except ClientDisconnected:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def processes(count):
    """An executor of processes that share nothing with this one."""
    return concurrent.futures.ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))


def in_processes(function, arguments, limit_s=120):
    """Calls function(*a) for each a in a process of its own at the same time; their results."""
    with processes(len(arguments)) as pool:
        futures = [pool.submit(function, *a) for a in arguments]
        return [future.result(limit_s) for future in futures]
