# SPDX-License-Identifier: Apache-2.0
"""The test of the documentation: its code compiles against the library, runs, and does not fail.

The rules for marking code are in snippets.py. Bazel hands over the built libraries; compiling is
done by the compiler that built them, so that sanitizers cover the documentation too.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import checkout
import snippets

SECONDS_TO_RUN = 20

# What readers have, or install by themselves, and the shell's own words.
READERS_COMMANDS = {
    "apt-get", "bash", "cd", "cmake", "curl", "docker", "echo", "export", "git", "nc", "ninja",
    "printf", "sudo", "telnet", "testssl",
}


class Workshop:
    """Where programs are made: the headers, the libraries and the compiler."""

    def __init__(self, root, folder, headers):
        self.folder = folder
        self.root = root
        self.headers = [os.path.basename(header) for header in headers]
        checkout.link_public_headers(root, folder, headers)
        libraries = [os.path.abspath(path) for path in os.environ["WEIR_LIBRARIES"].split()]
        self.compiler = os.environ.get("WEIR_SNIPPET_COMPILER", "cc")
        self.options = os.environ.get("WEIR_SNIPPET_FLAGS", "").split()
        self.libraries = ["-Wl,--start-group", *libraries, "-Wl,--end-group", "-pthread"]
        folders = {os.path.dirname(path) for path in libraries if not path.endswith(".a")}
        self.libraries += [f"-Wl,-rpath,{path}" for path in sorted(folders)]

    def try_out(self, snippet):
        """Compiles, links and perhaps runs the snippet; returns what went wrong, or nothing."""
        source = os.path.join(self.folder, "snippet.c")
        program = os.path.join(self.folder, "snippet")
        with open(source, "w", encoding="utf-8") as file:
            file.write(snippets.make_program(snippet, self.headers))
        failure = _run([
            self.compiler, "-std=c11", "-D_GNU_SOURCE", "-g", "-w",
            "-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types",
            "-Werror=int-conversion", *self.options, "-I", self.folder, "-I", self.root, source,
            "-o", program, *self.libraries,
        ])
        if failure:
            return f"does not compile:\n{failure}"
        if snippet.run:
            failure = _run([program])
            if failure:
                return f"fails:\n{failure}"
        return None


def _run(command):
    """Runs a command; returns its output if it fails, or nothing."""
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=SECONDS_TO_RUN * (1 + 2 * ("-I" in command)))
    except subprocess.TimeoutExpired:
        return f"still running after {SECONDS_TO_RUN} seconds"
    if result.returncode == 0:
        return None
    return f"{result.stdout}exit status {result.returncode}"


def _check_commands(root, path, text):
    failures = []
    for line, command in snippets.shell_commands(text):
        if command.startswith("./"):
            known = os.access(os.path.join(root, command), os.X_OK)
        else:
            known = command in READERS_COMMANDS or shutil.which(command)
        if not known:
            failures.append(f"{path}:{line}: there is no command '{command}'")
    return failures


def main():
    root = checkout.find_root()
    paths = checkout.list_files(root)
    headers = [path for path in paths if checkout.is_public_header(path)]
    documents = [path for path in paths if path == "README.md"
                 or path.startswith("docs/") and path.endswith(".md")]
    found, failures = [], []
    for path in headers + documents:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        if path in headers:
            examples = snippets.in_header(path, text)
            found += examples
            if not examples:
                failures.append(f"{path}:1: a public header begins with an example that runs")
        else:
            found += snippets.in_document(path, text)
            failures += _check_commands(root, path, text)
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(root, folder, headers)
        for snippet in found:
            failure = workshop.try_out(snippet)
            print(f"{'FAILED' if failure else 'ok':6} {snippet.name()}", flush=True)
            if failure:
                failures.append(f"{snippet.name()}: {failure}")
    print("\n".join(failures))
    print(f"snippets: {len(found)} blocks, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
