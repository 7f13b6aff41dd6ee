# SPDX-License-Identifier: Apache-2.0
"""Counts test cases for .ci/run.

    count_tests.py STEP --events FILE    the tests of a `bazel test`, by its build events
    count_tests.py STEP --xml FILE       the tests in one test.xml
    count_tests.py summary --tally FILE --allowed FILE

The first two print a line for each case: PASSED, FAILED or SKIPPED, and its name, which begins with
the step. A disabled case counts as skipped. The last prints the totals and fails if a case failed
or was skipped without permission.
"""

import argparse
import collections
import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree


def cases_in_xml(path):
    """The cases of a test.xml: pairs of outcome and name."""
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            yield "FAILED", name
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            yield "SKIPPED", name
        elif case.get("status", "run") != "run":
            yield "SKIPPED", name  # googletest lists a case that is DISABLED_ as not run
        else:
            yield "PASSED", name


def cases_in_events(path):
    """The cases of every test target that Bazel reports, in all their shards and runs.

    A target whose test.xml tells less than its result does (no case in it, or a crash after the
    last one) counts as one case by itself.
    """
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    for event in events:
        if "testSummary" in event.get("id", {}) and "testSummary" not in event:
            yield "FAILED", event["id"]["testSummary"]["label"]
        if "testResult" not in event:
            continue
        label = event["id"]["testResult"]["label"]
        passed = event["testResult"].get("status") in ("PASSED", "FLAKY")
        cases = []
        for output in event["testResult"].get("testActionOutput", []):
            if output["name"] == "test.xml":
                file = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
                if os.path.exists(file):
                    cases = list(cases_in_xml(file))
        # Bazel makes a test.xml itself for tests that write none; it has the target as a case.
        told = any(outcome == "FAILED" for outcome, _ in cases)
        for outcome, name in cases:
            yield outcome, f"{label} {name}"
        if not cases or (not passed and not told):
            yield "PASSED" if passed else "FAILED", label


def read_allowed(path):
    """The names of the tests that may be skipped; each must have a reason."""
    allowed = set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, reason = line.strip().partition(": ")
            if reason and not line.startswith("#"):
                allowed.add(name)
    return allowed


def summarize(tally, allowed_path):
    """Prints the totals; returns the exit status."""
    allowed = read_allowed(allowed_path)
    counts = collections.Counter()
    with open(tally, encoding="utf-8") as file:
        for line in file:
            outcome, name = line.rstrip("\n").split(" ", 1)
            counts[outcome] += 1
            if outcome == "SKIPPED" and not allowed & {name, name.split(" ", 1)[1]}:
                print(f"skipped without a reason in {allowed_path}: {name}")
                counts["forbidden"] += 1
    print(f"{counts['PASSED']} passed, {counts['FAILED']} failed, {counts['SKIPPED']} skipped")
    return 1 if counts["FAILED"] or counts["forbidden"] or not counts["PASSED"] else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("step")
    for option in ("--events", "--xml", "--tally", "--allowed"):
        parser.add_argument(option)
    arguments = parser.parse_args()
    if arguments.tally:
        return summarize(arguments.tally, arguments.allowed)
    try:
        cases = (list(cases_in_events(arguments.events)) if arguments.events
                 else list(cases_in_xml(arguments.xml)))
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as error:
        print(f"FAILED {arguments.step} no results: {error}")
        return 1
    for outcome, name in cases:
        print(f"{outcome} {arguments.step} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
