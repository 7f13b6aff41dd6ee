# SPDX-License-Identifier: Apache-2.0
"""The runner for copies runs, and every way copies exactly."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

CHECKSUM = "ee74a7255c4a808fdb9b87926034cb6861f0239fdd7d57592c5d82d4832de82f"


class Runner(unittest.TestCase):
    def test_every_way(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            result = subprocess.run(
                [sys.executable, "-B", "bench/copy_sockets.py", "--rounds=1", "--mebibytes=8",
                 "--no-namespace", f"--json={path}"], capture_output=True, text=True, timeout=55)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual([row["row"] for row in rows][:4],
                         ["read-write", "splice", "weir", "weir-memory"])
        self.assertIn("| weir_copy through memory ", result.stdout)


class Reference(unittest.TestCase):
    def test_unchanged(self):
        with open("bench/copy_reference.c", "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(checksum, CHECKSUM, "bench/copy_reference.c was changed: measure copies "
                         "again, in docs/performance.md too, before this checksum is changed")


if __name__ == "__main__":
    unittest.main()
