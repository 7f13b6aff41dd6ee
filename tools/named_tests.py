# SPDX-License-Identifier: Apache-2.0
"""The test of what documents say of tests and functions: each one that they name is there.

A test is named as `folder/file_test.cc: Suite.Name`, of a table of cases also as
`folder/file_test.cc: Suite.Name/Case`; a function as `weir_something`, with or without what follows
it. Further tests of the same file may follow behind a comma: `folder/file_test.cc: A.One, A.Two`.
"""

import os
import re
import sys

import checkout

# Documents that would say nothing without the tests that they name.
NAMING_DOCUMENTS = {"docs/ktor-parity.md": 100}

QUOTED = re.compile(r"`([^`\n]+)`")
NAMED = re.compile(r"([a-z0-9_/]+_test\.cc): (.+)")
TEST = re.compile(r"(\w+)\.(\w+)(?:/(\w+))?")
FUNCTION = re.compile(r"\bweir_[a-z0-9_]+")


def named_tests(text):
    """Yields (file, suite, name, case or None) for each test that a document names."""
    for quoted in QUOTED.findall(text):
        match = NAMED.fullmatch(quoted)
        if not match:
            continue
        for one in match.group(2).split(", "):
            test = TEST.fullmatch(one)
            yield (match.group(1), *(test.groups() if test else (one, "", None)))


def is_in(source, suite, name, case):
    """Whether the source of a test file has this test."""
    defined = rf"\bTEST(_[FP])?\({re.escape(suite)},\s*{re.escape(name)}\)"
    return bool(re.search(defined, source)) and (case is None or f'"{case}"' in source)


def named_functions(text):
    """The names of functions and types that a document quotes."""
    return sorted({name for quoted in QUOTED.findall(text) for name in FUNCTION.findall(quoted)})


def _read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def find_missing(root):
    """Returns what the documents name and the checkout does not have, and how many names it has."""
    files = checkout.list_files(root)
    headers = "".join(_read(root, path) for path in files if checkout.is_public_header(path))
    known = set(FUNCTION.findall(headers))
    missing = []
    count = 0
    for path in NAMING_DOCUMENTS:
        text = _read(root, path)
        tests = list(named_tests(text))
        count += len(tests)
        if len(tests) < NAMING_DOCUMENTS[path]:
            missing.append(f"{path}: names only {len(tests)} tests")
        for file, suite, name, case in tests:
            if file not in files or not is_in(_read(root, file), suite, name, case):
                suffix = f"/{case}" if case else ""
                missing.append(f"{path}: no test {file}: {suite}.{name}{suffix}")
        missing += [f"{path}: no {name} in any public header"
                    for name in named_functions(text) if name not in known]
    return missing, count


def main():
    missing, count = find_missing(checkout.find_root())
    for line in missing:
        print(line)
    print(f"named tests: {count} checked, {len(missing)} complaints")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
