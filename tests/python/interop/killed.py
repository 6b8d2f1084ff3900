"""Servers that are killed while clients commit."""

import contextlib
import itertools
import subprocess
import threading

import transaction
import zeo_servers
from fixture import through_losses, wait_until
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ConflictError

KILLED = 137  # the exit status at a crash point


class Committer(threading.Thread):
    """A stock client that commits again and again, also to a server that comes and goes.

    `acknowledged` are the numbers of the commits that it knows of; `error` is what ended it early.
    """

    def __init__(self, database):
        super().__init__()
        self.database = database
        self.acknowledged = []
        self.stopping = False
        self.error = None

    def change(self, root, number):
        """What one transaction does."""
        raise NotImplementedError

    def run(self):
        manager = transaction.TransactionManager()
        with contextlib.closing(through_losses(
                lambda: self.database.open(transaction_manager=manager))) as connection:
            for number in itertools.count():
                if self.stopping:
                    break
                try:
                    manager.begin()
                    self.change(connection.root(), number)
                    manager.commit()
                    self.acknowledged.append(number)
                except (ClientDisconnected, ConflictError):
                    manager.abort()
                except Exception as error:
                    self.error = error
                    break

    def wait_more(self, count):
        until = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= until or self.error, "commits go on")

    def end(self):
        self.stopping = True
        self.join(60)


class KilledServer:
    """For a ServerTest."""

    def start_again(self, point=None):
        """With a point it dies there, perhaps before it is ready."""
        self.server.options["environment"] = {"ZEOLITE_CRASH_POINT": point} if point else {}
        try:
            self.server.start()
        except zeo_servers.ServerError:
            self.assertEqual(KILLED, self.server.process.returncode)

    def check_stopped(self):
        """Stops it; its database is whole. Returns what verify printed."""
        self.server.stop()
        data = self.directory / "server" / "data"
        verified = subprocess.run([zeo_servers.zeolite_binary(), "verify", "--data", str(data)],
                                  capture_output=True, text=True, timeout=60)
        self.assertEqual(0, verified.returncode, verified.stdout + verified.stderr)
        return verified.stdout
