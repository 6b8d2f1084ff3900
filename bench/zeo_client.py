"""One stock ZEO client process of bench/compare; run by the Python of a virtual environment.

    zeo_client.py commit|load|prefetch|hold|vote|reconnect --at HOST:PORT [options]
    zeo_client.py history --path DATA.FS --objects N --transactions N

It uses ClientStorage itself, below ZODB's connections and object caches, so that the server
matters. Prints "ready" when it could begin, waits for a line, prints one line of JSON.
"""

import argparse
import json
import logging
import random
import sys
import time

from ZEO.ClientStorage import ClientStorage
from ZODB.Connection import TransactionMetaData
from ZODB.utils import maxtid, p64, u64, z64


def wait_for_go():
    print("ready", flush=True)
    sys.stdin.readline()


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def tell(seconds, cpu, latencies, kind, each=1):
    """`each` operations took each of the latencies."""
    latencies.sort()
    print(json.dumps({
        f"{kind}_per_s": len(latencies) * each / seconds,
        "p50_us": percentile(latencies, 0.5) * 1e6,
        "p99_us": percentile(latencies, 0.99) * 1e6,
        "client_cpu": cpu / seconds,
    }), flush=True)


def commit(storage, records):
    """[(oid, serial, data)] in one transaction."""
    meta = TransactionMetaData()
    storage.tpc_begin(meta)
    for oid, serial, data in records:
        storage.store(oid, serial, data, "", meta)
    storage.tpc_vote(meta)
    return storage.tpc_finish(meta)


def new_objects(storage, count, data):
    """{oid: tid}"""
    serials = {}
    while len(serials) < count:
        oids = [storage.new_oid() for _ in range(min(100, count - len(serials)))]
        serials.update(dict.fromkeys(oids, commit(storage, [(oid, z64, data) for oid in oids])))
    return serials


def timed(seconds, action):
    """Calls action(i) until the time is over; elapsed and processor time, and each call's."""
    latencies, i = [], 0
    cpu = time.process_time()
    started = last = time.perf_counter()
    while last - started < seconds:
        action(i)
        now = time.perf_counter()
        latencies.append(now - last)
        last, i = now, i + 1
    return last - started, time.process_time() - cpu, latencies


def run_commit(storage, options):
    data = random.randbytes(options.size)
    serials = new_objects(storage, options.objects, data)
    oids = list(serials)

    def action(i):
        oid = oids[i % len(oids)]
        serials[oid] = commit(storage, [(oid, serials[oid], data)])

    wait_for_go()
    tell(*timed(options.seconds, action), "commits")


def run_load(storage, options):
    oids = list(new_objects(storage, options.objects, random.randbytes(options.size)))
    wait_for_go()
    # The call itself: load() would ask the cache first.
    tell(*timed(options.seconds,
                lambda i: storage._call("loadBefore", oids[i % len(oids)], maxtid)), "loads")


def run_prefetch(storage, options):
    """All objects asked for at once, answered into an empty cache, again and again."""
    oids = list(new_objects(storage, options.objects, random.randbytes(options.size)))
    tid = p64(u64(storage.lastTransaction()) + 1)

    def action(_):
        storage._cache.clear()
        storage.prefetch(oids, tid)
        storage._call("ping")  # is answered behind the loads
        while len(storage._cache) < len(oids):
            time.sleep(0.0005)

    wait_for_go()
    tell(*timed(options.seconds, action), "prefetches", len(oids))


def run_hold(storage, options):
    """Votes, and holds for `seconds` what the vote took."""
    oid, tid = new_objects(storage, 1, b"x" * options.size).popitem()
    meta = TransactionMetaData()
    storage.tpc_begin(meta)
    storage.store(oid, tid, b"y" * options.size, "", meta)
    storage.tpc_vote(meta)
    print("ready", flush=True)
    time.sleep(options.seconds)
    storage.tpc_finish(meta)
    print("{}", flush=True)


def run_vote(storage, options):
    oid, tid = new_objects(storage, 1, b"x" * options.size).popitem()
    wait_for_go()
    meta = TransactionMetaData()
    storage.tpc_begin(meta)
    storage.store(oid, tid, b"y" * options.size, "", meta)
    started = time.perf_counter()
    storage.tpc_vote(meta)
    seconds = time.perf_counter() - started
    storage.tpc_finish(meta)
    print(json.dumps({"vote_ms": seconds * 1000}), flush=True)


def run_reconnect(options):
    """Opens a client with a cache file, and reads all objects."""
    wait_for_go()
    started = time.perf_counter()
    storage = ClientStorage(options.at, client="reconnect", var=options.var, wait_timeout=300)
    seconds = time.perf_counter() - started
    cached = len(storage._cache)
    for number in range(options.objects):
        storage.load(p64(number))
    print(json.dumps({"seconds": seconds, "verdict": storage._server.client.verify_result,
                      "cached": cached}), flush=True)
    storage.close()


def make_history(options):
    """Objects, then transactions that change a tenth of them again and again.

    What is there of the file is gone on with: equal histories have an equal beginning."""
    from ZODB.FileStorage import FileStorage

    module = sys.modules[FileStorage.__module__]
    module.fsync = lambda _: None  # it is copied when it is done
    storage = FileStorage(options.path)
    if len(storage) == 0:
        commit(storage, [(p64(n), z64, b"x" * options.size) for n in range(options.objects)])
    serials = {p64(n): storage.load(p64(n))[1] for n in range(max(1, options.objects // 10))}
    oids = list(serials)
    for number in range(options.transactions):
        oid = oids[number % len(oids)]
        serials[oid] = commit(storage, [(oid, serials[oid], b"%d" % number)])
    storage.close()


ACTIONS = {"commit": run_commit, "load": run_load, "prefetch": run_prefetch, "hold": run_hold,
           "vote": run_vote}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=(*ACTIONS, "reconnect", "history"))
    p.add_argument("--at", type=lambda text: (text.split(":")[0], int(text.split(":")[1])))
    p.add_argument("--path")
    p.add_argument("--var")
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--size", type=int, default=300)
    p.add_argument("--objects", type=int, default=1000)
    p.add_argument("--transactions", type=int, default=0)
    options = p.parse_args()
    logging.getLogger("ZEO").setLevel(logging.CRITICAL + 1)
    if options.what == "history":
        make_history(options)
    elif options.what == "reconnect":
        run_reconnect(options)
    else:
        storage = ClientStorage(options.at, wait_timeout=60)
        ACTIONS[options.what](storage, options)
        storage.close()


if __name__ == "__main__":
    main()
