# SPDX-License-Identifier: Apache-2.0
"""Tests of count_tests.py."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import count_tests

# What googletest writes, with one case of each kind.
XML = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" errors="0" time="0" name="AllTests">
  <testsuite name="Suite" tests="4" failures="1" disabled="1" skipped="1" errors="0" time="0">
    <testcase name="Passes" status="run" result="completed" time="0" classname="Suite" />
    <testcase name="DISABLED_Hidden" status="notrun" result="suppressed" classname="Suite" />
    <testcase name="Skips" status="run" result="skipped" time="0" classname="Suite">
      <skipped message="why" />
    </testcase>
    <testcase name="Fails" status="run" result="completed" time="0" classname="Suite">
      <failure message="no" type=""></failure>
    </testcase>
  </testsuite>
</testsuites>
"""
CASES = [
    ("PASSED", "Suite.Passes"),
    ("SKIPPED", "Suite.DISABLED_Hidden"),
    ("SKIPPED", "Suite.Skips"),
    ("FAILED", "Suite.Fails"),
]


class CountTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def events(self, status, xml=None):
        output = [{"name": "test.xml", "uri": "file://" + xml}] if xml else []
        return self.write("events", json.dumps({
            "id": {"testResult": {"label": "//a:b"}},
            "testResult": {"status": status, "testActionOutput": output},
        }))

    def summarize(self, tally, allowed):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = count_tests.summarize(self.write("tally", tally), self.write("ok", allowed))
        return status, printed.getvalue().splitlines()[-1]

    def test_a_case_of_each_kind(self):
        self.assertEqual(list(count_tests.cases_in_xml(self.write("xml", XML))), CASES)

    def test_a_case_without_status_passed(self):
        xml = self.write("xml", '<testsuites><testcase name="x"/></testsuites>')
        self.assertEqual(list(count_tests.cases_in_xml(xml)), [("PASSED", "x")])

    def test_events_name_the_target(self):
        events = self.events("FAILED", self.write("xml", XML))
        expected = [(outcome, "//a:b " + name) for outcome, name in CASES]
        self.assertEqual(list(count_tests.cases_in_events(events)), expected)

    def test_a_target_without_cases_is_one(self):
        cases = list(count_tests.cases_in_events(self.events("TIMEOUT")))
        self.assertEqual(cases, [("FAILED", "//a:b")])

    def test_a_disabled_case_without_a_reason_fails(self):
        tally = "PASSED default //a:b Suite.Passes\nSKIPPED default //a:b Suite.DISABLED_Hidden\n"
        self.assertEqual(self.summarize(tally, ""), (1, "1 passed, 0 failed, 1 skipped"))
        allowed = "//a:b Suite.DISABLED_Hidden: a reason\n"
        self.assertEqual(self.summarize(tally, allowed), (0, "1 passed, 0 failed, 1 skipped"))


if __name__ == "__main__":
    unittest.main()
