# SPDX-License-Identifier: Apache-2.0
"""What the runners that measure servers have in common: the command line, and a run."""

import argparse
import os
import sys

import instructions
import machine
import measurements
import peers
import processes
import report
import table


def parser(program, text):
    """The command line. `text` begins with a line that says what the program does."""
    words = argparse.ArgumentParser(
        prog=program, description=text.split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    words.add_argument("--rows", metavar="NAME", nargs="+", help="measure only these rows")
    words.add_argument("--list", action="store_true", help="list the names of the rows")
    words.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    words.add_argument("--rounds", type=int, default=31, help="pairs of slices for each ratio")
    words.add_argument("--seconds", type=float, default=0.12, help="how long a slice takes")
    words.add_argument("--core", type=int, help="where the servers run; default the last core")
    words.add_argument("--two-cores", action="store_true",
                       help="the load generators on another core than the servers")
    words.add_argument("--most-connections", type=int, default=10**6, metavar="N",
                       help="make no more connections, whatever a row says; such rows get no"
                       " verdict, which is not enough for --check")
    words.add_argument("--profile", type=int, default=0, metavar="N",
                       help="print the N most expensive functions, too")
    words.add_argument("--no-valgrind", action="store_true", help="do not count instructions")
    words.add_argument("--no-namespace", action="store_true", help="stay in this network")
    words.add_argument("--check", action="store_true",
                       help="fail unless every row that must reach something was measured and"
                       " reaches it")
    return words


def choose_rows(arguments, rows):
    """Of pairs of a row and what it is about, those that were asked for."""
    if not arguments.rows:
        return rows
    unknown = set(arguments.rows) - {row.name for row, _ in rows}
    if unknown:
        sys.exit(f"no rows named {', '.join(sorted(unknown))}; --list lists them")
    return [(row, subject) for row, subject in rows if row.name in arguments.rows]


def choose_cores(arguments):
    """The cores of servers and loads; this process goes to another one if there is one."""
    cores = sorted(os.sched_getaffinity(0))
    server_core = arguments.core if arguments.core is not None else cores[-1]
    others = [core for core in cores if core != server_core]
    if arguments.two_cores and not others:
        sys.exit("there is only one core")
    os.sched_setaffinity(0, others or {server_core})
    return server_core, others[0] if arguments.two_cores else server_core


class Progress:
    """What is being done, on standard error: one line that changes, at a terminal."""

    def __init__(self, count):
        self._count = count
        self._done = 0
        self._text = ""
        self._is_terminal = sys.stderr.isatty()

    def begin(self, text):
        """The next row begins."""
        self._done += 1
        self._text = f"{self._done} of {self._count}: {text}"
        if not self._is_terminal:
            print(self._text, file=sys.stderr, flush=True)

    def detail(self, text):
        """How far the row is."""
        if self._is_terminal:
            print(f"\r\033[K{self._text}, {text}", end="", file=sys.stderr, flush=True)

    def end(self):
        """All rows are done."""
        if self._is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(rows, bench, subject_of, progress):
    """Measures the rows; one that fails says so and does not stop the others."""
    results, failures = [], 0
    for row, subject in rows:
        progress.begin(row.text)
        try:
            results.append(bench.measure(row, subject_of(subject)))
        except peers.PeerMissing as missing:
            results.append(measurements.Result(row, note=f"not measured: {missing}"))
        except (processes.ProgramFailed, OSError) as error:
            results.append(measurements.Result(row, note=f"failed: {error}"))
            failures += 1
    progress.end()
    return results, failures


def missed_rows(results):
    """The names of the rows that should reach something and did not, or were not measured."""
    return [result.row.name for result in results if result.is_gated() and not result.holds()]


def run(arguments, rows, make_bench, subject_of, program):
    """Prints the table of the rows, pairs as above, or with --list their names.

    `program` is the path of one of those that are measured; all are in its folder. Returns 1 if a
    row failed, or with --check if not all gated rows hold.
    """
    rows = choose_rows(arguments, rows)
    if arguments.list:
        print("\n".join(f"{row.name:24} {row.text}" for row, _ in rows))
        return 0
    restriction = "this network" if arguments.no_namespace else machine.enter_own_network()
    server_core, load_core = choose_cores(arguments)
    settings = measurements.Settings(
        programs=os.path.dirname(program), rounds=arguments.rounds, seconds=arguments.seconds,
        server_core=server_core, load_core=load_core,
        most_connections=arguments.most_connections,
        valgrind=instructions.is_available() and not arguments.no_valgrind)
    progress = Progress(len(rows))
    setup = machine.describe()
    setup["network"] = restriction or "a network of its own"
    setup["cores used"] = "one for servers, one for load" if arguments.two_cores else "one"
    setup["optimised"] = report.is_optimised(program)
    bench = make_bench(settings, progress.detail)
    results, failures = measure(rows, bench, subject_of, progress)

    texts = [table.markdown(results)]
    texts += [table.profile_markdown(result, arguments.profile) for result in results
              if arguments.profile and result.profile]
    report.give("\n".join(texts), setup, [table.as_data(result) for result in results],
                arguments.json)
    missed = missed_rows(results)
    if arguments.check and missed:
        print(f"These rows do not hold, or cannot tell: {', '.join(missed)}", file=sys.stderr)
    return 1 if failures or (arguments.check and missed) else 0
