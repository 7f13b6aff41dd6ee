# SPDX-License-Identifier: Apache-2.0
"""The runner's own arithmetic: intervals of medians, and callgrind's files."""

import random
import unittest

import figures
import instructions
import processes


class Medians(unittest.TestCase):
    def test_of_31_values(self):
        median = figures.median_of(range(31))
        # The table of the sign test: ranks 10 and 22, counted from 1, at 95 %.
        self.assertEqual(median, (15, 9, 21))

    def test_few_values_give_their_range(self):
        self.assertEqual(figures.median_of([3, 1, 2]), (2, 1, 3))
        self.assertEqual(figures.median_of([7]), (7, 7, 7))

    def test_order_does_not_matter(self):
        self.assertEqual(figures.median_of([5, 1, 4, 2, 3, 6, 7]),
                         figures.median_of([1, 2, 3, 4, 5, 6, 7]))

    def test_covers_the_true_median_as_often_as_it_says(self):
        numbers = random.Random(1)
        covered = 0
        for _ in range(1000):
            # A lopsided distribution, whose median is 0.25.
            median = figures.median_of([numbers.random() ** 2 for _ in range(31)])
            covered += median.low <= 0.25 <= median.high
        self.assertGreaterEqual(covered, 950)
        self.assertLess(covered, 995)


class CallgrindFiles(unittest.TestCase):
    def test_self_costs(self):
        text = """\
version: 1
events: Ir
ob=/bin/server
fl=server.c
fn=serve
10 5
cob=/lib/libc.so.6
cfn=memchr
calls=2 0
11 40
12 7
fn=serve'2
10 1
ob=/lib/libc.so.6
fl=???
fn=memchr
0 40
totals: 53
"""
        costs = instructions.parse(text.splitlines(keepends=True))
        self.assertEqual(costs, {("server", "serve"): 13, ("libc.so.6", "memchr"): 40})

    def test_a_program_that_callgrind_does_not_name(self):
        profile = instructions.Profile({("server", "main"): 5, ("libc.so.6", "send"): 7}, "server")
        self.assertEqual((profile.own(), profile.total()), (5, 12))
        for costs in ({("server-1.0", "main"): 5}, {}):
            with self.assertRaisesRegex(processes.ProgramFailed, "tells nothing of server"):
                instructions.Profile(costs, "server").own()


if __name__ == "__main__":
    unittest.main()
