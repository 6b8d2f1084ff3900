import json
import random
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from check_history import judge
from checkers.history import tid_text

from unit.stories import X, RandomRun, Story

PROGRAM = Path(__file__).resolve().parent.parent / "check_history.py"
SPEED_LIMIT_S = 30  # 2 on an idle machine


def line_of(op) -> str:
    fields = {name: getattr(op, name) for name in (
        "client", "seq", "f", "type", "begin_ns", "end_ns", "role", "epoch", "synced", "learned",
        "why")}
    for name in ("tid", "snapshot", "at_least"):
        if getattr(op, name):
            fields[name] = tid_text(getattr(op, name))
    fields["value"] = {name: getattr(op, name) for name in ("reads", "writes", "current", "append")}
    return json.dumps(fields) + "\n"


def dump_of(final) -> str:
    lines = [{"node": "n", "epoch": final.epoch, "visible": tid_text(final.visible)}]
    lines += [{"tid": tid_text(t.tid), "client": t.client, "seq": t.seq, "writes": t.writes}
              for t in final.transactions]
    lines.append({"transactions": len(final.transactions)})
    return "".join(json.dumps(line) + "\n" for line in lines)


class RandomRunTest(unittest.TestCase):
    def test_what_a_correct_cluster_answers_is_good(self):
        for seed in range(40):
            run = RandomRun(seed, 400)
            verdict = judge(run.history(), run.final())
            self.assertTrue(verdict.good, f"seed {seed}:\n{verdict.text()}")
            self.assertTrue({"ok", "fail", "unknown"} <= {op.type for op in run.operations})

    def test_any_transaction_that_is_missing_is_noticed(self):
        for seed in range(20):
            run = RandomRun(seed, 200)
            told = {op.id for op in run.operations if op.acknowledged}
            lost = random.Random(seed).choice([t for t in run.log if t.id in told])
            run.log.remove(lost)
            self.assertIn("lost", run.kinds(), f"seed {seed}")

    def test_any_read_that_is_wrong_is_noticed(self):
        for seed in range(20):
            run = RandomRun(seed, 200)
            chance = random.Random(seed)
            op = chance.choice([op for op in run.operations if op.reads])
            oid = chance.choice(sorted(op.reads))
            values = {value for _, value in run.store.get(oid, [])} | {None}
            others = sorted(values - {op.reads[oid]}, key=str)
            if others:
                op.reads[oid] = chance.choice(others)
                self.assertIn("wrong-read", run.kinds(), f"seed {seed}")

    def test_fifty_thousand_operations_take_seconds(self):
        run = RandomRun(1, 50_000, clients=32)
        history, final = run.history(), run.final()
        began = time.monotonic()
        verdict = judge(history, final)
        self.assertTrue(verdict.good, verdict.text())
        self.assertLess(time.monotonic() - began, SPEED_LIMIT_S)


class DamageTest(unittest.TestCase):
    def test_bytes_that_make_no_sense_are_told_like_any_wrong_read(self):
        story = Story()
        story.write("open", 10, {X: "5 open"}, f="open")
        story.append("a", 20, {"l": []}, {"l": [1]})
        story.read("b", 20, {X: "\x00", "l": "\x01 -"}, f="sum")
        self.assertTrue({"wrong-read", "wrong-sum", "incompatible-order"} <= story.kinds())


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("a", 10, {X: "a1"})
        self.story.write("b", 20, {X: "b1"}, reads={X: "a1"})
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.history = Path(folder.name, "history")
        self.final = Path(folder.name, "final")
        self.history.write_text("".join(map(line_of, self.story.operations)))
        self.final.write_text(dump_of(self.story.final()))

    def run_program(self) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, PROGRAM, "--history", self.history,
                               "--final", self.final], capture_output=True, text=True)

    def test_good_files(self):
        done = self.run_program()
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "good"), done.stderr)

    def test_a_violation_is_told_and_is_status_1(self):
        self.story.edits.append(lambda log: log[:1])
        self.final.write_text(dump_of(self.story.final()))
        done = self.run_program()
        self.assertEqual(done.returncode, 1)
        self.assertIn("VIOLATION lost: write 1 of test-b", done.stdout)

    def test_a_killed_client_s_torn_line_is_left_out(self):
        self.history.write_text(self.history.read_text() + '{"client":"test-a","seq"')
        done = self.run_program()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("torn", done.stdout)

    def test_a_dump_that_is_not_complete_is_refused(self):
        text = self.final.read_text()
        for broken in (text[:-5], "".join(text.splitlines(True)[:-1]), "",
                       "".join(text.splitlines(True)[:1] + text.splitlines(True)[2:])):
            self.final.write_text(broken)
            self.assertEqual(self.run_program().returncode, 2, broken)

    def test_a_line_that_is_damaged_is_refused(self):
        self.history.write_text("{}\n" + self.history.read_text())
        self.assertEqual(self.run_program().returncode, 2)

    def test_a_history_that_shows_nothing_is_refused(self):
        self.history.write_text("")
        done = self.run_program()
        self.assertEqual((done.returncode, "nothing to check" in done.stderr), (2, True))

    def test_a_file_given_twice_is_refused(self):
        self.history.write_text(self.history.read_text() * 2)
        self.assertEqual(self.run_program().returncode, 2)


if __name__ == "__main__":
    unittest.main()
