# SPDX-License-Identifier: Apache-2.0
"""Other libraries' servers, compiled here and now if the library is installed."""

import os
import shutil
import subprocess

import workloads

NAMES = ["libuv"]


class PeerMissing(Exception):
    """The library is not installed."""


def compile_server(name, sources, folder):
    """Compiles the server of a peer into a folder; returns its command."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise PeerMissing(f"{name}: no C compiler")
    options = subprocess.run(["pkg-config", "--cflags", "--libs", name], capture_output=True,
                             text=True, check=False) if shutil.which("pkg-config") else None
    if options is None or options.returncode != 0:
        raise PeerMissing(f"{name}: pkg-config does not find it; install its development package")
    program = os.path.join(folder, f"echo_{name}")
    source = os.path.join(sources, f"echo_{name}.c")
    subprocess.run([compiler, "-std=c11", "-O2", "-D_GNU_SOURCE", source, "-o", program]
                   + options.stdout.split(), check=True)
    return [program]


def rows(name):
    """The rows for a peer: those with lines, against the reference."""
    return [row._replace(name=f"{name}-{row.name}", text=f"{name}: {row.text}", gate=None)
            for row in workloads.ROWS
            if row.kind == workloads.RATIO and row.workload.mode in ("echo", "connect")]
