# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured, and the load generators that keep them busy."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time

import machine

HOST = "127.0.0.1"
PATIENCE = 60  # seconds, for programs under sanitizers and valgrind too


class ProgramFailed(Exception):
    """A server or a load generator did not do what it should."""


def output_of(command):
    """What a program prints that runs to its end."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ProgramFailed(f"{os.path.basename(command[0])}: {result.stderr.strip()}")
    return result.stdout


def pinned(core):
    """For a new process: keeps it on one core, if one is given."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def spread(cores):
    """For a new process: keeps it on these cores."""
    os.sched_setaffinity(0, cores)


def never_preempting(core):
    """For a new process: pinned, and when it is woken it lets whoever runs go on (sched(7))."""
    pinned(core)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def free_port(kind=socket.SOCK_STREAM):
    """A port that nobody listens on for now."""
    with socket.socket(type=kind) as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Server:
    """A running server: `command` with its host and port added."""

    _kind = socket.SOCK_STREAM

    def __init__(self, command, core=None, environment=None, prepare=pinned):
        self.port = free_port(self._kind)
        self.name = os.path.basename(command[0])
        self._process = subprocess.Popen(
            command + [HOST, str(self.port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})}, preexec_fn=lambda: prepare(core))
        try:
            self._wait_until_listening()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._clock = machine.cpu_clock(self._process.pid)

    def _wait_until_listening(self):
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                return self._reach()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    raise ProgramFailed(f"{self.name} does not listen: {error}") from error
                time.sleep(0.005)

    def _reach(self):
        socket.create_connection((HOST, self.port)).close()

    def cpu_time(self):
        """The nanoseconds of CPU time that it has used, once it has nothing to do."""
        return machine.settled_cpu_time(self._process.pid, self._clock)

    def memory(self):
        """Its bytes of memory, once it has nothing to do."""
        self.cpu_time()
        return machine.private_memory(self._process.pid)

    def stop(self):
        """Ends it as a user would at a terminal, and waits for that."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise ProgramFailed(f"{self.name} does not stop") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class DatagramServer(Server):
    """A server that sends datagrams back."""

    _kind = socket.SOCK_DGRAM

    def _reach(self):
        with socket.socket(type=self._kind) as probe:
            probe.settimeout(PATIENCE)
            probe.connect((HOST, self.port))
            probe.send(b"there?")
            # Refused as long as nobody has bound the port.
            probe.recv(64)


class CountedServer(Server):
    """A server that counts its system calls.

    It and its load should never preempt each other. How many events one wait finds would otherwise
    be decided by the scheduler: often the first line that is sent wakes a server that then runs at
    once, finds just this line, and waits again.
    """

    _FORMAT = "4Q"  # as in counts.h

    def __init__(self, command, core=None):
        self._file = tempfile.NamedTemporaryFile()
        self._file.truncate(struct.calcsize(self._FORMAT))
        try:
            super().__init__(command, core, {"WEIR_BENCH_COUNTS": self._file.name},
                             never_preempting)
        except BaseException:
            self._file.close()
            raise

    def counts(self):
        """Receives, sends, waits and others since it began, once it has nothing to do."""
        self.cpu_time()
        with open(self._file.name, "rb") as file:
            return struct.unpack(self._FORMAT, file.read())

    def stop(self):
        """Ends it, and nobody can see its counts any more."""
        try:
            super().stop()
        finally:
            self._file.close()


class Load:
    """A running load generator, all of whose connections are open."""

    def __init__(self, program, port, workload, core=None, prepare=pinned, host=HOST):
        self._process = subprocess.Popen(
            [program, f"--host={host}", f"--port={port}", f"--mode={workload.mode}",
             f"--connections={workload.connections}", f"--line={workload.line_size}",
             f"--in-flight={workload.in_flight}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: prepare(core))
        try:
            self._answer("ready")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _answer(self, expected):
        words = self._process.stdout.readline().split()
        if words[:1] != [expected]:
            raise ProgramFailed(f"the load generator failed with {self._process.wait()}")
        return words[1:]

    def _order(self, order):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def begin(self, seconds):
        """Begins to load the server for a while."""
        self._order(f"go {seconds}")

    def finish(self):
        """Waits for what was begun; returns the number of units done."""
        return int(self._answer("done")[0])

    def run_for(self, seconds):
        """Loads the server for a while; returns the number of units done."""
        self.begin(seconds)
        return self.finish()

    def run_rounds(self, rounds):
        """Loads the server with so many rounds per connection; returns the number of units."""
        self._order(f"rounds {rounds}")
        return self.finish()

    def stop(self):
        """Closes the connections."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
