import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import doc_commands


def run(text: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.md")
        path.write_text(text)
        with redirect_stdout(StringIO()) as printed:
            results = doc_commands.run_file(path, "page.md", Path(folder))
        return results, printed.getvalue()


class ParseTest(unittest.TestCase):
    def test_only_marked_blocks_and_continued_commands(self):
        text = "```console\n$ no\n```\n```console test\n$ a \\\n> b\nout\n\n$ c\n```\n"
        steps = doc_commands.parse(text)
        self.assertEqual([(s.line, s.command, s.expected) for s in steps],
                         [(5, "a \\\nb", ["out"]), (9, "c", [])])


class MatchesTest(unittest.TestCase):
    def test_wildcards(self):
        self.assertTrue(doc_commands.matches(["a", "...", "d"], "a\nb\nc\nd\n"))
        self.assertTrue(doc_commands.matches(["tid ... of 3 (x)"], "tid 0f of 3 (x)\n"))
        self.assertFalse(doc_commands.matches(["a"], "a\nb\n"))
        self.assertFalse(doc_commands.matches(["a.c"], "abc\n"))


class RunTest(unittest.TestCase):
    def test_one_shell_for_all_blocks(self):
        results, _ = run("```console test\n$ x=5\n```\nand\n```console test\n$ echo $x\n5\n```\n")
        self.assertEqual((results.passed, results.failed), (2, []))

    def test_wrong_output_fails_with_line_and_stops(self):
        results, printed = run("```console test\n$ echo a\nb\n$ echo c\n```\n")
        self.assertEqual((results.passed, results.failed), (0, ["page.md:2"]))
        self.assertIn("printed:\na\n", printed)

    def test_exit_status_counts(self):
        results, _ = run("```console test\n$ (echo no; exit 3)\nno\n[exit 3]\n$ false\n```\n")
        self.assertEqual((results.passed, results.failed), (1, ["page.md:5"]))

    def test_background_is_awaited_and_ended(self):
        results, printed = run(
            "```console test\n$ bash -c 'sleep 0.1; echo ready now; exec sleep 600' &\nready ...\n"
            "$ echo $! >pid\n$ test -d /proc/$(cat pid)\n```\n")
        self.assertEqual((results.passed, results.failed), (3, []), printed)

    def test_background_that_ends_early_fails(self):
        results, printed = run("```console test\n$ bash -c 'echo broken' &\nready\n```\n")
        self.assertEqual(results.failed, ["page.md:2"])
        self.assertIn("broken", printed)
