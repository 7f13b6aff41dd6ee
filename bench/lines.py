# SPDX-License-Identifier: Apache-2.0
"""Measures how fast lines are read and checked, against memchr alone, and prints one table.

Run it by `./bazelw run -c opt //bench:lines`. docs/performance.md says what the columns mean.
"""

import argparse
import os
import sys
import tempfile
from typing import NamedTuple, Optional

import figures
import line_texts
import machine
import peers
import processes
import report
import turns

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = "memchr"
SUBJECT = "weir"


class Row(NamedTuple):
    """One text, and what Weir must reach with it."""

    kind: str
    line_size: int
    gate: Optional[float] = None

    def name(self):
        """For --rows."""
        return f"{self.kind.lower()}-{self.line_size}"

    def text(self):
        """For the table."""
        size = f"{self.line_size:,} B" if self.line_size < 1024 else f"{self.line_size >> 10} KiB"
        return f"{size}, {self.kind}"


ROWS = [Row(kind, size, gates.get(size))
        for kind, gates in [(line_texts.ASCII, {80: 0.5}), (line_texts.MIXED, {80: 0.3})]
        for size in (16, 80, 1024, 65536)]


class Result(NamedTuple):
    """A measured row: ratios to the reference by way, and the reference's bytes per nanosecond."""

    row: Row
    reference: float
    ratios: dict

    def holds(self):
        """Whether the gate is kept; None if there is none."""
        return None if self.row.gate is None else self.ratios[SUBJECT].high >= self.row.gate


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="lines", description=__doc__.split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", metavar="NAME", nargs="+", choices=[row.name() for row in ROWS],
                        help="measure only these rows")
    parser.add_argument("--list", action="store_true", help="list the names of the rows")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    parser.add_argument("--rounds", type=int, default=31, help="runs for each ratio")
    parser.add_argument("--mebibytes", type=int, default=64, help="how large the texts are")
    parser.add_argument("--no-go", action="store_true", help="do not measure Go")
    parser.add_argument("--check", action="store_true", help="fail when a row does not hold")
    return parser.parse_args()


def choose_ways(arguments, folder):
    """The command of each way, to which a file is added, and why one is missing."""
    split = os.path.join(HERE, "lines_split")
    ways = {REFERENCE: [split, "memchr"], SUBJECT: [split, "weir"], "getline": [split, "getline"]}
    missing = "Go: not asked for"
    if not arguments.no_go:
        missing = ""
        try:
            ways["go"] = peers.compile_go("lines_go", HERE, folder)
        except peers.PeerMissing as reason:
            missing = str(reason)
    return ways, missing


def cost(command, path, expected):
    """The nanoseconds that a way took to find what is expected in a text."""
    lines, size, nanoseconds = map(int, processes.output_of(command + [path]).split())
    if (lines, size) != expected:
        sys.exit(f"{' '.join(command)} finds {(lines, size)}, not {expected}")
    return nanoseconds


def measure(row, ways, arguments, folder):
    """One row: in each round a new process of each way."""
    path = os.path.join(folder, "text")
    text = line_texts.make(row.kind, row.line_size, arguments.mebibytes << 20)
    with open(path, "wb") as file:
        file.write(text)
    expected = (text.count(b"\n"), len(text) - text.count(b"\n"))
    costs = turns.measure(ways, arguments.rounds, lambda way: cost(ways[way], path, expected))
    reference = figures.median_of(len(text) / cost for cost in costs[REFERENCE]).value
    ratios = {way: figures.median_of(
                  first / cost for first, cost in zip(costs[REFERENCE], costs[way]))
              for way in ways if way != REFERENCE}
    return Result(row, reference, ratios)


def markdown(results, ways):
    """The table."""
    peers = [way for way in ways if way not in (REFERENCE, SUBJECT)]
    names = {"getline": "getline(3), no check", "go": "Go"}
    lines = [["lines of", "memchr alone", "Weir", "95 % interval", "Weir", "must be", "holds"]
             + [names[peer] for peer in peers]]
    for result in results:
        ratio = result.ratios[SUBJECT]
        gate = result.row.gate
        lines.append([
            result.row.text(), f"{result.reference:.2f} GB/s", f"{ratio.value:.2f}",
            f"{ratio.low:.2f} to {ratio.high:.2f}", f"{ratio.value * result.reference:.2f} GB/s",
            "" if gate is None else f"≥ {gate:.2f}",
            report.verdict(result.holds()),
        ] + [f"{result.ratios[peer].value:.2f}" for peer in peers])
    return report.grid(lines)


def as_data(result):
    """For JSON."""
    return {
        "row": result.row.name(),
        "kind": result.row.kind,
        "line size": result.row.line_size,
        "memchr, GB/s": result.reference,
        "gate": result.row.gate,
        "holds": result.holds(),
        "ratios": {way: ratio._asdict() for way, ratio in result.ratios.items()},
    }


def main():
    """Prints the table. Returns 1 if with --check a row does not hold."""
    arguments = parse_arguments()
    rows = [row for row in ROWS if not arguments.rows or row.name() in arguments.rows]
    if arguments.list:
        print("\n".join(f"{row.name():12} {row.text()}" for row in rows))
        return 0
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Where files are memory, if there is such a place.
    shared_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory() as folder, \
            tempfile.TemporaryDirectory(dir=shared_memory) as texts:
        ways, missing = choose_ways(arguments, folder)
        results = []
        for row in rows:
            print(row.text(), file=sys.stderr, flush=True)
            results.append(measure(row, ways, arguments, texts))
    setup = machine.describe()
    setup["optimised"] = report.is_optimised(os.path.join(HERE, "lines_split"))
    text = markdown(results, ways) + (f"\nNot measured: {missing}" if missing else "")
    report.give(text, setup, [as_data(result) for result in results], arguments.json)
    return 1 if arguments.check and any(result.holds() is False for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
