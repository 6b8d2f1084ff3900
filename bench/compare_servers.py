"""The servers that bench/compare starts, waits for, watches in /proc, and ends."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Skipped(Exception):
    """A system cannot be measured here; the text says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_program(name, *directories):
    for directory in directories:
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    path = shutil.which(name)
    if path is None:
        raise Skipped(f"{name} is not installed")
    return path


# ---- /proc -------------------------------------------------------------------------------------


def stat_fields(pid):
    """The fields of /proc/PID/stat after the command's name: [0] is the state."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def cpu_seconds(pid):
    """Processor time of a process, of its ended children, and of its living ones."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(stat_fields(entry)[1]), []).append(int(entry))
    ticks = 0
    pending = [pid]
    while pending:
        current = pending.pop()
        with contextlib.suppress(OSError):
            ticks += sum(int(f) for f in stat_fields(current)[11:15])
        pending += parents.get(current, [])
    return ticks / TICKS_PER_S


def memory_kb(pid, key):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.M)
    return int(match.group(1)) if match else 0


# ---- servers -----------------------------------------------------------------------------------


class Server:
    """A server process of ours: started, waited for, ended by its pid."""

    def __init__(self, name, command, log, stop_signal=signal.SIGTERM, user=None):
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", **as_user
            )
        self.pid = self.process.pid
        self.at = None

    def wait_until(self, probe, limit_s=60):
        """Calls probe() until it returns the address at which the server answers."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            self.at = probe()
            if self.at:
                return
            time.sleep(0.05)
        tail = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not become ready; its log ends:\n{tail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def ready_line_address(log, port_name):
    """The address that the line beginning "ready" names, after `port_name` if it does."""
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        if line.startswith("ready"):
            named = re.search(rf"\b{port_name}[ =:]+([\w.\[\]]+:\d+)", line)
            return named.group(1) if named else re.search(r"[\w.]+:\d+", line).group(0)
    return None


def port_opener(port):
    def probe():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return f"127.0.0.1:{port}"
        return None

    return probe


def start_zeolite(run, name="zeolite", *arguments, port=0):
    """`zeolite serve` with its data and log in the run's directory; port 0: any."""
    binary = run.build / "zeolite"
    if not binary.exists():
        raise Skipped(f"{binary} does not exist")
    log = run.dir / f"{name}.log"
    server = Server(
        name,
        [binary, "serve", "--data", run.dir / name, "--native", f"127.0.0.1:{port}", *arguments],
        log,
    )
    run.servers.append(server)
    server.wait_until(lambda: ready_line_address(log, "native"))
    return server


def start_echo(run):
    log = run.dir / "echo.log"
    server = Server("echo", [run.tool("peer_load"), "echo-server"], log)
    run.servers.append(server)
    server.wait_until(lambda: ready_line_address(log, "echo"))
    return server


def start_redis(run):
    data = run.dir / "redis"
    data.mkdir()
    port = free_port()
    command = [find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", data, "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    server = Server("redis", command, run.dir / "redis.log")
    run.servers.append(server)
    server.wait_until(port_opener(port))
    fill_redis(port, run.options.objects, run.options.size)
    return server


def fill_redis(port, objects, size):
    value = os.urandom(size)
    with socket.create_connection(("127.0.0.1", port)) as s, s.makefile("rb") as replies:
        for first in range(0, objects, 1000):
            last = min(first + 1000, objects)
            batch = bytearray()
            for i in range(first, last):
                key = b"o%d" % i
                batch += b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size)
                batch += value + b"\r\n"
            s.sendall(batch)
            for _ in range(first, last):
                if replies.readline() != b"+OK\r\n":
                    raise RuntimeError("Redis refused a record")


def start_postgres(run):
    bin_dir = "/usr/lib/postgresql/15/bin"
    initdb = find_program("initdb", bin_dir)
    psql = find_program("psql", bin_dir)
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    home = run.dir / "postgres"
    home.mkdir()
    if user:
        shutil.chown(home, user, user)
    as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
    data = home / "data"
    made = subprocess.run(
        [initdb, "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"],
        capture_output=True, text=True, cwd="/", **as_user,
    )
    if made.returncode != 0:
        raise Skipped(f"initdb failed: {made.stderr.strip().splitlines()[-1]}")
    port = free_port()
    command = [find_program("postgres", bin_dir), "-D", data, "-p", str(port)]
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": home,
        "shared_buffers": "256MB",
        "fsync": "on",
        "synchronous_commit": "on",
    }
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    server = Server("postgres", command, run.dir / "postgres.log", signal.SIGINT, user)
    run.servers.append(server)
    connect = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", "bench", "-d", "postgres", "-qAt"]

    def probe():
        done = subprocess.run([*connect, "-c", "select 1"], capture_output=True)
        return f"127.0.0.1:{port}" if done.returncode == 0 else None

    server.wait_until(probe)
    sql = (
        "create table record (oid bigint primary key, tid bigint, data bytea);"
        f"insert into record select i, 0, decode(repeat('5a', {run.options.size}), 'hex')"
        f" from generate_series(0, {run.options.objects - 1}) i;"
    )
    for statement in (sql, "vacuum analyze record", "checkpoint"):
        subprocess.run([*connect, "-c", statement], check=True)
    return server


STARTERS = {
    "zeolite": start_zeolite,
    "postgres": start_postgres,
    "redis": start_redis,
    "echo": start_echo,
}
