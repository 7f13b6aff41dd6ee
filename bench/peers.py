# SPDX-License-Identifier: Apache-2.0
"""Other libraries' programs, compiled here and now if the library is installed."""

import os
import shutil
import subprocess

import workloads

NAMES = ["libuv"]


class PeerMissing(Exception):
    """The library is not installed."""


def compile_server(name, sources, folder):
    """Compiles the echo server of a peer into a folder; returns its command."""
    options = subprocess.run(["pkg-config", "--cflags", "--libs", name], capture_output=True,
                             text=True, check=False) if shutil.which("pkg-config") else None
    if options is None or options.returncode != 0:
        raise PeerMissing(f"{name}: pkg-config does not find it; install its development package")
    return compile_c(name, f"echo_{name}", sources, folder, options.stdout.split())


def compile_c(name, program, sources, folder, options):
    """Compiles a peer's program of one file in C, which needs what `options` say."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise PeerMissing(f"{name}: no C compiler")
    path = os.path.join(folder, program)
    result = subprocess.run(
        [compiler, "-std=c11", "-O2", "-D_GNU_SOURCE", f"-I{os.path.dirname(sources)}",
         os.path.join(sources, f"{program}.c"), "-o", path] + options,
        capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = (result.stderr.strip() or "no message").splitlines()[-1]
        raise PeerMissing(f"{name}: not installed, or it does not compile: {last}")
    return [path]


def compile_go(program, sources, folder):
    """Compiles a peer's program of one file in Go."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise PeerMissing("Go: not installed")
    path = os.path.join(folder, program)
    result = subprocess.run(
        [go, "build", "-o", path, os.path.realpath(os.path.join(sources, f"{program}.go"))],
        capture_output=True, text=True, check=False, cwd=folder,
        env={"GOCACHE": os.path.join(folder, "cache"), "GO111MODULE": "off", "GOPATH": folder,
             **os.environ})
    if result.returncode != 0:
        raise PeerMissing(f"Go: it does not compile: {result.stderr.strip()}")
    return [path]


def rows(name):
    """The rows for a peer: those with lines, against the reference."""
    return [row._replace(name=f"{name}-{row.name}", text=f"{name}: {row.text}", gate=None)
            for row in workloads.ROWS
            if row.kind == workloads.RATIO and row.workload.mode in ("echo", "connect")]
