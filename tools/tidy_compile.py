# SPDX-License-Identifier: Apache-2.0
"""Checks that need a tool: clang-format, and compilers for headers that stand alone."""

import os
import re
import shutil
import subprocess
import tempfile

import checkout
from tidy_text import Finding

# The release that decides; another one formats some corners differently, so it can only warn.
CLANG_FORMAT_RELEASE = "14"

DIALECTS = [("c", "cc", "c11"), ("c++", "c++", "c++17")]


def check_format(root, paths):
    """What clang-format would change."""
    sources = [path for path in paths if path.endswith((".c", ".cc", ".h"))]
    if not sources:
        return []
    if not shutil.which("clang-format"):
        return [Finding(".clang-format", 1, "clang-format is not installed; ./bazelw does that")]
    version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout
    decides = f"version {CLANG_FORMAT_RELEASE}." in version
    result = subprocess.run(
        ["clang-format", "--dry-run", "--style=file"] + sources,
        cwd=root, capture_output=True, text=True)
    first_lines = {}
    for match in re.finditer(r"^([^\s:]+):(\d+):\d+: (?:warning|error): code should",
                             result.stderr, re.MULTILINE):
        first_lines.setdefault(match.group(1), int(match.group(2)))
    message = "clang-format would change this file from here on; run clang-format -i on it"
    findings = [Finding(path, line, message, not decides) for path, line in first_lines.items()]
    if result.returncode != 0 and not findings:
        findings.append(Finding(".clang-format", 1, result.stderr.strip()))
    return findings


# Before the system's own, which may be OpenSSL's. Debian's package puts them there.
BORINGSSL_HEADERS = "/usr/include/android"


def check_headers(root, paths):
    """Headers that do not compile alone: public ones as C11 and as C++17, internal ones as C11."""
    public = [path for path in paths if checkout.is_public_header(path)]
    internal = [path for path in paths if re.fullmatch(r"\w+/internal/\w+\.h", path)]
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        checkout.link_public_headers(root, folder, public)
        for path in public:
            include = "weir/" + os.path.basename(path)
            findings += _compile_alone(root, folder, path, include, DIALECTS)
        for path in internal:
            # Only our own code includes them, with our own compile options.
            findings += _compile_alone(root, folder, path, path, DIALECTS[:1],
                                       ["-D_GNU_SOURCE", "-isystem", BORINGSSL_HEADERS])
    return findings


def _compile_alone(root, folder, path, include, dialects, options=()):
    findings = []
    for language, compiler, standard in dialects:
        # Twice, so that a missing include guard shows.
        program = f'#include "{include}"\n#include "{include}"\n'
        result = subprocess.run(
            [compiler, f"-std={standard}", "-x", language, "-", "-fsyntax-only", "-Wall", "-Wextra",
             "-Werror", "-I", folder, "-iquote", root, *options],
            input=program, capture_output=True, text=True)
        if result.returncode != 0:
            reason = next((line for line in result.stderr.split("\n") if "error" in line), "")
            reason = reason.replace(folder + "/", "")
            findings.append(Finding(path, 1, f"does not compile alone as {standard}: {reason}"))
    return findings
