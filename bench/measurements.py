# SPDX-License-Identifier: Apache-2.0
"""How each kind of row is measured."""

import contextlib
import os
from typing import NamedTuple, Optional

import figures
import instructions
import processes
import workloads

CHECK_RANGE = (0.97, 1.03)  # of the reference against itself
COUNTED_UNITS = 20000
FEW_CONNECTIONS = 1000  # beside the many of the memory rows
PROFILED_ROUNDS = 30


class Result(NamedTuple):
    """A measured row."""

    row: workloads.Row
    value: Optional[float] = None  # None: not measured, and the note says why
    low: Optional[float] = None
    high: Optional[float] = None
    reference: Optional[float] = None
    note: str = ""
    profile: tuple = ()
    is_cut: bool = False  # measured with fewer connections than the row is about

    def is_gated(self):
        """Whether there is something that the row must reach."""
        return self.row.kind == workloads.CHECK or self.row.gate is not None

    def holds(self):
        """Whether the gate is kept; None if there is none or the row was not measured as it is."""
        if self.value is None or self.is_cut or not self.is_gated():
            return None
        if self.row.kind == workloads.CHECK:
            return CHECK_RANGE[0] <= self.value <= CHECK_RANGE[1]
        if self.row.kind in workloads.RATIOS:
            return self.low <= self.row.gate
        return self.value <= self.row.gate


class Settings(NamedTuple):
    """Where and how long to measure."""

    programs: str  # their folder
    rounds: int
    seconds: float  # of a slice
    server_core: Optional[int]
    load_core: Optional[int]
    most_connections: int
    valgrind: bool


