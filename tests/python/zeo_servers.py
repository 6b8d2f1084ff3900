"""The two servers that the tests run against: zeolite, and ZEO's own, which is the reference.

Both are child processes of the caller, keep one address across restarts, and write what they
log to a file. Standard library only: the benchmarks use it too.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_LIMIT_S = 60
STOP_LIMIT_S = 60
COMMAND_LIMIT_S = 30


class ServerError(Exception):
    """A server did not start, or ended by itself; the text ends with its last log lines."""


def zeolite_binary():
    return os.environ.get("ZEOLITE_BINARY") or str(ROOT / "build/release/zeolite")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family) as s:
        s.settimeout(1)
        s.connect(address)
        return True
    return False


def make_certificate(certificate, key):
    """One for 127.0.0.1 that is its own authority."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)


class Server:
    """One storage at one address. `start` after `stop` or `kill` serves the same data again.

    Options, all keyword arguments:
      unix               listen on a Unix socket in `directory` instead of a loopback port
      msgpack            announce M5 instead of Z5
      read_only          refuse writing clients
      vote_timeout       seconds from the vote to the finish
      blobs              whether the storage has blobs (default), in `blob_directory`
      invalidations      transactions that a returning client may have missed (unlimited)
      environment        variables for its process
    """

    name = ""

    def __init__(self, directory, **options):
        self.directory = pathlib.Path(directory)
        self.options = options
        self.log = self.directory / "server.log"
        self.process = None
        if options.pop("unix", False):
            self.address = str(self.directory / "zeo.sock")
        else:
            self.address = ("127.0.0.1", free_port())

    @property
    def pid(self):
        return self.process.pid

    @property
    def blob_directory(self):
        return self.directory / "blobs"

    @property
    def address_text(self):
        return self.address if isinstance(self.address, str) else "%s:%d" % self.address

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        # Another server's environment must not decide the encoding.
        env = {k: v for k, v in os.environ.items() if k != "ZEO_MSGPACK"}
        env |= self.options.get("environment", {})
        with open(self.log, "ab") as log:
            log_start = log.tell()
            self.process = subprocess.Popen(
                self.command(), cwd=self.directory, env=env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        self.log_start = log_start
        deadline = time.monotonic() + START_LIMIT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log_text()[-2000:]
                self.kill()
                raise ServerError(f"{self.name} did not start; its log ends:\n{tail}")
            time.sleep(0.02)
        return self

    def log_text(self):
        """What was logged since the last start."""
        with open(self.log, errors="replace") as log:
            log.seek(self.log_start)
            return log.read()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Ends it in order; returns the exit status."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerError(f"{self.name} did not stop within {STOP_LIMIT_S} s") from None
        return self.process.returncode if self.process else None

    def kill(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()


class ZeoliteServer(Server):
    """`zeolite serve --zeo`. One that replicates has a native port and a read port, too.

    Further options:
      replicates         open these ports
      follows            the ZeoliteServer whose standby it is, until it is promoted
      parks              take writing clients while it is a standby, and greet them later
      durability         local or standby
      limits             of its configuration file, by name
      tls                whether its ZEO ports speak TLS, with a certificate made for it
    """

    name = "zeolite"

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        if options.get("tls"):
            self.directory.mkdir(parents=True, exist_ok=True)
            make_certificate(self.directory / "tls.pem", self.directory / "tls.key")
        if options.get("replicates"):
            self.native = "127.0.0.1:%d" % free_port()
            self.read_address = ("127.0.0.1", free_port())

    def command(self):
        o = self.options
        at = f"unix:{self.address}" if isinstance(self.address, str) else self.address_text
        command = [zeolite_binary(), "serve", "--data", self.directory / "data", "--zeo", at]
        if o.get("replicates"):
            command += ["--native", self.native, "--zeo-read", "%s:%d" % self.read_address,
                        "--name", self.directory.name]
        if o.get("follows"):
            command += ["--standby-of", o["follows"].native]
        if o.get("parks"):
            command += ["--zeo-standby", "park"]
        if o.get("durability"):
            command += ["--durability", o["durability"]]
        if o.get("limits"):
            config = self.directory / "limits.toml"
            lines = [f"{name} = {json.dumps(limit)}" for name, limit in o["limits"].items()]
            config.write_text("\n".join(["[limits]", *lines, ""]))
            command += ["--config", config]
        if o.get("tls"):
            command += ["--zeo-tls-certificate", self.directory / "tls.pem",
                        "--zeo-tls-key", self.directory / "tls.key"]
        if o.get("msgpack"):
            command += ["--zeo-msgpack"]
        if o.get("read_only"):
            command += ["--zeo-read-only"]
        if o.get("vote_timeout"):
            command += ["--vote-timeout", str(o["vote_timeout"])]
        if o.get("invalidations"):
            command += ["--zeo-invalidation-limit", str(o["invalidations"])]
        if o.get("blobs", True):
            command += ["--blob-dir", self.blob_directory]
        else:
            command += ["--no-blobs"]
        return [str(part) for part in command]

    def is_ready(self):
        return re.search(r"^ready\b", self.log_text(), re.M) is not None

    def run(self, command, *arguments):
        """What `zeolite COMMAND --at` this server's native port prints with --json."""
        done = subprocess.run(
            [zeolite_binary(), command, "--at", self.native, "--json", *arguments],
            capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
        if done.returncode != 0:
            raise ServerError(f"{command}: {done.stderr}")
        return json.loads(done.stdout)

    def status(self):
        return self.run("status")

    def has_in_sync_standby(self):
        return any(standby["in_sync"] for standby in self.status()["standbys"])


class PythonServer(Server):
    """ZEO's own server over a FileStorage, as `runzeo` starts it."""

    name = "python"
    niceness = 5

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        self.python = sys.executable

    def command(self):
        o = self.options
        lines = ["<zeo>", f"  address {self.address_text}"]
        if o.get("msgpack"):
            lines += ["  msgpack true"]
        if o.get("read_only"):
            lines += ["  read-only true"]
        if o.get("vote_timeout"):
            lines += [f"  transaction-timeout {o['vote_timeout']}"]
        lines += [f"  invalidation-queue-size {o.get('invalidations') or 200000}", "</zeo>"]
        lines += ["<filestorage 1>", "  path Data.fs"]
        if o.get("blobs", True):
            lines += [f"  blob-dir {self.blob_directory}"]
        lines += ["</filestorage>"]
        configuration = self.directory / "zeo.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return ["nice", "-n", str(self.niceness), self.python, "-W", "ignore",
                "-m", "ZEO.runzeo", "-C", str(configuration)]

    def is_ready(self):
        return can_connect(self.address)


SERVERS = {server.name: server for server in (ZeoliteServer, PythonServer)}
