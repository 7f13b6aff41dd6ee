# SPDX-License-Identifier: Apache-2.0
"""Finds the code in documents and header comments, and makes programs of it.

In a document, the words after ```c say what becomes of a block:

    ```c                compiled
    ```c run            compiled and run; it must exit with 0 within a few seconds
    ```c run coroutine  the same, with its statements inside a coroutine of weir_run
    ```c ignore         nothing: pseudo-code, or another library's

A header's example is the lines indented by three after `// Example:`, or, to have them inside a
coroutine, after `// Example, in a coroutine:`. It is always run.

A block that has a main function is a program as it stands. In any other, functions, types and
directives stay outside, and the statements become a function's body.
"""

import re

STANDARD_HEADERS = (
    "assert.h", "errno.h", "inttypes.h", "stdbool.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
)

FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^// Example(, in a coroutine)?:\n((?://(?:   [^\n]*)?\n)+)", re.MULTILINE)
FUNCTION = re.compile(r"^(?!(?:if|else|for|while|switch|do|return)\b)[\w][\w *]*\([^;]*\)\s*\{")
TYPE = re.compile(r"^(?:typedef\b|(?:struct|union|enum)\s+\w+\s*\{)")


class Snippet:
    """A block of code and what is to be done with it."""

    def __init__(self, path, line, code, run=False, coroutine=False):
        self.path, self.line, self.code = path, line, code
        self.run, self.coroutine = run, coroutine

    def name(self):
        return f"{self.path}:{self.line}"


def in_document(path, text):
    """The C blocks of a Markdown document."""
    snippets = []
    for match in FENCE.finditer(text):
        words = match.group(2).split()
        if match.group(1) == "c" and "ignore" not in words:
            line = text.count("\n", 0, match.start()) + 2
            snippets.append(
                Snippet(path, line, match.group(3), "run" in words, "coroutine" in words))
    return snippets


def in_header(path, text):
    """The examples of a public header."""
    snippets = []
    for match in EXAMPLE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        code = "".join(row[5:] + "\n" for row in match.group(2).split("\n")[:-1])
        snippets.append(Snippet(path, line, code, True, match.group(1) is not None))
    return snippets


def shell_commands(text):
    """The commands in a document's shell blocks: pairs of line and the command's first word."""
    commands = []
    for match in FENCE.finditer(text):
        if match.group(1) not in ("sh", "bash", "shell"):
            continue
        first = text.count("\n", 0, match.start()) + 2
        goes_on = False
        for offset, row in enumerate(match.group(3).split("\n")):
            is_argument, goes_on = goes_on, row.endswith("\\")
            if is_argument:
                continue
            # Quoted words are arguments, whatever they contain.
            row = re.sub(r"'[^']*'|\"[^\"]*\"", "quoted", row)
            row = re.sub(r"(^|\s)#.*", "", row.strip()).removeprefix("$ ")
            for command in re.split(r"\|\||&&|[|;&]", row):
                words = [word for word in command.split() if not re.match(r"\w+=", word)]
                if words:
                    commands.append((first + offset, words[0]))
    return commands


def make_program(snippet, headers):
    """The C program for a snippet. `headers` are the names of all public headers."""
    if re.search(r"\bint\s+main\s*\(", snippet.code):
        return f'#line {snippet.line} "{snippet.path}"\n{snippet.code}'
    outside, inside = _split(snippet)
    includes = [f"#include <{name}>" for name in STANDARD_HEADERS]
    includes += [f'#include "weir/{name}"' for name in headers]
    call = "weir_run(NULL, example, NULL)" if snippet.coroutine else "example(NULL)"
    return "\n".join(includes + outside + [
        "static int example(void *argument) {",
        *inside,
        "return 0;",
        "}",
        f"int main(void) {{ return {call} == 0 ? 0 : 1; }}",
        "",
    ])


def _split(snippet):
    """The lines that belong outside a function and those that belong inside, each numbered."""
    outside, inside = [], []
    rows = snippet.code.split("\n")
    index = 0
    while index < len(rows):
        end = index + 1
        target = inside
        if rows[index].startswith("#include"):
            target = outside
        elif TYPE.match(rows[index]) or FUNCTION.match(" ".join(rows[index:index + 4])):
            target = outside
            # Our formatting puts the closing brace of what is at the left margin there too.
            while end < len(rows) and not _closes(rows, index, end - 1):
                end += 1
        target.append(f'#line {snippet.line + index} "{snippet.path}"')
        target += rows[index:end]
        index = end
    return outside, inside


def _closes(rows, start, index):
    """Whether the definition that starts in one row ends in another."""
    if rows[index].startswith("}"):
        return True
    so_far = " ".join(rows[start:index + 1])
    balanced = so_far.count("{") == so_far.count("}")
    return balanced and so_far.rstrip().endswith(("}", ";"))
