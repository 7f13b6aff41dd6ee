# SPDX-License-Identifier: Apache-2.0
"""The runner for TLS runs, and both programs do every work."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import figures
import tls

COMMAND = [sys.executable, "-B", "bench/tls.py", "--rounds=1", "--most-units=4"]


class Runner(unittest.TestCase):
    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            result = subprocess.run(COMMAND + [f"--json={path}"], capture_output=True, text=True,
                                    timeout=55, check=False)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual([row["row"] for row in rows], [row.name for row in tls.ROWS])
        for row in rows:
            self.assertIn(f"| {row['what']} ", result.stdout)
            if row["note"] == tls.UNTOLD:
                continue
            self.assertGreater(row["bare"], 0, row)
            self.assertGreater(row["weir"], 0, row)


class Verdict(unittest.TestCase):
    def test_is_of_the_interval(self):
        row = tls.Row("any", "any", 1, "any", gate=0.9)
        for high, holds in [(0.9, True), (0.89, False)]:
            self.assertIs(tls.Result(row, 1, 1, figures.Median(0.8, 0.7, high)).holds(), holds)
        self.assertIsNone(tls.Result(row).holds())


if __name__ == "__main__":
    unittest.main()
