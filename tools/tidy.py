# SPDX-License-Identifier: Apache-2.0
"""The tidy test: checks of our rules for sources that a machine can check.

Prints one line per finding, `path:line: message`, and fails if there is any that is not a warning.
The self-test shows each check at work.
"""

import os
import sys

import checkout
import tidy_code
import tidy_compile
import tidy_text


def main():
    root = checkout.find_root()
    paths = checkout.list_files(root)
    findings = []
    for path in paths:
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue  # not a text: a fuzzer's input, for one
        findings += tidy_text.check(path, text) + tidy_code.check(path, text)
    findings += tidy_compile.check_format(root, paths)
    findings += tidy_compile.check_headers(root, paths)

    errors = [finding for finding in findings if not finding.is_warning]
    for finding in sorted(findings, key=str):
        print(finding)
    print(f"tidy: {len(paths)} files, {len(errors)} errors, {len(findings) - len(errors)} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
