# SPDX-License-Identifier: Apache-2.0
"""Measures copies from socket to socket against a loop of read and write, and prints one table.

Run it by `./bazelw run -c opt //bench:copy`. docs/performance.md says what the rows mean.
"""

import argparse
import os
import shutil
import subprocess
import sys
from typing import NamedTuple, Optional

import figures
import machine
import processes
import report
import turns

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = "read-write"


class Way(NamedTuple):
    """A program that copies."""

    name: str
    text: str
    command: tuple  # {port} and {target} are replaced
    gate: Optional[float] = None


class Result(NamedTuple):
    """What a way costs."""

    way: Way
    ratio: figures.Median  # to the reference
    milliseconds: float  # of CPU time for a GiB

    def holds(self):
        """Whether the gate is kept, None if there is none."""
        return None if self.way.gate is None else self.ratio.low <= self.way.gate


def ways():
    """All that can be measured here, the reference first."""
    reference, weir = os.path.join(HERE, "copy_reference"), os.path.join(HERE, "copy_weir")
    ports = (processes.HOST, "{port}", "{target}")
    found = [
        Way(REFERENCE, "read and write, 64 KiB", (reference, "read-write") + ports),
        Way("splice", "splice, pipe of 1 MiB", (reference, "splice") + ports),
        Way("weir", "weir_copy", (weir, "any") + ports, 0.5),
        Way("weir-memory", "weir_copy through memory", (weir, "memory") + ports),
    ]
    socat = shutil.which("socat")
    if socat is not None:
        found.append(Way("socat", "socat, 64 KiB", (
            socat, "-u", "-b", "65536", f"TCP-LISTEN:{{port}},bind={processes.HOST},reuseaddr",
            f"TCP:{processes.HOST}:{{target}}")))
    return found


def copy_once(way, mebibytes):
    """Lets a way copy; returns its nanoseconds of CPU time, user and kernel."""
    port = processes.free_port()
    with subprocess.Popen([os.path.join(HERE, "copy_load"), str(mebibytes)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        target = load.stdout.readline().strip()
        command = [word.format(port=port, target=target) for word in way.command]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as copier:
            load.stdin.write(f"{port}\n")
            load.stdin.close()
            count = load.stdout.readline().strip()
            _, status, usage = os.wait4(copier.pid, 0)
            copier.returncode = os.waitstatus_to_exitcode(status)
    if load.returncode != 0 or copier.returncode != 0 or count != str(mebibytes << 20):
        raise processes.ProgramFailed(f"{way.name}: {count or 'not all'} bytes came, or other ones")
    return (usage.ru_utime + usage.ru_stime) * 1e9


def measure(chosen, rounds, mebibytes):
    """In each round all ways, each in a new process."""
    costs = {way.name: [] for way in chosen}
    for number, order in enumerate(turns.orders(chosen, rounds)):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for way in order:
            costs[way.name].append(copy_once(way, mebibytes))
    return [Result(way, figures.median_of(cost / max(first, 1.0) for cost, first
                                          in zip(costs[way.name], costs[REFERENCE])),
                   figures.median_of(costs[way.name]).value * 1024 / mebibytes / 1e6)
            for way in chosen]


def markdown(results):
    """The table."""
    lines = [["", "CPU time, ratio", "95 % interval", "ms a GiB", "must be", "holds"]]
    for result in results:
        ratio, gate = result.ratio, result.way.gate
        lines.append([result.way.text, f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}",
                      f"{result.milliseconds:.0f}", "" if gate is None else f"≤ {gate:.2f}",
                      report.verdict(result.holds())])
    return report.grid(lines)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="copy", description=__doc__.split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=4096, help="how much each copy moves")
    parser.add_argument("--rounds", type=int, default=11, help="copies of each way")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    parser.add_argument("--no-namespace", action="store_true", help="stay in this network")
    parser.add_argument("--check", action="store_true", help="fail when a row does not hold")
    return parser.parse_args()


def main():
    """Prints the table. Returns 1 if with --check a row does not hold."""
    arguments = parse_arguments()
    restriction = "this network" if arguments.no_namespace else machine.enter_own_network()
    setup = machine.describe()
    setup["network"] = restriction or "a network of its own"
    setup["MiB a copy"] = arguments.mebibytes
    setup["optimised"] = report.is_optimised(os.path.join(HERE, "copy_weir"))
    results = measure(ways(), arguments.rounds, arguments.mebibytes)
    rows = [{"row": result.way.name, "ratio": result.ratio._asdict(), "gate": result.way.gate,
             "holds": result.holds(), "ms a GiB": result.milliseconds} for result in results]
    report.give(markdown(results), setup, rows, arguments.json)
    return 1 if arguments.check and any(result.holds() is False for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
