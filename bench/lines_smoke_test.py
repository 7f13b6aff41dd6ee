# SPDX-License-Identifier: Apache-2.0
"""The runner for lines runs, and its texts are what they say."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import line_texts
import lines


class Texts(unittest.TestCase):
    def test_lines_have_their_size(self):
        for row in lines.ROWS:
            text = line_texts.make(row.kind, row.line_size, 1 << 20)
            self.assertEqual({len(line) + 1 for line in text[:-1].split(b"\n")}, {row.line_size},
                             row.text())
            text.decode("utf-8")
            self.assertEqual(text.isascii(), row.kind == line_texts.ASCII)


class Runner(unittest.TestCase):
    def test_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            # All ways find the same, or it fails. Without Go, whose compiler is slow.
            result = subprocess.run(
                [sys.executable, "-B", "bench/lines.py", "--rounds=1", "--mebibytes=1",
                 "--no-go", f"--json={path}"], capture_output=True, text=True, timeout=55)
            self.assertEqual(result.returncode, 0, result)
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        self.assertEqual([row["row"] for row in rows], [row.name() for row in lines.ROWS])
        for row in lines.ROWS:
            self.assertIn(f"| {row.text()} ", result.stdout)


if __name__ == "__main__":
    unittest.main()
