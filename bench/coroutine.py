# SPDX-License-Identifier: Apache-2.0
"""Measures what coroutines cost, beside those of others, and prints one table.

Run it by `./bazelw run -c opt //bench:coroutine`. docs/performance.md says what the rows mean.
"""

import argparse
import os
import re
import sys
import tempfile
from typing import NamedTuple, Optional

import figures
import machine
import peers
import processes
import report
import turns

HERE = os.path.dirname(os.path.abspath(__file__))
WEIR, BOOST, UCONTEXT, GO = "Weir", "Boost.Context", "ucontext", "Go"
MOST_ROUNDS_OF_MEMORY = 3


class Row(NamedTuple):
    """One kind of work, and what a unit of it must cost at most."""

    name: str
    text: str
    units: int  # of one run, which takes some 50 ms
    alive: int = 1  # coroutines, or timers
    gate: Optional[float] = None
    peers: tuple = ()  # those that can do it
    work: Optional[str] = None  # for the programs, if it is not the name
    is_memory: bool = False  # bytes of each that is alive, by million.c


ROWS = [
    Row("switch", "switch", 20_000_000, gate=6, peers=(BOOST, UCONTEXT)),
    Row("yield", "yield, 2 coroutines", 4_000_000, 2, gate=15, peers=(GO,)),
    Row("yield-1000", "yield, 1,000 alive", 4_000_000, 1_000, 30, (GO,), "yield"),
    Row("yield-20000", "yield, 20,000 alive", 2_000_000, 20_000, None, (GO,), "yield"),
    Row("launch", "launch + join, warm", 1_000_000, gate=80, peers=(BOOST, UCONTEXT, GO)),
    Row("launch-job", "launch + join by a job's handle", 1_000_000),
    Row("launch-10000", "launch + join, 10,000 alive", 500_000, 10_000, None, (GO,), "launch"),
    Row("pipe", "hop of a byte by weir_pipe", 500_000, gate=90),
    Row("channel", "hop by typed channel", 1_000_000, gate=90, peers=(GO,)),
    Row("mutex", "mutex, lock + unlock", 5_000_000, peers=(GO,)),
    Row("timer", "timer, arm + cancel, 1,000,000 armed", 1_000_000, 1_000_000, 80, (GO,)),
    Row("timer-any", "any of 1,000,000 timers moved", 1_000_000, 1_000_000),
    Row("timer-first", "slowest of 1,000 that fire, 1,000,000 armed", 1_000_000, 1_000_000),
    Row("loops", "hop between two loops", 20_000),
    Row("blocking", "weir_blocking, there and back", 20_000),
    Row("million", "1,000,000 parked: memory of each", 1, 1_000_000, 5200, is_memory=True),
]


class Result(NamedTuple):
    """A measured row: the cost of a unit by way."""

    row: Row
    costs: dict
    note: str = ""
    is_cut: bool = False  # fewer were alive than the row is about

    def holds(self):
        """Whether the gate is kept; None if there is none or the row was not measured as it is."""
        if self.row.gate is None or self.is_cut or WEIR not in self.costs:
            return None
        return self.costs[WEIR].value <= self.row.gate


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="coroutine", description=__doc__.split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", metavar="NAME", nargs="+", choices=[row.name for row in ROWS],
                        help="measure only these rows")
    parser.add_argument("--list", action="store_true", help="list the names of the rows")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    parser.add_argument("--rounds", type=int, default=31, help="runs for each figure")
    parser.add_argument("--most-units", type=int, default=10**9, metavar="N",
                        help="do no more work in a run, whatever a row says")
    parser.add_argument("--most-alive", type=int, default=10**9, metavar="N",
                        help="have no more coroutines or timers, whatever a row says; such rows get"
                        " no verdict, which is not enough for --check")
    parser.add_argument("--no-peers", action="store_true", help="measure Weir alone")
    parser.add_argument("--check", action="store_true",
                        help="fail unless every row that must reach something was measured and"
                        " reaches it")
    return parser.parse_args()


