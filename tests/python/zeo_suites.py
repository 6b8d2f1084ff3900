"""Runs the test suites inside the ZEO and ZODB packages against a server of this choice.

    python tests/python/zeo_suites.py --server zeolite|python [--encoding pickle|msgpack|both]
        [--layer TEXT] [--test REGEX] [--jobs N] [--json FILE] [--verbose]

Layers (groups of tests) run side by side, each in a process and a directory of its own: most of
their time is waiting. With `--server python` nothing is replaced and nothing excluded: what fails
there says nothing about zeolite. Exit status 1 if a test failed.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import peer_suites
import zeo_adapter
import zeo_servers

HERE = pathlib.Path(__file__).resolve().parent
SERVER = "ZEO_SUITES_SERVER"  # environment: what workers are told
LAYER_LIMIT_S = 900
# Those that take long start first.
SECONDS = {"FileStorageConnectionTests": 60, "BlobAdaptedFileStorageTests": 40,
           "BlobWritableCacheTests": 35, "FileStorageTests": 35, "FileStorageSSLTests": 35,
           "testZeo-misc": 23, "FileStorageReconnectionTests": 18, "MappingStorageTests": 16,
           "testZeo-misc2": 15}


# ---- in a worker ---------------------------------------------------------------------------------


def install_server():
    if os.environ[SERVER] == "zeolite":
        zeo_adapter.install()


def worker(arguments):
    """zope.testrunner may run this file again for a layer; then it brings its own arguments."""
    import zope.testrunner

    install_server()
    if arguments == ["--survey"]:
        print(json.dumps(peer_suites.survey()))
        return 0
    failed = zope.testrunner.run_internal(args=[sys.argv[0], *arguments])
    for text in zeo_adapter.fallbacks:
        print(f"on ZEO's own server: {' '.join(text.split())}")
    return 1 if failed else 0


# ---- in the parent -------------------------------------------------------------------------------


running = set()  # process groups of layers


def end_layers(*_):
    """Their servers must not outlive this process."""
    for group in list(running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    os._exit(1)


class Outcome:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def as_json(self):
        return {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}

    def summary(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def environment(options, encoding):
    env = dict(os.environ) | {SERVER: options.server, "PYTHONWARNINGS": "ignore"}
    env.pop("ZEO_MSGPACK", None)
    if encoding == "msgpack":
        env["ZEO_MSGPACK"] = "1"
    if options.server == "zeolite":
        env[peer_suites.USE_EXCLUSIONS] = "1"
        env["ZEOLITE_BINARY"] = zeo_servers.zeolite_binary()
    return env


def survey(options):
    done = subprocess.run([sys.executable, __file__, "--worker", "--survey"], text=True,
                          capture_output=True, env=environment(options, "pickle"))
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def as_ordinary_user():
    """One test wants a write to a read-only file to be refused, which root is not."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def run_layer(options, encoding, layer, tests):
    """The layer's outcome, and what it printed."""
    outcome = Outcome()
    label = f"zeo-suites {encoding}"
    directory = tempfile.mkdtemp(prefix="zeo-suites-")
    command = [*as_ordinary_user(), "nice", "-n", "5", sys.executable, __file__, "--worker",
               "-vv", "--test-path", str(HERE), "--tests-pattern", "^peer_suites$",
               "--layer", f"^{re.escape(layer)}$", "--xml", directory]
    if options.test:
        command += ["-t", options.test]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=directory, env=environment(options, encoding),
                               text=True, errors="replace", stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    running.add(process.pid)
    try:
        printed = process.communicate(timeout=LAYER_LIMIT_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the group of this process alone
        printed = process.communicate()[0]
        outcome.failed.append(f"{label} {layer} (not done after {LAYER_LIMIT_S} s)")
    finally:
        running.discard(process.pid)
    read_reports(pathlib.Path(directory), label, outcome)
    shutil.rmtree(directory, ignore_errors=True)
    ran = outcome.passed + len(outcome.failed)
    if process.returncode != 0 and not outcome.failed:
        outcome.failed.append(f"{label} {layer} (its process failed)")
    elif ran != tests and not options.test and not outcome.failed:
        outcome.failed.append(f"{label} {layer} ({tests} tests, but {ran} reports)")
    print(f"{label} {layer}: {outcome.summary()} ({time.monotonic() - started:.0f} s)", flush=True)
    return outcome, printed


def read_reports(directory, label, outcome):
    """A test that fails, and again in its end, stands in its report twice."""
    failed, passed = {}, {}
    for report in sorted(directory.glob("testreports/*.xml")):
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"{label} {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                failed[name] = True
            else:
                passed[name] = passed.get(name, 0) + 1
    outcome.failed += failed
    outcome.passed += sum(passed.values())


def parse_options():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--server", choices=sorted(zeo_servers.SERVERS), default="zeolite")
    p.add_argument("--encoding", choices=("pickle", "msgpack", "both"), default="both")
    p.add_argument("--layer", default="", help="only layers with this text in their name")
    p.add_argument("--test", help="only tests that match this expression")
    p.add_argument("--jobs", type=int, default=4, help="layers at a time (4)")
    p.add_argument("--json", help="file for the result")
    p.add_argument("--verbose", action="store_true", help="also what passing layers print")
    return p.parse_args()


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, end_layers)
    signal.signal(signal.SIGINT, end_layers)
    found = survey(options)
    encodings = ("pickle", "msgpack") if options.encoding == "both" else (options.encoding,)
    wanted = [(encoding, layer, tests) for encoding in encodings
              for layer, tests in found["layers"].items() if options.layer in layer]
    wanted.sort(key=lambda w: -SECONDS.get(re.sub(r"^\.| .*", "", w[1]), 5))
    total = Outcome()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run_layer, options, *w) for w in wanted]
        for future in concurrent.futures.as_completed(futures):
            outcome, printed = future.result()
            if outcome.failed or options.verbose:
                print(printed, flush=True)
            total.passed += outcome.passed
            total.failed += outcome.failed
    total.skipped = [(f"zeo-suites {name}", reason) for name, reason in found["excluded"]]
    for name in total.failed:
        print(f"failed: {name}")
    print(total.summary())
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(total.as_json(), indent=1))
    return 1 if total.failed else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        sys.exit(worker(sys.argv[2:]))
    if len(sys.argv) > 1 and sys.argv[1] == "--resume-layer":
        sys.exit(worker(sys.argv[1:]))
    sys.exit(main())
