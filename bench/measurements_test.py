# SPDX-License-Identifier: Apache-2.0
"""What a row must reach to hold."""

import unittest

import measurements
import runner
import table
import workloads

RATIO = workloads.Row("ratio", "a ratio", workloads.RATIO, workloads.ECHO_64, 1.08)
WAITS = workloads.Row("waits", "waits", workloads.WAITS, workloads.ECHO_64, 1.00)
CALLS = workloads.Row("calls", "calls", workloads.CALLS, workloads.ECHO_64, 2.00)
CHECK = workloads.Row("check", "the reference", workloads.CHECK, workloads.ECHO_64)
UNGATED = workloads.Row("free", "no gate", workloads.RATIO, workloads.ECHO_64)
UNITS = measurements.COUNTED_UNITS


class Gates(unittest.TestCase):
    def assert_holds(self, expected, row, *values, **options):
        self.assertIs(measurements.Result(row, *values, **options).holds(), expected)

    def test_of_ratios_are_met_by_the_lower_end(self):
        for row in (RATIO, WAITS):
            self.assert_holds(True, row, row.gate + 0.1, row.gate, row.gate + 0.2)
            self.assert_holds(False, row, row.gate + 0.1, row.gate + 1e-9, row.gate + 0.2)

    def test_nothing_is_rounded(self):
        self.assert_holds(True, CALLS, 2 * UNITS / UNITS, 2.0, 2.0)
        self.assert_holds(False, CALLS, (2 * UNITS + 1) / UNITS, 2.0, 2.1)
        self.assert_holds(True, CHECK, measurements.CHECK_RANGE[1])
        self.assert_holds(False, CHECK, measurements.CHECK_RANGE[1] + 1e-9)

    def test_without_a_measurement_there_is_no_verdict(self):
        self.assert_holds(None, UNGATED, 1.0, 1.0, 1.0)
        self.assert_holds(None, CALLS, note="not measured")
        self.assert_holds(None, CALLS, 1.0, is_cut=True)
        self.assert_holds(None, CHECK, 1.0, is_cut=True)

    def test_the_table_shows_what_judges(self):
        for row in workloads.ROWS:
            gate = table.as_data(measurements.Result(row))["gated"]
            line = table.markdown([measurements.Result(row)]).splitlines()[2]
            self.assertEqual("≤" in line or " to " in line, gate, line)
        line = table.markdown([measurements.Result(WAITS, 1.2, 1.1, 1.3, 0.018)]).splitlines()[2]
        cells = [cell.strip() for cell in line.split("|")]
        self.assertEqual(cells[2:7],
                         ["1.20", "1.10 to 1.30", "0.0180 a line", "≤ 1.00", "**no**"])

    def test_the_table_shows_one_call_too_many(self):
        value = (2 * UNITS + 2) / UNITS
        self.assertIn("| 2.0001 ", table.markdown([measurements.Result(CALLS, value)]))
        self.assertIn("| 2.00 ", table.markdown([measurements.Result(CALLS, 2.0)]))

    def test_check_takes_nothing_but_a_verdict(self):
        self.assertEqual(runner.missed_rows([
            measurements.Result(UNGATED), measurements.Result(CALLS, 2.0),
            measurements.Result(RATIO, note="not measured"),
            measurements.Result(WAITS, 1.0, 1.0, 1.0, is_cut=True),
            measurements.Result(CHECK, 1.1)]), ["ratio", "waits", "check"])


if __name__ == "__main__":
    unittest.main()
