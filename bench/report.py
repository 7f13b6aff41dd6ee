# SPDX-License-Identifier: Apache-2.0
"""The end of each run: the table, what it was measured on, and the same as JSON."""

import json
import os


def is_optimised(program):
    """Whether a program, found as Bazel lays it out, was built with -c opt."""
    return "-opt" in os.path.realpath(program)


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
