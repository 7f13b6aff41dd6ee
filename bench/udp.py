# SPDX-License-Identifier: Apache-2.0
"""Measures Weir's datagrams against recvfrom and sendto, and prints one table.

Run it by `./bazelw run -c opt //bench:udp`. docs/performance.md says what the rows mean.
"""

import os
import sys

import instructions
import measurements
import processes
import runner
import workloads

PROFILED_DATAGRAMS = 3200

SINGLE = workloads.Workload("datagrams", 1, unit="datagram")
BURST = SINGLE._replace(in_flight=32)

# The servers, by the words of their commands.
REFERENCE = ("udp_reference", "single")
WEIR, WEIR_BATCHES = ("udp_weir", "single"), ("udp_weir", "batch")
OTHERS = {
    "weir": ("Weir, one by one", WEIR),
    "weir-batches": ("Weir, batches", WEIR_BATCHES),
    "dry": ("recvfrom + sendto until dry", ("udp_reference", "dry")),
    "blocking": ("recvfrom + sendto that block", ("udp_reference", "blocking")),
    "mmsg": ("recvmmsg + sendmmsg", ("udp_reference", "batch")),
}


def rows_of(name, text, workload, subject, gate):
    """The rows of a workload, each with the server that it is about. `subject` has the gate."""
    found = [(workloads.Row(f"check-{name}", f"{text}: reference against reference",
                            workloads.CHECK, workload), REFERENCE)]
    for other, (what, server) in OTHERS.items():
        limit = gate if server == subject else None
        found.append((workloads.Row(f"{name}-{other}", f"{text}: {what}", workloads.RATIO,
                                    workload, limit), server))
    found.append((workloads.Row(f"{name}-instructions", f"{text}: instructions a datagram",
                                workloads.INSTRUCTIONS, workload), subject))
    return found


ROWS = rows_of("single", "one in flight", SINGLE, WEIR, 1.10) \
    + rows_of("burst", "bursts of 32", BURST, WEIR_BATCHES, 0.92)


class Bench(measurements.Bench):
    """Measures servers of datagrams."""

    def _command(self, server):
        return [self._program(server[0]), *server[1:]]

    def _server(self, command):
        return processes.DatagramServer(command, self._settings.server_core)

    def _reference(self, workload, suffix=""):
        return self._command(REFERENCE)

    def _ratio(self, row, workload, subject):
        return super()._ratio(row, workload, self._command(subject))

    def _instructions(self, row, workload, subject):
        if not self._settings.valgrind:
            return measurements.Result(row, note="not measured: no valgrind")
        self._progress("under callgrind")
        profiles = [instructions.profile(
            self._command(server), self._program("load_generator"), workload,
            PROFILED_DATAGRAMS // workload.in_flight, processes.DatagramServer)
                    for server in (REFERENCE, subject)]
        totals = [f"{profile.total():,.0f}" for profile in profiles]
        return measurements.Result(
            row, profiles[1].own(), reference=profiles[0].own(),
            note=f"{totals[1]} with libc's, the reference {totals[0]}",
            profile=tuple(profiles[1].largest(100)))


def main():
    """Measures all rows, or those that were asked for."""
    arguments = runner.parser("udp", __doc__).parse_args()
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "udp_weir")
    return runner.run(arguments, ROWS, Bench, lambda server: server, program)


if __name__ == "__main__":
    sys.exit(main())
