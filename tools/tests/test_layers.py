import unittest

from cxx_source import CxxSource
from layers import Rules, RulesError, check_file

RULES = """
folder base:
folder model: base
folder storage: base model   # records
folder server: base model storage/object_store.h
folder support: base
folder public:
library rocksdb: rocksdb/* | src/storage/rocks_* tests/storage/*
"""


class LayersTest(unittest.TestCase):
    def messages(self, path: str, *includes: str) -> list[str]:
        text = "".join(f"#include {include}\n" for include in includes)
        return [f.message for f in check_file(CxxSource(path, text), Rules.parse(RULES))]

    def test_allowed_arrows_and_own_folder_pass(self):
        self.assertEqual(self.messages("src/storage/x.cc", '"storage/x.h"', '"model/ids.h"', "<vector>"), [])

    def test_upward_arrow_fails_with_what_is_allowed(self):
        [message] = self.messages("src/model/x.h", '"storage/x.h"')
        self.assertIn("model may include base", message)

    def test_single_header_may_be_allowed(self):
        self.assertEqual(self.messages("src/server/x.cc", '"storage/object_store.h"'), [])
        self.assertEqual(len(self.messages("src/server/x.cc", '"storage/log.h"')), 1)

    def test_own_header_without_folder_fails(self):
        [message] = self.messages("src/model/x.cc", '"x.h"')
        self.assertIn("folder/x.h", message)

    def test_library_only_where_said(self):
        self.assertEqual(self.messages("src/storage/rocks_store.cc", "<rocksdb/db.h>"), [])
        self.assertEqual(len(self.messages("src/storage/memory.cc", "<rocksdb/db.h>")), 1)

    def test_tests_may_use_support(self):
        self.assertEqual(self.messages("tests/model/x_test.cc", '"support/tids.h"', '"model/x.h"'), [])
        self.assertEqual(len(self.messages("src/model/x.cc", '"support/tids.h"')), 1)

    def test_public_headers_include_no_folder(self):
        self.assertEqual(self.messages("include/zeolite/a.h", '"zeolite/b.h"'), [])
        self.assertEqual(len(self.messages("include/zeolite/a.h", '"base/error.h"')), 1)

    def test_unknown_folder_fails(self):
        self.assertEqual(len(self.messages("src/extra/x.cc")), 1)

    def test_cycles_and_unknown_names_are_refused(self):
        with self.assertRaisesRegex(RulesError, "cycle"):
            Rules.parse("folder a: b\nfolder b: a\n")
        with self.assertRaisesRegex(RulesError, "unknown folder 'c'"):
            Rules.parse("folder a: c\n")
