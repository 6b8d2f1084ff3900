import unittest

import tidy
from cxx_source import CxxSource


def rules(path: str, text: str, header: str | None = None) -> list[str]:
    own_header = CxxSource(path.replace(".cc", ".h"), header) if header else None
    return [f.rule for f in tidy.check_cxx(CxxSource(path, text), own_header)]


def text_rules(path: str, text: str) -> list[str]:
    return [f.rule for f in tidy.check_text(path, text)]


class SizesTest(unittest.TestCase):
    def test_limits_are_inclusive(self):
        header = "#pragma once\n" + "int a;\n" * (tidy.HEADER_LINES_MAX - 1)
        self.assertEqual(rules("src/net/a.h", header), [])
        self.assertEqual(rules("src/net/a.h", header + "int b;\n"), ["file-size"])
        body = "void f() {\n" + "  g();\n" * (tidy.FUNCTION_LINES_MAX - 2) + "}\n"
        self.assertEqual(rules("src/net/a.cc", body), [])
        self.assertEqual(rules("src/net/a.cc", body.replace("{\n", "{\n  g();\n")), ["function-size"])

    def test_headers_begin_with_pragma_once(self):
        self.assertEqual(rules("src/net/a.h", "int a;\n"), ["pragma-once"])


class BansTest(unittest.TestCase):
    def test_sans_io_folders(self):
        for text, rule in (
            ("auto t = std::chrono::steady_clock::now();", "clock"),
            ("std::this_thread::sleep_for(1s);", "sleep"),
            ("std::random_device d;", "random"),
            ("std::mutex m;", "threads"),
            ("std::shared_mutex m;", "threads"),
            ("auto h = getenv(x);", "environment"),
        ):
            for folder in ("commit", "replication"):
                self.assertEqual(rules(f"src/{folder}/a.cc", text), [rule], text)
            self.assertEqual(rules("src/daemon/a.cc", text), [], text)

    def test_everywhere(self):
        for text, rule in (
            ("assert(a);", "assert"),
            ("auto* a = new Store(1);", "raw-new"),
            ("delete a;", "raw-new"),
            ("int a = atoi(b);", "unsafe-text"),
            ("throw a;", "throw"),
            ("std::cout << a;", "output"),
        ):
            self.assertEqual(rules("src/storage/a.cc", text), [rule], text)

    def test_not_what_only_looks_alike(self):
        for text in (
            "static_assert(a);",
            "A(const A&) = delete;",
            "return std::unique_ptr<A>(new A(b));",
            "std::unique_ptr<A> made(\n    new A(b));",
            "// new things are made, then we throw and sleep(1)",
            "timer.sleep(1);",
            "const Tid new_tid = next();",
        ):
            self.assertEqual(rules("src/storage/a.cc", text), [], text)

    def test_unit_tests_have_no_clock_and_no_sleep(self):
        text = "std::this_thread::sleep_for(1s);"
        self.assertEqual(rules("tests/commit/a_test.cc", text), ["sleep"])
        self.assertEqual(rules("tests/integration/a_test.cc", text), [])

    def test_exception_names_the_rule_and_a_reason(self):
        text = "// tidy: allow threads: {}\nstd::mutex m;"
        self.assertEqual(rules("src/commit/a.cc", text.format("held by nobody else")), [])
        self.assertEqual(rules("src/commit/a.cc", text.format("")), ["threads"])


class UnorderedIterationTest(unittest.TestCase):
    HEADER = "#pragma once\nstd::unordered_map<Oid, std::vector<int>> locks_;\n"

    def test_members_declared_in_the_own_header(self):
        loop = "void f() {\n  for (auto& [oid, l] : locks_) g(l);\n}\n"
        self.assertEqual(rules("src/commit/a.cc", loop, self.HEADER), ["unordered-iteration"])
        self.assertEqual(rules("src/net/a.cc", loop, self.HEADER), [])

    def test_look_ups_are_fine(self):
        look_up = "void f() {\n  auto it = locks_.find(oid);\n}\n"
        self.assertEqual(rules("src/commit/a.cc", look_up, self.HEADER), [])


class TextTest(unittest.TestCase):
    def test_unfinished_paths_and_names(self):
        self.assertEqual(text_rules("src/a/b.cc", "// TO" "DO: later"), ["unfinished"])
        self.assertEqual(text_rules("tools/b.sh", "cd /wo" "rk/main"), ["machine-path"])
        self.assertEqual(text_rules("src/a/b.cc", 'mkstemp("zeoliteXXXXXX")'), [])
        self.assertEqual(text_rules("src/a/b_helpers.cc", ""), ["file-name"])
        self.assertEqual(text_rules("src/utils/b.cc", ""), ["file-name"])
        self.assertEqual(text_rules("src/a/commit_log.cc", ""), [])


class PairsTest(unittest.TestCase):
    def findings(self, paths, exceptions=None):
        return [(f.path, f.rule) for f in tidy.check_pairs(paths, exceptions or {})]

    def test_every_source_has_a_test_of_its_name(self):
        self.assertEqual(self.findings(["src/a/b.cc", "tests/a/b_test.cc"]), [])
        self.assertEqual(self.findings(["src/a/b.cc"]), [("src/a/b.cc", "test-pair")])

    def test_every_test_has_a_source_or_header(self):
        self.assertEqual(self.findings(["src/a/b.h", "tests/a/b_test.cc"]), [])
        self.assertEqual(self.findings(["tests/a/c_test.cc"]), [("tests/a/c_test.cc", "test-pair")])
        self.assertEqual(self.findings(["tests/integration/kill_test.cc"]), [])

    def test_exceptions_exist_and_have_a_reason(self):
        self.assertEqual(self.findings(["src/a/b.cc"], {"src/a/b.cc": "wiring"}), [])
        listed = ("tools/test_exceptions.txt", "test-pair")
        self.assertEqual(self.findings(["src/a/b.cc"], {"src/a/b.cc": ""}), [listed])
        self.assertEqual(
            self.findings(["src/a/b.cc"], {"src/a/b.cc": "see tests/a/c_test.cc"}), [listed])
        self.assertEqual(self.findings([], {"src/a/gone.cc": "wiring"}), [listed])
