# SPDX-License-Identifier: Apache-2.0
"""The reference is frozen: whoever changes it makes every figure measured before worthless."""

import hashlib
import unittest

CHECKSUM = "ab4e620e9ea82284d0f13986a2667514cc9ab32ecc4ddc7af1490144c87e92b4"


class Reference(unittest.TestCase):
    def test_unchanged(self):
        with open("bench/echo_reference.c", "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(checksum, CHECKSUM, "bench/echo_reference.c was changed: measure all rows "
                         "again, in docs/performance.md too, before this checksum is changed")


if __name__ == "__main__":
    unittest.main()
