# SPDX-License-Identifier: Apache-2.0
"""Checks of files as texts, whatever their language."""

import os
import re

SPDX_LINE = "SPDX-License-Identifier: Apache-2.0"
MAXIMUM_COLUMNS = 100
MAXIMUM_LINES = 500

SOURCE_ENDINGS = (".c", ".h", ".cc", ".S", ".py", ".sh", ".bzl", ".bazel", ".BUILD", ".bazelrc",
                  ".go", ".java", ".js")
SOURCE_NAMES = {"WORKSPACE", "BUILD", "bazelw", "run", ".clang-format", ".gitignore"}

# Names that have one right spelling, by the wrong ones seen most. The right one never matches.
MISSPELLINGS = [
    (re.compile(r"\b(Boringssl|BoringSsl|Boring SSL)\b"), "BoringSSL"),
    (re.compile(r"\b(KTor|KTOR)\b"), "Ktor"),
    (re.compile(r"\b(io-uring|IO_uring|iouring)\b"), "io_uring"),
    (re.compile(r"\b(Libfuzzer|LibFuzzer)\b"), "libFuzzer"),
    (re.compile(r"\b(GoogleTest|Googletest)\b"), "googletest"),
    (re.compile(r"\b(weir|WEIR)_\w*(canceled|CANCELED|cancelation)"), "cancelled, cancellation"),
]


class Finding:
    """One breach of a rule, at a line of a file."""

    def __init__(self, path, line, message, is_warning=False):
        self.path, self.line, self.message, self.is_warning = path, line, message, is_warning

    def __str__(self):
        kind = "warning: " if self.is_warning else ""
        return f"{self.path}:{self.line}: {kind}{self.message}"


def is_source(path):
    """Whether people write code in this file."""
    return path.endswith(SOURCE_ENDINGS) or os.path.basename(path) in SOURCE_NAMES


def _wants_tabs(path):
    """Whether the file's language, or its formatter, insists on them."""
    return os.path.basename(path).startswith("Makefile") or path.endswith(".go")


def check(path, text):
    """The findings in one file."""
    if path == "LICENSE" or "/corpus/" in path:
        return []  # other people's words, and input that is wrong on purpose
    findings = []
    lines = text.split("\n")
    if is_source(path):
        findings += _check_source(path, text, lines)
    for number, line in enumerate(lines, 1):
        if "\t" in line and not _wants_tabs(path):
            findings.append(Finding(path, number, "a tab; use spaces"))
        if line != line.rstrip():
            findings.append(Finding(path, number, "blanks at the end of the line"))
        if not path.startswith("tools/tidy"):  # where the wrong spellings are listed
            findings += _check_words(path, number, line)
    if text and not text.endswith("\n"):
        findings.append(Finding(path, len(lines), "no newline at the end of the file"))
    if text.endswith("\n\n"):
        findings.append(Finding(path, len(lines), "empty lines at the end of the file"))
    return findings


def _check_source(path, text, lines):
    findings = []
    if not any(SPDX_LINE in line for line in lines[:3]):
        findings.append(Finding(path, 1, f"no line with {SPDX_LINE} at the top"))
    if text.count("\n") > MAXIMUM_LINES:
        message = f"{text.count(chr(10))} lines, more than {MAXIMUM_LINES}: think of splitting it"
        findings.append(Finding(path, 1, message, is_warning=True))
    for number, line in enumerate(lines, 1):
        if len(line) > MAXIMUM_COLUMNS and "http" not in line:
            findings.append(Finding(path, number, f"{len(line)} columns, over {MAXIMUM_COLUMNS}"))
    return findings


def _check_words(path, number, line):
    findings = []
    if re.search(r"\bTODO\b(?!\(#\d+\))", line):
        findings.append(Finding(path, number, "a TODO without its issue; write TODO(#12)"))
    for pattern, right in MISSPELLINGS:
        match = pattern.search(line)
        if match:
            findings.append(Finding(path, number, f"'{match.group()}': the right word is {right}"))
    return findings
