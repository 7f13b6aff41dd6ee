# SPDX-License-Identifier: Apache-2.0
"""The runner runs: small, without valgrind and namespaces, so that it runs everywhere."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import workloads


class Runner(unittest.TestCase):
    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            result = subprocess.run(
                [sys.executable, "-B", "bench/echo.py", "--rounds=2", "--seconds=0.02",
                 "--most-connections=20", "--no-valgrind", "--no-namespace", f"--json={path}"],
                capture_output=True, text=True, timeout=55)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual({row["holds"] for row in rows if row["connections"] > 20}, {None})
        for row, written in zip(workloads.ROWS, rows):
            self.assertIn(f"| {row.text} ", result.stdout)
            self.assertIn(row.text, result.stderr)
            self.assertEqual(written["row"], row.name)
            if row.kind != workloads.INSTRUCTIONS:
                self.assertGreater(written["value"], 0, row.text)
        self.assertEqual(len(rows), len(workloads.ROWS))

    def test_chosen_rows(self):
        command = [sys.executable, "-B", "bench/echo.py", "--no-namespace", "--no-valgrind"]
        result = subprocess.run(command + ["--rows", "instructions"], capture_output=True,
                                text=True, check=True)
        self.assertIn("not measured: no valgrind", result.stdout)
        result = subprocess.run(command + ["--rows", "instructions", "--check"],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot tell: instructions", result.stderr)
        result = subprocess.run(command + ["--rows", "nonsense"], capture_output=True, text=True,
                                check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no rows named nonsense", result.stderr)


if __name__ == "__main__":
    unittest.main()