def find_ways(arguments, folder):
    """The command of each way, and why others are not measured."""
    ways, missing = {WEIR: [os.path.join(HERE, "coroutine_weir")]}, []
    compilers = {} if arguments.no_peers else {
        BOOST: lambda: peers.compile_c(BOOST, "coroutine_fcontext", HERE, folder,
                                       ["-lboost_context"]),
        UCONTEXT: lambda: peers.compile_c(UCONTEXT, "coroutine_ucontext", HERE, folder, []),
        GO: lambda: peers.compile_go("coroutine_go", HERE, folder),
    }
    for name, compile_peer in compilers.items():
        try:
            ways[name] = compile_peer()
        except peers.PeerMissing as reason:
            missing.append(str(reason))
    return ways, missing


def nanoseconds(row, way, units, alive):
    """What a unit takes in a new process."""
    command = way + [row.work or row.name, str(units), str(alive)]
    return int(processes.output_of(command)) / units


def parked_bytes(alive):
    """What each of so many parked coroutines takes of memory."""
    printed = processes.output_of([os.path.join(HERE, "million"), str(alive)])
    return int(re.search(r"^parked .* (\d+) bytes each", printed, re.MULTILINE).group(1))


def measure(row, ways, arguments):
    """One row: in each round a new process of each way."""
    alive = min(row.alive, arguments.most_alive)
    units = max(min(row.units, arguments.most_units), alive)
    chosen = [name for name in ways if name == WEIR or name in row.peers]
    rounds = min(arguments.rounds, MOST_ROUNDS_OF_MEMORY) if row.is_memory else arguments.rounds
    costs = turns.measure(chosen, rounds, lambda name: (
        parked_bytes(alive) if row.is_memory else nanoseconds(row, ways[name], units, alive)))
    return Result(row, {name: figures.median_of(values) for name, values in costs.items()},
                  note="" if alive == row.alive else f"with {alive:,}", is_cut=alive < row.alive)


def measure_all(rows, ways, arguments):
    """Measures the rows; one that fails says so and does not stop the others."""
    results = []
    for row in rows:
        print(row.text, file=sys.stderr, flush=True)
        try:
            results.append(measure(row, ways, arguments))
        except (processes.ProgramFailed, OSError) as error:
            results.append(Result(row, {}, note=f"failed: {error}"))
    return results


def value(row, number):
    """A figure, for the table."""
    return f"{number:,.0f} B" if row.is_memory else f"{number:,.1f} ns"


def markdown(results, ways):
    """The table."""
    others = [name for name in ways if name != WEIR]
    lines = [["", WEIR, "95 % interval", "must be", "holds"] + others + [""]]
    for result in results:
        row, cost = result.row, result.costs.get(WEIR)
        lines.append([
            row.text,
            "–" if cost is None else value(row, cost.value),
            "" if cost is None else f"{value(row, cost.low)} to {value(row, cost.high)}",
            "" if row.gate is None else f"≤ {value(row, row.gate)}",
            report.verdict(result.holds()),
        ] + [value(row, result.costs[name].value) if name in result.costs else ""
             for name in others] + [result.note])
    return report.grid(lines)


def as_data(result):
    """For JSON."""
    return {
        "row": result.row.name,
        "what": result.row.text,
        "unit": "bytes" if result.row.is_memory else "nanoseconds",
        "gate": result.row.gate,
        "holds": result.holds(),
        "costs": {name: cost._asdict() for name, cost in result.costs.items()},
        "note": result.note,
    }


def main():
    """Prints the table. Returns 1 if a row failed, or with --check if not all gated rows hold."""
    arguments = parse_arguments()
    rows = [row for row in ROWS if not arguments.rows or row.name in arguments.rows]
    if arguments.list:
        print("\n".join(f"{row.name:14} {row.text}" for row in rows))
        return 0
    setup = machine.describe()
    setup["optimised"] = report.is_optimised(os.path.join(HERE, "coroutine_weir"))
    with tempfile.TemporaryDirectory() as folder:
        ways, missing = find_ways(arguments, folder)
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        results = measure_all(rows, ways, arguments)
    text = "\n".join([markdown(results, ways)] + [f"Not measured: {name}" for name in missing])
    report.give(text, setup, [as_data(result) for result in results], arguments.json)
    missed = [result.row.name for result in results
              if result.row.gate is not None and not result.holds()]
    if arguments.check and missed:
        print(f"These rows do not hold, or cannot tell: {', '.join(missed)}", file=sys.stderr)
    failed = any(not result.costs for result in results)
    return 1 if failed or (arguments.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
