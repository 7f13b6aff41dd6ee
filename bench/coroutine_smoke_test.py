# SPDX-License-Identifier: Apache-2.0
"""The runner for coroutines runs: small, and without Go, whose compiler is slow."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import coroutine
import figures

COMMAND = [sys.executable, "-B", "bench/coroutine.py"]
SMALL = ["--rounds=1", "--most-units=1000", "--most-alive=100", "--no-peers"]


class Runner(unittest.TestCase):
    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            result = subprocess.run(COMMAND + SMALL + [f"--json={path}"], capture_output=True,
                                    text=True, timeout=55, check=False)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual([row["row"] for row in rows], [row.name for row in coroutine.ROWS])
        for row, written in zip(coroutine.ROWS, rows):
            self.assertIn(f"| {row.text} ", result.stdout)
            self.assertGreater(written["costs"]["Weir"]["value"], 0, row.text)
            if row.alive > 100:
                self.assertIsNone(written["holds"], row.text)

    def test_check_needs_every_verdict(self):
        result = subprocess.run(COMMAND + SMALL + ["--check", "--rows", "yield-1000"],
                                capture_output=True, text=True, timeout=55, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot tell: yield-1000", result.stderr)

    def test_list(self):
        result = subprocess.run(COMMAND + ["--list"], capture_output=True, text=True, check=True)
        self.assertEqual(len(result.stdout.splitlines()), len(coroutine.ROWS))


class Verdict(unittest.TestCase):
    def test_is_of_the_median(self):
        row = coroutine.Row("any", "any", 1, gate=10)
        for cost, holds in [(10, True), (10.01, False)]:
            costs = {coroutine.WEIR: figures.Median(cost, 1, 20)}
            self.assertIs(coroutine.Result(row, costs).holds(), holds)
        self.assertIsNone(coroutine.Result(row, {}).holds())


if __name__ == "__main__":
    unittest.main()
