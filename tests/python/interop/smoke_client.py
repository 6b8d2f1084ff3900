"""One stock client's smoke run, for every ZEO version: python smoke_client.py HOST PORT

Prints a line when it wants the server restarted, and waits for one; exit status 0 if all is well.
Python and packages of the version under test; nothing else of this directory.
"""

import logging
import sys
import time

import transaction
import ZEO.ClientStorage
import ZODB
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from persistent.mapping import PersistentMapping
from ZEO.Exceptions import ClientDisconnected
from ZODB.blob import Blob
from ZODB.POSException import ConflictError, POSKeyError

LIMIT_S = 30


def until(condition, what):
    deadline = time.time() + LIMIT_S
    while not condition():
        if time.time() > deadline:
            raise AssertionError("not within %d s: %s" % (LIMIT_S, what))
        time.sleep(0.01)


def opened(address, **options):
    storage = ZEO.ClientStorage.ClientStorage(address, wait_timeout=LIMIT_S, **options)
    database = ZODB.DB(storage)
    return database, database.open(transaction_manager=transaction.TransactionManager())


def commits(connection, **values):
    connection.root().update(values)
    connection.transaction_manager.commit()


def main(address):
    logging.getLogger("ZEO").setLevel(logging.CRITICAL + 1)
    one_db, one = opened(address, blob_dir="blobs-one", client="one")
    two_db, two = opened(address, blob_dir="blobs-two")

    commits(one, length=Length(), tree=OOBTree({i: i for i in range(100)}),
            blob=Blob(b"b" * 200000))
    until(lambda: two.sync() or "length" in two.root(), "the first commit")

    # Both change what merges, and the second one resolves it.
    two.root()["length"].change(2), two.root()["tree"].update({201: 1})
    one.root()["length"].change(1), one.root()["tree"].update({-1: 1})
    one.transaction_manager.commit()
    two.transaction_manager.commit()
    assert two.root()["length"].value == 3 and len(two.root()["tree"]) == 102

    # Both change what does not.
    until(lambda: one.sync() or one.root()["length"].value == 3, "the second commit")
    one.root()["x"], two.root()["x"] = 1, 2
    one.transaction_manager.commit()
    try:
        two.transaction_manager.commit()
        raise AssertionError("no conflict")
    except ConflictError:
        two.transaction_manager.abort()
    until(lambda: two.sync() or two.root().get("x") == 1, "the winner")

    with two.root()["blob"].open() as file:
        assert file.read() == b"b" * 200000

    one_db.undo(one_db.undoInfo(0, 1)[0]["id"], one.transaction_manager.get())
    one.transaction_manager.commit()
    assert "x" not in one.root()
    assert len(one_db.history(one.root()._p_oid, 10)) == 4, one_db.history(one.root()._p_oid, 10)
    try:
        one_db.storage.load(b"\0\0\0\0\0\1\0\0")
        raise AssertionError("an object that is none")
    except POSKeyError:
        pass
    assert [t.tid for t in one_db.storage.iterator()][-1] == one_db.storage.lastTransaction()

    # The server restarts under an open client and a closed one with a cache file.
    one_db.close()
    print("restart", flush=True)
    sys.stdin.readline()
    one_db, one = opened(address, blob_dir="blobs-one", client="one")
    assert one.root()["length"].value == 3
    while True:
        try:
            two.transaction_manager.begin()
            two.root()["after"] = PersistentMapping({"v": 1})
            two.transaction_manager.commit()
            break
        except ClientDisconnected:
            two.transaction_manager.abort()
            time.sleep(0.05)
    until(lambda: one.sync() or "after" in one.root(), "the commit after the restart")
    one_db.pack(time.time())
    assert one.root()["after"]["v"] == 1
    one_db.close()
    two_db.close()


if __name__ == "__main__":
    main((sys.argv[1], int(sys.argv[2])))
