"""history_client as child processes, and the verdict on all that they wrote. For tests of clusters."""

import os
import signal
import subprocess
from pathlib import Path

from check_history import check_files
from checkers.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent.parent
# A client says it ends within 15 s; a machine may be slow.
END_LIMIT_S = 40
FINAL_LIMIT_S = 120


class ClientError(Exception):
    """A client did not do what was asked; the text says why."""


def program() -> str:
    return (os.environ.get("ZEOLITE_HISTORY_CLIENT")
            or str(ROOT / "build/release/tests/cluster/history_client"))


class HistoryClients:
    """All clients of one test: give them one list of addresses, and a folder of their own."""

    def __init__(self, addresses: list[str], folder: Path):
        self.addresses = list(addresses)
        self.folder = Path(folder)
        self.files: list[Path] = []
        self.running: list[tuple[str, subprocess.Popen]] = []

    def start(self, workload: str, *arguments, seconds: int = 3600) -> subprocess.Popen:
        """Starts a process of clients. Workloads' objects are to be made with open() before."""
        out = self.folder / f"history-{len(self.files)}-{workload}"
        command = [program(), "--connect", ",".join(self.addresses), "--out", out,
                   "--workload", workload, "--seconds", seconds, "--seed", len(self.files),
                   *arguments]
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, errors="replace")
        self.files.append(out)
        self.running.append((workload, process))
        return process

    def open(self, *workloads: str) -> None:
        """Makes the objects of these workloads."""
        for workload in workloads:
            self.start(workload, "--init", seconds=0)
        self.wait()

    def wait(self) -> None:
        """Until all have ended. ClientError when one failed, or did not end."""
        failures = []
        for workload, process in self.running:
            try:
                _, errors = process.communicate(timeout=END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                _, errors = process.communicate()
                failures.append(f"{workload} did not end: {errors}")
                continue
            if process.returncode != 0:
                failures.append(f"{workload} ended with {process.returncode}: {errors}")
        self.running = []
        if failures:
            raise ClientError("; ".join(failures))

    def finish(self) -> None:
        """Ends all: they finish what they are doing."""
        for _, process in self.running:
            process.send_signal(signal.SIGTERM)
        self.wait()

    def kill(self) -> None:
        """For a test that failed: ends them at once."""
        for _, process in self.running:
            process.kill()
            process.communicate()
        self.running = []

    def dump(self, addresses: list[str] | None = None) -> Path:
        """Writes down what is there in the end, as the primary has it."""
        final = self.folder / "final"
        done = subprocess.run(
            [program(), "--connect", ",".join(addresses or self.addresses), "--out", str(final),
             "--final"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=FINAL_LIMIT_S)
        if done.returncode != 0:
            raise ClientError(f"the final dump: {done.stderr}")
        return final

    def judge(self, addresses: list[str] | None = None) -> Verdict:
        return check_files(self.files, self.dump(addresses))
