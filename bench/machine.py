# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks need of the machine: a network of their own, pinned cores, CPU clocks."""

import ctypes
import fcntl
import os
import platform
import socket
import struct
import time

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"

_libc = ctypes.CDLL(None, use_errno=True)


def enter_own_network():
    """Moves this process, and those it will start, into a network of their own with reno.

    Returns None, or why that was not permitted; then they stay in the machine's network.
    """
    for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET):
        if _libc.unshare(flags) == 0:
            break
    else:
        return f"the machine's network ({os.strerror(ctypes.get_errno())}: no namespace)"
    try:
        _bring_up("lo")
        with open(CONGESTION_CONTROL, "w", encoding="ascii") as file:
            file.write("reno")
    except OSError as error:
        return f"a network of its own, but without reno ({error.strerror})"
    return None


def _bring_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", interface.encode(), 0)
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh22x", request)[1] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", interface.encode(), flags))


def cpu_clock(pid):
    """The clock of all CPU time of a process, user and system, for time.clock_gettime_ns.

    It is exact to nanoseconds, while the times in /proc/PID/stat go in steps of 10 ms.
    """
    clock = ctypes.c_int()
    error = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error != 0:
        raise OSError(error, os.strerror(error))
    return clock.value


def is_asleep(pid):
    """Whether all threads of a process wait for something, rather than for a core or for no one."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
            # The name, in parentheses, may contain anything; proc(5).
            if file.read().rpartition(b")")[2].split()[0] != b"S":
                return False
    return True


def settled_cpu_time(pid, clock, patience=10.0):
    """The nanoseconds of a process's clock as soon as it has gone to rest.

    One that was not given a core for a while has used no time, either, so it must also be asleep.
    """
    give_up = time.monotonic() + patience
    before = time.clock_gettime_ns(clock)
    while time.monotonic() < give_up:
        time.sleep(0.001)
        after = time.clock_gettime_ns(clock)
        if after == before and is_asleep(pid):
            return after
        before = after
    raise TimeoutError("the server works although nobody asks anything of it")


def private_memory(pid):
    """The bytes of memory that this process alone has written to, without kernel memory."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"no Private_Dirty in /proc/{pid}/smaps_rollup")


def describe():
    """What to know about the machine, for those who read the figures."""
    with open(CONGESTION_CONTROL, encoding="ascii") as file:
        congestion_control = file.read().strip()
    model = "an unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "congestion control": congestion_control,
        "load average": os.getloadavg()[0],
    }