class Bench:
    """Measures rows."""

    def __init__(self, settings, progress):
        self._settings = settings
        self._progress = progress  # called with a text
        self._counts = {}

    def measure(self, row, subject=None):
        """Measures one row. `subject` replaces Weir's server."""
        workload = self._limited(row.workload)
        measure = {
            workloads.RATIO: self._ratio,
            workloads.CHECK: self._ratio,
            workloads.CALLS: self._calls,
            workloads.WAITS: self._calls,
            workloads.ALL_CALLS: self._calls,
            workloads.MEMORY: self._memory,
            workloads.PRINTED_MEMORY: self._memory,
            workloads.INSTRUCTIONS: self._instructions,
            workloads.LOOPS: self._loops,
        }[row.kind]
        result = measure(row, workload, subject)
        if workload.connections < row.workload.connections:
            note = f"with {workload.connections} connections"
            result = result._replace(note=", ".join(filter(None, [result.note, note])),
                                     is_cut=True)
        return result

    def _limited(self, workload):
        most = self._settings.most_connections
        return workload._replace(connections=min(workload.connections, most))

    def _program(self, name):
        return os.path.join(self._settings.programs, name)

    def _reference(self, workload, suffix=""):
        mode = workload.mode if workload.mode in ("sink", "stream") else "lines"
        return [self._program("echo_reference" + suffix), mode]

    def _weir(self, workload):
        if workload.mode in ("sink", "stream"):
            return [self._program("stream_weir"), workload.mode]
        return [self._program("echo_weir")]

    def _server(self, command):
        return processes.Server(command, self._settings.server_core)

    def _load(self, server, workload, prepare=processes.pinned):
        return processes.Load(self._program("load_generator"), server.port, workload,
                              self._settings.load_core, prepare)

    def _ratio(self, row, workload, subject):
        reference = self._reference(workload)
        if row.kind == workloads.CHECK:
            subject = reference
        elif subject is None:
            subject = self._weir(workload)
        costs = self._alternated([reference, subject], workload, self._server, self._slice)
        value, low, high = figures.median_of(second / first for first, second in costs)
        first = figures.median_of(first for first, _ in costs).value
        return Result(row, value, low, high, first * workload.unit_size / 1000)

    def _alternated(self, commands, workload, serve, measure, prepare_load=processes.pinned):
        """What `measure` makes of each of two servers and its load, in as many rounds as are set.

        Both servers are there, with all their connections, all the time; one after the other is
        measured, in turns first. Where a process happens to lie in memory costs or saves a few
        percent as long as it lives, so each round has new ones.
        """
        measured = []
        for number in range(self._settings.rounds):
            self._progress(f"round {number + 1} of {self._settings.rounds}")
            direction = 1 if number % 2 == 0 else -1
            with contextlib.ExitStack() as running:
                pairs = []
                for command in commands[::direction]:
                    server = running.enter_context(serve(command))
                    load = running.enter_context(self._load(server, workload, prepare_load))
                    pairs.append((server, load))
                measured.append([measure(server, load) for server, load in pairs][::direction])
        return measured

    def _slice(self, server, load):
        """Nanoseconds of the server's CPU time per unit in one slice.

        Caches are cold after the other's slice, so each connection does one round first.
        """
        load.run_rounds(1)
        before = server.cpu_time()
        units = load.run_for(self._settings.seconds)
        return (server.cpu_time() - before) / units

    def _calls(self, row, workload, _subject):
        fields = {workloads.CALLS: (0, 1), workloads.WAITS: (2,),
                  workloads.ALL_CALLS: (0, 1, 2, 3)}[row.kind]
        counts = [[sum(calls[field] for field in fields) for calls in pair]
                  for pair in self._counts_of(workload)]
        reference = figures.median_of(first for first, _ in counts).value
        if row.kind == workloads.WAITS:
            ratio = figures.median_of(second / first for first, second in counts)
            return Result(row, *ratio, reference)
        return Result(row, *figures.median_of(second for _, second in counts), reference)

    def _counts_of(self, workload):
        """System calls per unit of the reference and of Weir, as in counts.h, in each round.

        They are kept, because two rows show them.
        """
        if workload not in self._counts:
            commands = [self._reference(workload, "_counted"),
                        [self._program("echo_weir_counted")]]
            rounds = max(2, COUNTED_UNITS // (workload.connections * workload.in_flight))

            def serve(command):
                return processes.CountedServer(command, self._settings.server_core)

            def count(server, load):
                before = server.counts()
                units = load.run_rounds(rounds)
                return [(after - start) / units for start, after in zip(before, server.counts())]

            self._counts[workload] = self._alternated(commands, workload, serve, count,
                                                      processes.never_preempting)
        return self._counts[workload]

    def _memory(self, row, workload, _subject):
        printed = row.kind == workloads.PRINTED_MEMORY
        weir = [self._program("echo_example")] if printed else self._weir(workload)
        many = self._memory_each(weir, workload)
        few_connections = min(FEW_CONNECTIONS, workload.connections)
        few = self._memory_each(weir, workload._replace(connections=few_connections))
        reference = None if printed else self._memory_each(self._reference(workload), workload)
        return Result(row, many, reference=reference,
                      note=f"{few:,.0f} with {few_connections:,} connections")

    def _memory_each(self, command, workload):
        """Bytes per connection, which the server did not use before they came."""
        self._progress(f"{workload.connections:,} connections to {os.path.basename(command[0])}")
        with self._server(command) as server:
            before = server.memory()
            with self._load(server, workload):
                return (server.memory() - before) / workload.connections

    def _instructions(self, row, workload, _subject):
        if not self._settings.valgrind:
            return Result(row, note="not measured: no valgrind")
        generator = self._program("load_generator")
        self._progress("under callgrind")
        weir = instructions.profile(self._weir(workload), generator, workload, PROFILED_ROUNDS)
        reference = instructions.profile(self._reference(workload), generator, workload,
                                         PROFILED_ROUNDS)
        note = f"{weir.total():,.0f} with libc's, the reference {reference.total():,.0f}"
        return Result(row, weir.own(), reference=reference.own(), note=note,
                      profile=tuple(weir.largest(100)))

    def _loops(self, row, workload, _subject):
        """Two loops on two cores against one on either.

        Each core has a load of its own, for the loop that is there. Two cores at work may slow each
        other down whatever they do, so two programs of one loop each are measured as well.
        """
        cores = sorted(os.sched_getaffinity(0) | {self._settings.server_core})[:2]
        if len(cores) < 2:
            return Result(row, note="not measured: it takes two cores")
        rounds = []
        for number in range(self._settings.rounds):
            self._progress(f"round {number + 1} of {self._settings.rounds}")
            # Each core is the one as often as the other, whichever set-up comes first.
            alone = cores[number // 2 % 2]
            setups = [[[alone]], [cores], [[core] for core in cores]]
            direction = 1 if number % 2 == 0 else -1
            rounds.append([self._loops_slice(setup, workload)
                           for setup in setups[::direction]][::direction])
        value, low, high = figures.median_of(two / one for one, two, _ in rounds)
        apart = figures.median_of(apart / one for one, _, apart in rounds)
        one = figures.median_of(one for one, _, _ in rounds).value
        note = f"two programs of one loop {apart.value:.2f} ({apart.low:.2f} to {apart.high:.2f})"
        return Result(row, value, low, high, one / 1000, note)

    def _loops_slice(self, setup, workload):
        """Nanoseconds of CPU time per unit in one slice, of programs that have a loop for each of
        their cores."""
        with contextlib.ExitStack() as running:
            servers, loads = [], []
            for cores in setup:
                command = [self._program("echo_loops"), str(len(cores))]
                server = running.enter_context(
                    processes.Server(command, cores, prepare=processes.spread))
                servers.append(server)
                for number, core in enumerate(cores):
                    loads.append(running.enter_context(processes.Load(
                        self._program("load_generator"), server.port, workload, core,
                        host=f"127.0.0.{1 + number}")))
            for load in loads:
                load.run_rounds(1)
            before = sum(server.cpu_time() for server in servers)
            for load in loads:
                load.begin(self._settings.seconds)
            units = sum(load.finish() for load in loads)
            return (sum(server.cpu_time() for server in servers) - before) / units
