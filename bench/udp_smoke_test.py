# SPDX-License-Identifier: Apache-2.0
"""The runner for datagrams runs, and every server sends all of them back."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

import udp
import workloads

CHECKSUM = "abc046f8abcd5f5fabbb5e337b64c1988ade5e369326382e4de83384cd0c7940"
COMMAND = [sys.executable, "-B", "bench/udp.py", "--no-namespace", "--no-valgrind"]


class Runner(unittest.TestCase):
    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            result = subprocess.run(COMMAND + ["--rounds=2", "--seconds=0.02", f"--json={path}"],
                                    capture_output=True, text=True, timeout=55, check=False)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual([row["row"] for row in rows], [row.name for row, _ in udp.ROWS])
        for (row, _), written in zip(udp.ROWS, rows):
            self.assertIn(f"| {row.text} ", result.stdout)
            if row.kind != workloads.INSTRUCTIONS:
                self.assertGreater(written["value"], 0, row.text)

    def test_gates(self):
        gates = {row.name: row.gate for row, _ in udp.ROWS if row.gate is not None}
        self.assertEqual(gates, {"single-weir": 1.10, "burst-weir-batches": 0.92})

    def test_chosen_rows(self):
        result = subprocess.run(COMMAND + ["--rows", "burst-instructions"], capture_output=True,
                                text=True, check=True)
        self.assertIn("not measured: no valgrind", result.stdout)
        self.assertNotIn("one in flight", result.stdout)

    def test_list(self):
        result = subprocess.run(COMMAND + ["--list"], capture_output=True, text=True, check=True)
        self.assertEqual(len(result.stdout.splitlines()), len(udp.ROWS))


class Reference(unittest.TestCase):
    def test_unchanged(self):
        with open("bench/udp_reference.c", "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(checksum, CHECKSUM, "bench/udp_reference.c was changed: measure datagrams "
                         "again, in docs/performance.md too, before this checksum is changed")


if __name__ == "__main__":
    unittest.main()
