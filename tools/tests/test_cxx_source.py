import unittest

from cxx_source import CxxSource


def source(text: str, path: str = "src/model/x.cc") -> CxxSource:
    return CxxSource(path, text)


def functions(text: str):
    return [(f.name, f.lines) for f in source(text).functions]


class CodeTest(unittest.TestCase):
    def test_comments_and_strings_are_blanked_in_place(self):
        text = 'int a; // new X\nauto s = "delete y"; /* rand() */ char c = \'"\'; int b;'
        code = source(text).code
        self.assertEqual(len(code), len(text))
        for gone in ("new", "delete", "rand"):
            self.assertNotIn(gone, code)
        self.assertIn("int b;", code)

    def test_raw_strings_end_at_their_delimiter(self):
        code = source('auto s = R"x(a " ) b)x"; int after;').code
        self.assertIn("int after;", code)
        self.assertNotIn(" b)", code)

    def test_digit_separators_are_not_characters(self):
        self.assertIn("rand()", source("int a = 1'000'000; rand(); int b = 0xFF'FF;").code)


class IncludesTest(unittest.TestCase):
    def test_found_with_line_and_kind_unless_commented(self):
        text = '#include <vector>\n// #include "a/b.h"\n  # include "base/error.h"  // why\n'
        found = [(i.line, i.path, i.quoted) for i in source(text).includes]
        self.assertEqual(found, [(1, "vector", False), (3, "base/error.h", True)])


class FunctionsTest(unittest.TestCase):
    def test_free_functions_members_and_tests(self):
        text = (
            "namespace zeolite {\n\nint f(int a) {\n  return a;\n}\n\n"
            "class X final : public Y<int> {\n public:\n  int g() const { return a_; }\n"
            " private:\n  int a_{0};\n};\n\nTEST(Store, KeepsOrder) {\n  if (x) {\n  }\n}\n}\n"
        )
        self.assertEqual(functions(text), [("f", 3), ("g", 1), ("Store.KeepsOrder", 4)])

    def test_constructor_initialisers_belong_to_the_body(self):
        text = "A::A(int b)\n    : b_{b},\n      c_(f(b)),\n      d_{} {\n  go();\n}\nint next() {\n}\n"
        self.assertEqual(functions(text), [("A::A", 6), ("next", 2)])

    def test_tables_and_lambdas_at_namespace_scope_are_not_functions(self):
        text = "constexpr Row kRows[] = {\n    {1, f(2)},\n};\nenum class E : int { a, b };\nint f() {\n}\n"
        self.assertEqual(functions(text), [("f", 2)])

    def test_templates_operators_and_trailing_returns(self):
        text = (
            "template <class T>\n  requires(sizeof(T) > 1)\nauto h(T t) -> Result<T> {\n  return t;\n}\n"
            "bool operator==(const A& a, const A& b) {\n  return true;\n}\n"
            "struct Z make_z() {\n  return {};\n}\n"
        )
        self.assertEqual(functions(text), [("requires", 5), ("operator==", 3), ("make_z", 3)])

    def test_lambdas_inside_count_into_their_function(self):
        text = "void f() {\n  auto g = [&](int a) {\n    return a;\n  };\n  g(1);\n}\n"
        self.assertEqual(functions(text), [("f", 6)])


class AllowedTest(unittest.TestCase):
    def test_needs_rule_and_reason_on_the_line_or_above(self):
        text = "// tidy: allow clock: the log shows it\nint a;\nint b;  // tidy: allow clock:\n"
        self.assertTrue(source(text).allowed("clock", 2))
        self.assertFalse(source(text).allowed("sleep", 2))
        self.assertFalse(source(text).allowed("clock", 3))
