"""A primary, its standby and a standby of that: after commits, undos, packs, blobs, restarts,
switchovers and takeovers drawn from a seed, all three have the same content. With ZEOLITE_TEST_LONG
there are more seeds."""

import contextlib
import os
import random
import time
import unittest

import fixture
import transaction
from BTrees.OOBTree import OOBTree
from fixture import wait_until
from pair import PairTest
from persistent.mapping import PersistentMapping
from ZODB.blob import Blob
from ZODB.POSException import POSError
from zeo_servers import ServerError

SEEDS = range(20 if os.environ.get("ZEOLITE_TEST_LONG") else 1)
STEPS = 40
NAMES = [f"object{i}" for i in range(12)]


class SameContentTest(PairTest):
    limit_s = 1200

    def setUp(self):
        super().setUp()
        self.third = self.start_server("third", follows=self.standby)

    def test_the_digests_of_all_three_are_equal(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.run_seed(seed)

    def run_seed(self, seed):
        self.draw = random.Random(seed)
        self.done = []
        database = self.client(self.write_ports, blob_dir=str(self.directory / f"client{seed}"))
        self.site = fixture.through_losses(lambda: self.connection(database))
        motions = {self.change: 10, self.store_blob: 3, self.remove: 2, self.undo: 4, self.pack: 2,
                   self.restart: 2, self.switch_over: 1, self.die: 1, self.compare: 2}
        try:
            for motion in self.draw.choices(list(motions), motions.values(), k=STEPS):
                self.done.append(motion.__name__)
                motion()
            self.compare()
        except BaseException as error:
            error.add_note(f"seed {seed}, after {self.done}")
            raise
        finally:
            database.close()

    # Motions of an application. One that the loss of a server has cut off is done again.

    def commit(self, action):
        fixture.retried(self.site.transaction_manager, action)

    def change(self):
        names = self.draw.sample(NAMES, self.draw.choice([1, 2, 6]))
        text = self.draw.choice(["short", "long" * 20_000])

        def write():
            for name in names:
                self.site.root()[name] = PersistentMapping(text=text, inner=OOBTree(a=text))

        self.commit(write)

    def store_blob(self):
        name, data = self.draw.choice(NAMES), self.draw.randbytes(self.draw.choice([1, 300_000]))
        self.commit(lambda: self.site.root().update({name: Blob(data)}))

    def remove(self):
        self.commit(lambda: self.site.root().pop(self.draw.choice(NAMES), None))

    def undo(self):
        database = self.site.db()
        with contextlib.suppress(POSError):  # what it would undo was changed or packed since
            done = fixture.through_losses(lambda: database.undoLog(0, 5))
            done = [one["id"] for one in done if "initial" not in one["description"]]  # the root's
            if done:
                chosen = self.draw.choice(done)
                manager = transaction.TransactionManager()
                fixture.retried(manager, lambda: database.undo(chosen, manager.get()))

    def pack(self):
        moment = time.time() - self.draw.choice([0, 0.1, 2])
        fixture.through_losses(lambda: self.site.db().storage.pack(moment, None))

    # What happens to servers.

    def restart(self):
        server = self.draw.choice([self.primary, self.standby, self.third])
        self.draw.choice([server.stop, server.kill])()
        server.options.pop("follows", None)
        if server is not self.primary:
            follows = [self.primary] if server is self.standby else [self.primary, self.standby]
            server.options["follows"] = self.draw.choice(follows)
        server.start()

    def switch_over(self):
        self.wait_in_sync()
        self.primary.run("switchover", "--to", self.standby.directory.name)
        self.primary, self.standby = self.standby, self.primary
        self.wait_in_sync()

    def die(self):
        self.wait_in_sync()
        self.primary.kill()
        self.promote(self.standby)
        self.rejoin()
        self.primary, self.standby = self.standby, self.primary

    def wait_in_sync(self):
        """With a commit the standby also hears that it is in sync."""
        wait_until(lambda: self.in_sync(), "the standby is in sync")
        self.change()

    def in_sync(self):
        with contextlib.suppress(ServerError):  # the server of the last reign has gone
            return self.primary.has_in_sync_standby()

    def compare(self):
        for server in (self.standby, self.third):
            self.wait_shown(self.primary, server)
        verified = [server.run("verify") for server in (self.primary, self.standby, self.third)]
        self.assertEqual([True] * 3, [one["clean"] for one in verified])
        self.assertEqual(1, len({one["digest"] for one in verified}), verified)


if __name__ == "__main__":
    unittest.main()
