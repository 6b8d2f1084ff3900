"""Starts `zeolite serve` where ZEO's own test suites start ZEO's server.

All servers of those suites come from one function, `ZEO._forker.start_zeo_server`. `install()`
puts another in its place; it must be called before anything of `ZEO.tests` is imported. The
configuration text is translated as follows:

  <filestorage> path P      data in P.zeolite; a P that ZODB made or changed meanwhile is imported
  <mappingstorage>          data in a throw-away directory
  blob-dir, <blobstorage>   --blob-dir, else --no-blobs
  pack-gc false             --no-pack-gc
  read-only (either)        --zeo-read-only
  <zeo>                     address, msgpack, transaction-timeout, invalidation-queue-size
                            (lifted by an invalidation-age: the log has it all)
  <ssl>                     certificate, key, authenticate; password-function is called here
  several storages          --config with a [[storage]] for each
  <eventlog>                what zeolite logs, in the format of Python's server, to its path

What zeolite cannot be (<zeoclient>, %import, protocol=) is started as ZEO's own server, so that
mixed tests still say something; `fallbacks` counts them.
"""

import importlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import zeo_servers

DEFAULT_START_LIMIT_S = 33

# How zeolite's log lines (TIME LEVEL MESSAGE) look in the log of ZEO's server, where tests
# search it. The first pattern that matches a line's message decides.
LOG_TRANSLATION = (
    (re.compile(r"(.*) closed: a voted transaction was not finished in time"),
     "CRITICAL", r"\1 Transaction timeout after the vote"),
    (re.compile(r"ZEO client (\S+) (\S+) has told its label"), "INFO", r"(\1 \2) connected"),
)

fallbacks = []


class Section:
    """A ZConfig section: its keys, and the sections within."""

    def __init__(self, kind, name):
        self.kind = kind
        self.name = name
        self.keys = {}
        self.sections = []

    def find(self, kind):
        for section in self.sections:
            if section.kind == kind:
                return section
        return None

    def is_true(self, key):
        return self.keys.get(key, "").lower() in ("yes", "true", "on", "1")


def parse(text):
    """The sections of a ZConfig text below one without a kind; %import is a key."""
    stack = [Section("", "")]
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        opened = re.fullmatch(r"<([\w-]+)(?:\s+([^\s/>]+))?\s*(/?)>", line)
        if line.startswith("</"):
            stack.pop()
        elif opened:
            section = Section(opened.group(1).lower(), opened.group(2))
            stack[-1].sections.append(section)
            if not opened.group(3):
                stack.append(section)
        else:
            key, _, value = line.partition(" ")
            stack[-1].keys[key.lower()] = value.strip()
    return stack[0]


class Storage:
    """What one storage section asks for."""

    def __init__(self, section):
        self.name = section.name or "1"
        self.blob_directory = section.keys.get("blob-dir")
        if section.kind == "blobstorage":
            section = section.sections[0]
        self.blob_directory = self.blob_directory or section.keys.get("blob-dir")
        self.kind = section.kind
        self.path = section.keys.get("path")
        self.create = section.is_true("create")
        self.read_only = section.is_true("read-only")
        self.pack_gc = section.keys.get("pack-gc", "true").lower() in ("yes", "true", "on")

    def is_supported(self):
        return self.kind in ("filestorage", "mappingstorage")

    def prepare(self):
        """The data directory, made as FileStorage would find or make its file."""
        if self.kind == "mappingstorage":
            return tempfile.mkdtemp(suffix=".zeolite", dir=os.getcwd())
        path = os.path.abspath(self.path)
        directory = path + ".zeolite"
        if self.create:
            shutil.rmtree(directory, ignore_errors=True)
            if os.path.exists(path):
                os.remove(path)
        if os.path.exists(path):
            self._import(path, directory)
        return directory

    def _import(self, path, directory):
        """A Data.fs that is new, or was replaced since it was imported, is the truth."""
        facts = os.stat(path)
        seen = f"{facts.st_mtime_ns} {facts.st_size}"
        note = directory + ".imported"
        if os.path.isdir(directory) and os.path.exists(note) and open(note).read() == seen:
            return
        shutil.rmtree(directory, ignore_errors=True)
        command = [zeo_servers.zeolite_binary(), "import", f"filestorage:{path}",
                   "--data", directory]
        if self.blob_directory:
            command += ["--blobs", self.blob_directory]
        subprocess.run(command, check=True, capture_output=True)
        with open(note, "w") as file:
            file.write(seen)


def _address_option(address):
    """`HOST:PORT`, `PORT` or a path, as `--zeo` wants it."""
    address = address.strip().replace(": ", ":")
    if "/" in address:
        return "unix:" + os.path.abspath(address)
    host, _, port = address.rpartition(":")
    return f"{host.strip('[]') or '127.0.0.1'}:{port or 0}"


def options_of(zeo, storages, directories):
    """The command line of `zeolite` for these sections."""
    options = ["serve", "--zeo", _address_option(zeo.keys["address"])]
    if len(storages) == 1:
        options += ["--data", directories[0], "--storage-name", storages[0].name]
        blobs = storages[0].blob_directory
        options += ["--blob-dir", os.path.abspath(blobs)] if blobs else ["--no-blobs"]
    else:
        options += ["--config", _storages_file(storages, directories)]
    if zeo.is_true("msgpack") or os.environ.get("ZEO_MSGPACK"):
        options += ["--zeo-msgpack"]
    if zeo.is_true("read-only") or any(storage.read_only for storage in storages):
        options += ["--zeo-read-only"]
    if not all(storage.pack_gc for storage in storages):
        options += ["--no-pack-gc"]
    if "transaction-timeout" in zeo.keys:
        options += ["--vote-timeout", zeo.keys["transaction-timeout"]]
    if "invalidation-queue-size" in zeo.keys and "invalidation-age" not in zeo.keys:
        options += ["--zeo-invalidation-limit", zeo.keys["invalidation-queue-size"]]
    ssl = zeo.find("ssl")
    return options + (_tls_options(ssl) if ssl else [])


