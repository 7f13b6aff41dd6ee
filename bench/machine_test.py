# SPDX-License-Identifier: Apache-2.0
"""When a server is at rest, and its CPU time complete."""

import signal
import subprocess
import sys
import time
import unittest

import machine


class Rest(unittest.TestCase):
    def assert_rests(self, expected, program, stop=False):
        # It gives itself a name that looks like another state in /proc/PID/stat.
        process = subprocess.Popen([sys.executable, "-c", "import time\nopen('/proc/self/comm', "
                                    "'w').write(') R 1')\nprint(flush=True)\n" + program],
                                   stdout=subprocess.PIPE)
        with process:
            try:
                process.stdout.readline()
                if stop:
                    process.send_signal(signal.SIGSTOP)
                clock = machine.cpu_clock(process.pid)
                if expected:
                    self.assertGreater(machine.settled_cpu_time(process.pid, clock), 0)
                else:
                    with self.assertRaises(TimeoutError):
                        machine.settled_cpu_time(process.pid, clock, patience=0.2)
            finally:
                process.kill()

    def test_of_one_that_sleeps(self):
        self.assert_rests(True, "time.sleep(60)")

    def test_not_of_one_that_works(self):
        self.assert_rests(False, "while True: pass")

    def test_not_of_one_that_would_work_if_it_could(self):
        # It uses no time while it is stopped, like one that waits for a core.
        self.assert_rests(False, "while True: pass", stop=True)

    def test_is_waited_for(self):
        begin = time.monotonic()
        self.assert_rests(True, "begin = time.monotonic()\n"
                          "while time.monotonic() < begin + 0.1: pass\ntime.sleep(60)")
        self.assertGreater(time.monotonic() - begin, 0.1)


if __name__ == "__main__":
    unittest.main()
