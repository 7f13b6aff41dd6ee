# SPDX-License-Identifier: Apache-2.0
"""The end of each run: the table, what it was measured on, and the same as JSON."""

import json
import os


def is_optimised(program):
    """Whether a program, found as Bazel lays it out, was built with -c opt."""
    return "-opt" in os.path.realpath(program)


def verdict(holds):
    """The cell that says whether a row holds; None: that there is nothing to say."""
    return {None: "", True: "yes", False: "**no**"}[holds]


def grid(lines):
    """Lines of cells, the headings first, as Markdown that can be read as it is."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines) + "\n"


def give(text, setup, rows, path):
    """Prints the text and the set-up; writes rows, as data, to a file if a path is given."""
    print(text)
    print(", ".join(f"{key}: {value}" for key, value in setup.items()))
    if not setup["optimised"]:
        print("Built without -c opt: these figures say nothing about speed.")
    if path:
        # Under `bazel run` the working directory is not the user's.
        path = os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), path)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"setup": setup, "rows": rows}, file, indent=2)
