"""A stock ZEO client of the demonstration: it knows nothing of Zeolite.

    demo_zeo_client.py add NAME HOST:PORT,...      commits until standard input ends; a line for
                                                   each: monotonic microseconds, NAME/number
    demo_zeo_client.py check HOST:PORT,...         reads such lines; prints how many are missing
Exit status: 0 done, 1 failed or entries are missing.
"""

import logging
import sys
import threading
import time

import transaction
import ZEO
from BTrees.LOBTree import LOBTree
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ConflictError

WAIT_S = 30


def opened(addresses):
    pairs = [address.rsplit(":", 1) for address in addresses.split(",")]
    database = ZEO.DB([(host, int(port)) for host, port in pairs], wait_timeout=WAIT_S,
                      server_sync=True)
    return database, database.open(transaction_manager=transaction.TransactionManager())


def make_journal(connection, name):
    """Several clients do this at the same time: one of them succeeds first."""
    while True:
        connection.transaction_manager.begin()
        try:
            if name not in connection.root():
                connection.root()[name] = LOBTree()
                connection.transaction_manager.commit()
            return
        except ConflictError:
            connection.transaction_manager.abort()


def add(name, addresses):
    database, connection = opened(addresses)
    make_journal(connection, name)
    manager = connection.transaction_manager
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number = lost = 0
    while not ended.is_set():
        number += 1
        try:
            manager.begin()
            connection.root()[name][number] = f"{name}/{number}"
            manager.commit()
        except (ClientDisconnected, ConflictError):
            # It may have happened: ZEO has no question for it. So it is not counted.
            manager.abort()
            lost += 1
            time.sleep(0.05)
            continue
        print(time.monotonic_ns() // 1000, f"{name}/{number}", flush=True)
    print(f"{name}: {lost} attempts were cut off", file=sys.stderr)
    database.close()


def check(addresses):
    database, connection = opened(addresses)
    checked = missing = 0
    for line in sys.stdin:
        entry = line.split()[1]
        name, number = entry.split("/")
        checked += 1
        if connection.root()[name].get(int(number)) != entry:
            missing += 1
            print(f"{entry} is missing", file=sys.stderr)
    print(f"{checked} entries looked up, {missing} missing")
    database.close()
    return 1 if missing else 0


def main(arguments):
    logging.getLogger("ZEO").setLevel(logging.CRITICAL + 1)
    logging.getLogger("txn").setLevel(logging.CRITICAL + 1)
    logging.getLogger("ZODB").setLevel(logging.CRITICAL + 1)
    actions = {"add": add, "check": check}
    return actions[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
