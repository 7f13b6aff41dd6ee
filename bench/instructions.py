# SPDX-License-Identifier: Apache-2.0
"""Instructions in user space, by valgrind's callgrind."""

import collections
import os
import shutil
import tempfile

import processes


def is_available():
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


class Profile:
    """Instructions per unit of work: by (object file, function)."""

    def __init__(self, costs, program):
        self.costs = costs
        self._program = program

    def total(self):
        """All of them, libc's too."""
        return sum(self.costs.values())

    def own(self):
        """Those of the program itself, with the library that is linked into it."""
        cost = sum(cost for (place, _), cost in self.costs.items() if place == self._program)
        if cost <= 0:
            places = ", ".join(sorted({place for place, _ in self.costs}))
            raise processes.ProgramFailed(
                f"callgrind tells nothing of {self._program}, only of: {places or 'nothing'}")
        return cost

    def largest(self, count):
        """The most expensive functions, as (cost, function, object file)."""
        ordered = sorted(((cost, function, place)
                          for (place, function), cost in self.costs.items()), reverse=True)
        return ordered[:count]


def profile(server_command, generator, workload, rounds, serve=processes.Server):
    """The profile of one unit of the workload.

    Two runs, one with twice the rounds, are subtracted, so that start and end of the program and of
    the connections do not count.
    """
    short, short_units = _costs(server_command, generator, workload, rounds, serve)
    long, long_units = _costs(server_command, generator, workload, 2 * rounds, serve)
    long.subtract(short)
    units = long_units - short_units
    costs = {place: cost / units for place, cost in long.items() if cost != 0}
    return Profile(costs, os.path.basename(os.path.realpath(server_command[0])))


def _costs(server_command, generator, workload, rounds, serve):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        # Names in full make the file easy to read.
        valgrind = ["valgrind", "--tool=callgrind", "--quiet", "--compress-strings=no",
                    "--compress-pos=no", f"--callgrind-out-file={out}"]
        with serve(valgrind + server_command) as server:
            with processes.Load(generator, server.port, workload) as load:
                units = load.run_rounds(rounds)
        with open(out, encoding="utf-8") as file:
            return parse(file), units


def parse(lines):
    """The self costs in a file of callgrind: a Counter by (object file, function).

    The format is described in valgrind's manual, "Callgrind Format Specification". A line that
    begins with a number is a position and a cost, of the function named last; but the one behind
    calls= is the cost of the function called, which has its own lines.
    """
    costs = collections.Counter()
    place, function, is_callee = "", "", False
    for line in lines:
        key, equals, value = line.strip().partition("=")
        if line[0].isdigit():
            if not is_callee:
                costs[place, function] += int(line.split()[1])
            is_callee = False
        elif equals and key == "ob":
            place = os.path.basename(value)
        elif equals and key == "fn":
            function = value.partition("'")[0]  # without the depth of a recursion
        elif equals and key == "calls":
            is_callee = True
    return costs
