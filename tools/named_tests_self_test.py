# SPDX-License-Identifier: Apache-2.0
"""Shows how tests are named in documents, and what counts as a name of something that is there."""

import unittest

import named_tests

DOCUMENT = """
| `weir_read_peek`, then `weir_read_consume(input, 3)` | `channel/a_test.cc: Peek.One, Peek.Two` |
| none: `ordinary code` | `channel/b_test.cc: Table.Split/LoneCr`, `tcp/c_test.cc: C.D` |
"""

SOURCE = """
TEST_F(Peek, One) {
TEST_P(Table,
       Split) {
    {"LoneCr", ...
"""


class Naming(unittest.TestCase):
    def test_tests_are_found(self):
        self.assertEqual(list(named_tests.named_tests(DOCUMENT)), [
            ("channel/a_test.cc", "Peek", "One", None),
            ("channel/a_test.cc", "Peek", "Two", None),
            ("channel/b_test.cc", "Table", "Split", "LoneCr"),
            ("tcp/c_test.cc", "C", "D", None),
        ])

    def test_what_is_no_name_is_missing(self):
        ((file, suite, name, case),) = named_tests.named_tests("`a_test.cc: no name`")
        self.assertFalse(named_tests.is_in(SOURCE, suite, name, case))

    def test_functions_are_found(self):
        self.assertEqual(named_tests.named_functions(DOCUMENT),
                         ["weir_read_consume", "weir_read_peek"])

    def test_sources(self):
        for suite, name, case, expected in (
                ("Peek", "One", None, True), ("Peek", "Two", None, False),
                ("Peek", "On", None, False), ("Table", "Split", "LoneCr", True),
                ("Table", "Split", "LoneLf", False)):
            self.assertEqual(named_tests.is_in(SOURCE, suite, name, case), expected, name)


if __name__ == "__main__":
    unittest.main()
