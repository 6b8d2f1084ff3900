#!/usr/bin/env python3
"""How quick import and export of a FileStorage are, and what a pack costs those who commit.

    build/python/zeo-newest/bin/python bench/maintenance_rates.py [--megabytes N] [--revisions N]

Wants a release build with the target pack_data, and for the pack a stock ZEO client, hence that
Python. See bench/README.md.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/python"))
import zeo_servers  # noqa: E402

OBJECTS_IN_TRANSACTION = 10
RECORD_TEXT = 250
FIRST_TID = 0x03D0000000000000
HORIZON = "2021-01-01"  # all of pack_data's transactions are older
CLASS = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\x01."


def record(text, references):
    """As ZODB writes one: class, then a state with text and references."""
    state = b"\x80\x03}q\x02(X\x04\x00\x00\x00textq\x03C" + bytes([len(text)]) + text
    state += b"X\x04\x00\x00\x00listq\x04]q\x05("
    for oid in references:
        state += b"C\x08" + struct.pack(">Q", oid) + b"h\x01\x86Q"
    return CLASS + state + b"eu."


def write_data_fs(path, size):
    """Each object twice, ten in a transaction, all reachable in a chain."""
    positions = {}
    text = random.Random(1).randbytes
    with open(path, "wb", buffering=1 << 20) as file:
        file.write(b"FS30")
        at, tid, count = 4, FIRST_TID, size // (2 * (RECORD_TEXT + 150))
        for number in range(0, 2 * count, OBJECTS_IN_TRANSACTION):
            tid += 1 << 16
            body = struct.pack(">cHHH", b" ", 0, 4, 0) + b"note"
            start = at
            for oid in range(number, number + OBJECTS_IN_TRANSACTION):
                oid %= count
                data = record(text(RECORD_TEXT), [(oid + 1) % count])
                place = start + 16 + len(body)
                body += struct.pack(">QQQQHQ", oid, tid, positions.get(oid, 0), start, 0,
                                    len(data)) + data
                positions[oid] = place
            length = 16 + len(body)
            file.write(struct.pack(">QQ", tid, length) + body + struct.pack(">Q", length))
            at += length + 8
        file.flush()
        os.fsync(file.fileno())


def timed(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


def copy(source, target):
    with open(source, "rb") as reader, open(target, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())


def zeolite(*arguments):
    subprocess.run([zeo_servers.zeolite_binary(), *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure_files(folder, megabytes):
    source, back = folder / "source.fs", folder / "back.fs"
    write_data_fs(source, megabytes << 20)
    size = source.stat().st_size / 1e6
    seconds = {
        "copy with fsync": timed(lambda: copy(source, folder / "copy.fs")),
        "import": timed(lambda: zeolite("import", f"filestorage:{source}",
                                        "--data", folder / "imported")),
        "export": timed(lambda: zeolite("export", f"filestorage:{back}",
                                        "--data", folder / "imported")),
    }
    print(f"a FileStorage of {size:.0f} MB, records of {RECORD_TEXT} bytes and their class")
    for name, value in seconds.items():
        print(f"  {name:16} {size / value:6.0f} MB/s   load {os.getloadavg()[0]:.1f}")
    same = source.read_bytes() == back.read_bytes()
    print(f"  what was exported is {'' if same else 'NOT '}the file that was imported")


class Committer(threading.Thread):
    """A stock client that changes an object of its own again and again; each commit's time."""

    def __init__(self, address):
        super().__init__()
        from ZEO.ClientStorage import ClientStorage
        self.storage = ClientStorage(address, wait_timeout=60)
        self.oid, self.serial = self.storage.new_oid(), b"\0" * 8
        self.seconds = []
        self.stopping = False

    def run(self):
        while not self.stopping:
            self.seconds.append(timed(self.commit))

    def commit(self):
        from ZODB.Connection import TransactionMetaData
        meta = TransactionMetaData()
        self.storage.tpc_begin(meta)
        self.storage.store(self.oid, self.serial, record(b"x" * RECORD_TEXT, []), "", meta)
        self.storage.tpc_vote(meta)
        self.serial = self.storage.tpc_finish(meta)

    def take(self):
        taken, self.seconds = self.seconds, []
        taken = sorted(taken)
        return (f"{len(taken)} commits, p50 {taken[len(taken) // 2] * 1e3:.1f} ms, "
                f"p99 {taken[len(taken) * 99 // 100] * 1e3:.1f} ms")


def peak_megabytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def measure_pack(folder, revisions, seconds):
    server = zeo_servers.ZeoliteServer(folder / "server", replicates=True, blobs=False)
    (folder / "server").mkdir()
    fill = ROOT / "build/release/bench/pack_data"
    subprocess.run([fill, "fill", folder / "server/data", "--revisions", str(revisions)],
                   check=True, stdout=subprocess.DEVNULL)
    server.start()
    client = Committer(server.address)
    client.start()
    time.sleep(seconds)
    print(f"a pack of {revisions} revisions, half of which go; a stock client commits")
    print(f"  without it       {client.take()}   load {os.getloadavg()[0]:.1f}")
    started = time.monotonic()
    packed = subprocess.run([zeo_servers.zeolite_binary(), "pack", "--at", server.native,
                             "--before", HORIZON, "--json"], capture_output=True, text=True)
    took = time.monotonic() - started
    print(f"  during it        {client.take()}   load {os.getloadavg()[0]:.1f}")
    client.stopping = True
    client.join()
    peak = peak_megabytes(server.pid)
    server.stop()
    report = json.loads(packed.stdout)
    print(f"  it took {took:.0f} s, {report['removed_revisions']} revisions and "
          f"{report['removed_objects']} objects went (garbage collected: "
          f"{report['garbage_collected']}); the server's memory was {peak:.0f} MB at most")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--megabytes", type=int, default=1000, help="size of the FileStorage; 0: none")
    p.add_argument("--revisions", type=int, default=5_000_000, help="to pack; 0: none")
    p.add_argument("--seconds", type=float, default=20, help="of commits before the pack")
    p.add_argument("--directory", help="for the data (default: as the system says)")
    o = p.parse_args()
    with tempfile.TemporaryDirectory(dir=o.directory, prefix="zeolite-rates-") as name:
        if o.megabytes:
            measure_files(pathlib.Path(name), o.megabytes)
        if o.revisions:
            measure_pack(pathlib.Path(name), o.revisions, o.seconds)


if __name__ == "__main__":
    main()
