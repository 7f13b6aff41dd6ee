# SPDX-License-Identifier: Apache-2.0
"""Who is measured when."""

import unittest

import turns


class Turns(unittest.TestCase):
    def test_begin_from_the_first_and_from_the_last(self):
        calls = []
        costs = turns.measure(("one", "two", "three"), 3,
                              lambda way: calls.append(way) or len(calls))
        self.assertEqual(calls, ["one", "two", "three", "three", "two", "one",
                                 "one", "two", "three"])
        self.assertEqual(costs, {"one": [1, 6, 7], "two": [2, 5, 8], "three": [3, 4, 9]})

    def test_no_round_measures_nothing(self):
        self.assertEqual(turns.measure(["one"], 0, self.fail), {"one": []})


if __name__ == "__main__":
    unittest.main()
