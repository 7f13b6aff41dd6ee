# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what is measured, against what, and what must be reached."""

from typing import NamedTuple, Optional


class Workload(NamedTuple):
    """What the load generator does; see load_generator.c."""

    mode: str
    connections: int
    line_size: int = 64
    in_flight: int = 1
    unit: str = "line"
    unit_size: int = 1  # of what the generator counts


class Row(NamedTuple):
    """One row of the table."""

    name: str  # for --rows
    text: str
    kind: str  # one of those below
    workload: Workload
    gate: Optional[float] = None


RATIO = "CPU time, ratio to the reference"
CHECK = "the reference against itself"
CALLS = "recv and send per unit"
WAITS = "epoll_wait per unit, ratio to the reference"
ALL_CALLS = "system calls per unit"
MEMORY = "bytes per idle connection"
PRINTED_MEMORY = "bytes per idle connection, after printing"
INSTRUCTIONS = "instructions per line"
LOOPS = "CPU time of two loops, ratio to one loop"

RATIOS = (RATIO, WAITS, LOOPS)  # of which the lower end of the interval must reach the gate

MEBIBYTE = 1 << 20

ECHO_1 = Workload("echo", 1)
ECHO_64 = Workload("echo", 64)
ECHO_1000 = Workload("echo", 1000)
ECHO_8000 = Workload("echo", 8000)
PIPELINED = Workload("echo", 16, in_flight=16)
LARGE = Workload("echo", 16, line_size=16 * 1024)
CONNECT = Workload("connect", 16, unit="connection")
SINK = Workload("sink", 1, unit="MiB", unit_size=MEBIBYTE)
STREAM = Workload("stream", 4, in_flight=4, unit="MiB", unit_size=MEBIBYTE)
IDLE = Workload("idle", 8000)

ROWS = [
    Row("check-64", "reference against reference, 64 connections", CHECK, ECHO_64),
    Row("check-1000", "reference against reference, 1,000 connections", CHECK, ECHO_1000),
    Row("echo-1", "echo, 1 connection", RATIO, ECHO_1),
    Row("echo-64", "echo, 64 connections", RATIO, ECHO_64, 1.08),
    Row("echo-1000", "echo, 1,000 connections", RATIO, ECHO_1000, 1.08),
    Row("echo-8000", "echo, 8,000 connections", RATIO, ECHO_8000),
    Row("pipelined", "echo, 16 connections of 16 lines in flight", RATIO, PIPELINED, 1.15),
    Row("two-loops", "echo, 64 connections on each of two loops", LOOPS, ECHO_64, 1.08),
    Row("large", "echo of 16 KiB lines, 16 connections", RATIO, LARGE, 1.10),
    Row("connect", "connect, echo, close", RATIO, CONNECT),
    Row("sink", "stream, sink", RATIO, SINK),
    Row("stream", "stream, echo", RATIO, STREAM),
    Row("calls-64", "recv + send per line, 64 connections", CALLS, ECHO_64, 2.00),
    Row("calls-1000", "recv + send per line, 1,000 connections", CALLS, ECHO_1000, 2.00),
    Row("waits-64", "calls of epoll_wait, 64 connections", WAITS, ECHO_64, 1.00),
    Row("waits-1000", "calls of epoll_wait, 1,000 connections", WAITS, ECHO_1000, 1.00),
    Row("calls-large", "recv + send per line, 16 KiB lines", CALLS, LARGE, 2.00),
    Row("calls-connect", "all system calls for connect, echo, close", ALL_CALLS, CONNECT),
    Row("calls-pipelined", "all system calls per line, 16 in flight", ALL_CALLS, PIPELINED, 0.2),
    Row("memory", "memory per idle connection", MEMORY, IDLE, 5200),
    Row("memory-printed", "the same, after the handler printed a line", PRINTED_MEMORY, IDLE),
    Row("instructions", "instructions per line, 64 connections", INSTRUCTIONS, ECHO_64, 900),
    Row("instructions-pipelined", "instructions per line, 16 in flight", INSTRUCTIONS, PIPELINED),
]
