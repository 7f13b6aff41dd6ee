# SPDX-License-Identifier: Apache-2.0
"""Measures TLS by Weir beside BoringSSL alone in a loop, and prints one table.

Run it by `./bazelw run -c opt //bench:tls`. docs/performance.md says what the rows mean.
"""

import argparse
import os
import sys
from typing import NamedTuple, Optional

import figures
import machine
import processes
import report
import turns

HERE = os.path.dirname(os.path.abspath(__file__))
WEIR, BARE = "tls_weir", "tls_bare"


class Row(NamedTuple):
    """One kind of work, and the ratio of the bare loop's cost to Weir's that it must reach."""

    name: str
    text: str
    units: int  # of one run, which takes some 50 ms
    unit: str
    gate: Optional[float] = None
    is_memory: bool = False


ROWS = [
    Row("p256", "full handshake, TLS 1.3, P-256", 60, "handshake", 0.93),
    Row("rsa-2048", "full handshake, TLS 1.3, RSA-2048", 50, "handshake", 0.93),
    Row("resumed", "resumed handshake, TLS 1.3", 80, "handshake", 0.93),
    Row("bulk", "bulk, records of 16 KiB, in memory", 100, "MiB", 0.9),
    Row("bulk-tcp", "the same over TCP", 100, "MiB"),
    Row("memory", "memory, an idle client and server", 1000, "pair", is_memory=True),
]


# With a sanitizer the C library knows of no memory.
UNTOLD = "not measured: this build does not tell what is allocated"


class Result(NamedTuple):
    """A measured row: what a unit costs alone, in ns or bytes, and the ratio of that to Weir's."""

    row: Row
    bare: Optional[float] = None
    weir: Optional[float] = None
    ratio: Optional[figures.Median] = None
    note: str = ""

    def holds(self):
        """Whether the gate is kept; None if there is none or nothing was measured."""
        if self.row.gate is None or self.ratio is None:
            return None
        return self.ratio.high >= self.row.gate


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tls", description=__doc__.split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", metavar="NAME", nargs="+", choices=[row.name for row in ROWS],
                        help="measure only these rows")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    parser.add_argument("--rounds", type=int, default=31, help="runs for each figure")
    parser.add_argument("--most-units", type=int, default=10**9, metavar="N",
                        help="do no more work in a run, whatever a row says")
    parser.add_argument("--check", action="store_true",
                        help="fail unless every row that must reach something reaches it")
    return parser.parse_args()


def cost(program, row, units):
    """What a unit takes in a new process: nanoseconds of CPU time, or bytes."""
    printed = processes.output_of([os.path.join(HERE, program), row.name, str(units), "1"])
    return int(printed) / units


def measure(row, arguments):
    """One row: in each round a new process of each program."""
    units = min(row.units, arguments.most_units)
    costs = turns.measure((WEIR, BARE), 3 if row.is_memory else arguments.rounds,
                          lambda program: cost(program, row, units))
    if row.is_memory and not all(costs[BARE] + costs[WEIR]):
        return Result(row, note=UNTOLD)
    ratios = [bare / weir for bare, weir in zip(costs[BARE], costs[WEIR])]
    return Result(row, figures.median_of(costs[BARE]).value, figures.median_of(costs[WEIR]).value,
                  figures.median_of(ratios), "" if units == row.units else f"{units:,} units")


def measure_all(rows, arguments):
    """Measures the rows; one that fails says so and does not stop the others."""
    results = []
    for row in rows:
        print(row.text, file=sys.stderr, flush=True)
        try:
            results.append(measure(row, arguments))
        except (processes.ProgramFailed, OSError, ValueError) as error:
            results.append(Result(row, note=f"failed: {error}"))
    return results


def value(row, number):
    """A cost, for the table."""
    if number is None:
        return "–"
    return f"{number:,.0f} B" if row.is_memory else f"{number / 1000:,.1f} µs a {row.unit}"


def markdown(results):
    """The table."""
    lines = [["", "BoringSSL alone", "Weir", "ratio", "95 % interval", "must be", "holds", ""]]
    for result in results:
        row, ratio = result.row, result.ratio
        lines.append([
            row.text, value(row, result.bare), value(row, result.weir),
            "–" if ratio is None else f"{ratio.value:.2f}",
            "" if ratio is None else f"{ratio.low:.2f} to {ratio.high:.2f}",
            "" if row.gate is None else f"≥ {row.gate:.2f}",
            report.verdict(result.holds()),
            result.note,
        ])
    return report.grid(lines)


def as_data(result):
    """For JSON."""
    return {
        "row": result.row.name,
        "what": result.row.text,
        "unit": "bytes" if result.row.is_memory else "nanoseconds",
        "bare": result.bare,
        "weir": result.weir,
        "ratio": None if result.ratio is None else result.ratio._asdict(),
        "gate": result.row.gate,
        "holds": result.holds(),
        "note": result.note,
    }


def main():
    """Prints the table. Returns 1 if a row failed, or with --check if not all gated rows hold."""
    arguments = parse_arguments()
    rows = [row for row in ROWS if not arguments.rows or row.name in arguments.rows]
    setup = machine.describe()
    setup["optimised"] = report.is_optimised(os.path.join(HERE, WEIR))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results = measure_all(rows, arguments)
    report.give(markdown(results), setup, [as_data(result) for result in results], arguments.json)
    missed = [result.row.name for result in results
              if result.row.gate is not None and not result.holds()]
    if arguments.check and missed:
        print(f"These rows do not hold: {', '.join(missed)}", file=sys.stderr)
    failed = any(result.ratio is None and result.note != UNTOLD for result in results)
    return 1 if failed or (arguments.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
