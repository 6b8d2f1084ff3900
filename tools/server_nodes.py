"""Zeolite servers as child processes, for the demonstration and for cluster tests.

Standard library only. Whoever starts one ends it: stop() or kill(); they die with this process.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from etcd_cluster import die_with_parent
from project_files import ROOT

START_LIMIT_S = 60
STOP_LIMIT_S = 60
COMMAND_LIMIT_S = 30


class NodeError(Exception):
    """A server, or a command, did not do what was asked; the text says why."""


def program() -> str:
    return os.environ.get("ZEOLITE_BINARY") or str(ROOT / "build/release/zeolite")


def until(condition, what: str, limit_s: float, pause_s: float = 0.02):
    """The first true value of condition(). NodeError when there is none in time."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NodeError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(pause_s)


def command(*arguments, limit_s: float = COMMAND_LIMIT_S) -> subprocess.CompletedProcess:
    """Runs `zeolite ARGUMENTS...` to its end."""
    return subprocess.run([program(), *map(str, arguments)], text=True, errors="replace",
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=limit_s)


@dataclass(frozen=True)
class LogLine:
    at: float  # time.monotonic() when it was read
    text: str


@dataclass
class Ports:
    native: int
    zeo: int
    zeo_read: int


@dataclass
class Node:
    """One server. start() after kill() or stop() serves the same data at the same ports."""

    name: str
    data: Path
    ports: Ports
    arguments: list[str] = field(default_factory=list)  # of zeolite serve, further ones
    environment: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    prefix: list[str] = field(default_factory=list)  # a command that becomes the server: nsenter
    process: subprocess.Popen | None = None
    lines: list[LogLine] = field(default_factory=list)  # what it logged, of all its lives

    @property
    def address(self) -> str:
        return f"{self.host}:{self.ports.native}"

    @property
    def zeo_address(self) -> tuple[str, int]:
        return self.host, self.ports.zeo

    @property
    def zeo_read_address(self) -> tuple[str, int]:
        return self.host, self.ports.zeo_read

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def command_line(self) -> list[str]:
        return [*self.prefix, program(), "serve", "--data", str(self.data), "--name", self.name,
                "--native", self.address, "--zeo", "%s:%d" % self.zeo_address,
                "--zeo-read", "%s:%d" % self.zeo_read_address, *self.arguments]

    def launch(self) -> None:
        """Starts it without waiting."""
        # A session of its own: Ctrl-C is for its owner, who ends it.
        self.process = subprocess.Popen(
            self.command_line(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
            env=os.environ | self.environment, preexec_fn=die_with_parent)
        threading.Thread(target=self._collect, args=(self.process.stderr,), daemon=True).start()

    def _collect(self, stream) -> None:
        with stream:
            for line in stream:
                self.lines.append(LogLine(time.monotonic(), line.rstrip("\n")))

    def start(self) -> "Node":
        first = len(self.lines)
        self.launch()
        until(lambda: self.logged(r"^ready\b", first) or not self.running,
              f"{self.name} is ready; {self.log_tail()}", START_LIMIT_S)
        if not self.running:
            raise NodeError(f"{self.name} did not start; {self.log_tail()}")
        return self

    def logged(self, pattern: str, first: int = 0) -> LogLine | None:
        """The first line of the log that matches, from the line of that number on."""
        for line in self.lines[first:]:
            if re.search(pattern, line.text):
                return line
        return None

    def log_tail(self, count: int = 12) -> str:
        return "its log ends:\n" + "\n".join(line.text for line in self.lines[-count:])

    def server_pid(self) -> int:
        """Of the process that serves: with --supervise, a child of the one that was started."""
        if "--supervise" not in self.arguments:
            return self.process.pid
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def kill_server(self) -> None:
        """kill -9 of the process that serves; a supervisor ends by itself then."""
        os.kill(self.server_pid(), signal.SIGKILL)
        self.process.wait(STOP_LIMIT_S)

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int | None:
        """Ends it in order; the exit status."""
        if self.process is None:
            return None
        if self.running:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise NodeError(f"{self.name} did not stop; {self.log_tail()}") from None
        return self.process.returncode

    def status(self) -> dict:
        """Empty when it does not answer."""
        done = command("status", "--json", "--timeout", "2", "--at", self.address)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def role(self) -> str:
        return self.status().get("role", "")

    def in_sync(self) -> list[str]:
        """Names of its standbys that may be promoted."""
        return sorted(standby["node"] for standby in self.status().get("standbys", [])
                      if standby["in_sync"])

    def verify(self) -> dict:
        done = command("verify", "--json", "--at", self.address, limit_s=600)
        if done.returncode != 0:
            raise NodeError(f"verify at {self.name}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)