def _tls_options(ssl):
    options = ["--zeo-tls-certificate", ssl.keys["certificate"],
               "--zeo-tls-client-ca", ssl.keys["authenticate"]]
    if "key" in ssl.keys:
        options += ["--zeo-tls-key", ssl.keys["key"]]
    if "password-function" in ssl.keys:
        module, _, function = ssl.keys["password-function"].rpartition(".")
        options += ["--zeo-tls-key-password", _text_file(
            ".password", getattr(importlib.import_module(module), function)())]
    return options


def _storages_file(storages, directories):
    return _text_file(".toml", "".join(
        f'[[storage]]\nname = "{storage.name}"\ndirectory = "{directory}"\n'
        for storage, directory in zip(storages, directories)))


def _text_file(suffix, text):
    """The path of a new file with this text."""
    file, path = tempfile.mkstemp(suffix=suffix, dir=os.getcwd())
    with os.fdopen(file, "w") as out:
        out.write(text)
    return path


class Process:
    """A running `zeolite serve`, with a thread that passes on what it logs."""

    def __init__(self, options, log_path):
        self.address = None
        self._ready = threading.Event()
        self._lines = []
        self._log = open(log_path, "a") if log_path else None
        self._process = subprocess.Popen(
            [zeo_servers.zeolite_binary(), *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, name="zeolite log", daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stderr:
            self._lines = self._lines[-50:] + [line]
            if line.startswith("ready"):
                self.address = self._address_in(line)
                self._ready.set()
            elif self._log:
                self._log.write(self._as_python_logs(line))
                self._log.flush()
        self._ready.set()

    @staticmethod
    def _address_in(line):
        named = re.search(r"\bzeo=(\S+)", line).group(1)
        if named.startswith("unix:"):
            return named[len("unix:"):]
        host, _, port = named.rpartition(":")
        return host.strip("[]"), int(port)

    @staticmethod
    def _as_python_logs(line):
        _, level, message = (line.rstrip("\n").split(" ", 2) + ["", ""])[:3]
        level = level.upper()
        for pattern, as_level, as_message in LOG_TRANSLATION:
            if pattern.match(message):
                level, message = as_level, pattern.sub(as_message, message)
                break
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        return f"------\n{now} {level} ZEO.StorageServer {message}\n"

    def wait_until_ready(self, limit_s):
        self._ready.wait(limit_s)
        if self.address is None:
            self._process.kill()
            self._process.wait()
            raise RuntimeError("zeolite did not start:\n" + "".join(self._lines))

    def stop(self, limit_s):
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(limit_s)
        self._process.stderr.close()
        if self._log:
            self._log.close()
        if status != 0:
            raise RuntimeError(f"zeolite ended with status {status}:\n" + "".join(self._lines))


def configuration_text(original, storage_conf, zeo_conf, port, path, blob_dir, log):
    """The two texts that the original function would write into its configuration file."""
    if not storage_conf:
        storage_conf = f"<filestorage>\npath {path}\n</filestorage>"
    if blob_dir:
        storage_conf = f"<blobstorage>\nblob-dir {blob_dir}\n{storage_conf}\n</blobstorage>"
    if zeo_conf is None or isinstance(zeo_conf, dict):
        address = ("127.0.0.1", port or 0) if port is None or isinstance(port, int) else port
        configured = original.ZEOConfig(address, log=log)
        configured.__dict__.update(zeo_conf or {})
        zeo_conf = configured
    return str(zeo_conf), storage_conf


def install():
    """Replaces `ZEO._forker.start_zeo_server`."""
    from ZEO import _forker

    original = _forker.start_zeo_server

    def start_zeo_server(storage_conf=None, zeo_conf=None, port=None, keep=False, path="Data.fs",
                         protocol=None, blob_dir=None, suicide=True, debug=False, threaded=False,
                         start_timeout=DEFAULT_START_LIMIT_S, name=None, log=None,
                         show_config=False):
        zeo_text, storage_text = configuration_text(
            _forker, storage_conf, zeo_conf, port, path, blob_dir, log)
        server = parse(zeo_text)
        zeo = server.find("zeo")
        wanted = parse(storage_text)
        storages = [Storage(section) for section in wanted.sections]
        if (protocol or wanted.keys or not storages
                or not all(storage.is_supported() for storage in storages)):
            fallbacks.append(storage_text)
            return original(storage_conf, zeo_conf, port, keep, path, protocol, blob_dir, suicide,
                            debug, threaded, start_timeout, name, log, show_config)
        directories = [storage.prepare() for storage in storages]
        eventlog = server.find("eventlog")
        logfile = eventlog.find("logfile") if eventlog else None
        options = options_of(zeo, storages, directories)
        if logfile:
            options += ["--log-level", "debug"]
        process = Process(options, logfile.keys["path"] if logfile else None)
        process.wait_until_ready(start_timeout)

        def stop(stop_timeout=99):
            try:
                process.stop(stop_timeout)
            finally:
                for storage, directory in zip(storages, directories):
                    if not keep or storage.kind == "mappingstorage":
                        shutil.rmtree(directory, ignore_errors=True)

        return process.address, stop

    _forker.start_zeo_server = start_zeo_server
