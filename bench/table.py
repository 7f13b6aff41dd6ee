# SPDX-License-Identifier: Apache-2.0
"""The table of a runner that measures servers, as Markdown and as JSON."""

import measurements
import report
import workloads

HEADINGS = ["", "measured", "95 % interval", "reference", "must be", "holds", ""]


def _value(row, number):
    if number is None:
        return "–"
    if row.kind in (workloads.MEMORY, workloads.PRINTED_MEMORY):
        return f"{number:,.0f} B"
    if row.kind == workloads.INSTRUCTIONS:
        return f"{number:,.0f}"
    if row.kind in (workloads.CALLS, workloads.ALL_CALLS):
        return f"{number:.4f}".rstrip("0").ljust(len("0.00"), "0")  # one call too many is seen
    return f"{number:.2f}"


def _gate(row):
    if row.kind == workloads.CHECK:
        return "{:.2f} to {:.2f}".format(*measurements.CHECK_RANGE)
    return "" if row.gate is None else "≤ " + _value(row, row.gate)


def _cells(result):
    row = result.row
    interval = "" if result.low is None else " to ".join(
        _value(row, end) for end in (result.low, result.high))
    reference = _value(row, result.reference)
    is_time = row.kind in (workloads.RATIO, workloads.CHECK, workloads.LOOPS)
    if is_time and result.reference is not None:
        reference = f"{result.reference:.2f} µs a {row.workload.unit}"
    if row.kind == workloads.WAITS and result.reference is not None:
        reference = f"{result.reference:.4f} a {row.workload.unit}"
    return [row.text, _value(row, result.value), interval, reference, _gate(row),
            report.verdict(result.holds()), result.note]


def markdown(results):
    """The table."""
    return report.grid([HEADINGS] + [_cells(result) for result in results])


def profile_markdown(result, count):
    """The most expensive functions of a row of instructions."""
    lines = [f"{result.row.text}, by function:", ""]
    lines += [f"{cost:8.1f}  {function} ({place})" for cost, function, place
              in result.profile[:count]]
    return "\n".join(lines) + "\n"


def as_data(result):
    """For JSON."""
    return {
        "row": result.row.name,
        "what": result.row.text,
        "kind": result.row.kind,
        "connections": result.row.workload.connections,
        "line size": result.row.workload.line_size,
        "in flight": result.row.workload.in_flight,
        "unit": result.row.workload.unit,
        "value": result.value,
        "low": result.low,
        "high": result.high,
        "reference": result.reference,
        "gate": result.row.gate,
        "gated": result.is_gated(),
        "holds": result.holds(),
        "note": result.note,
        "profile": [list(entry) for entry in result.profile],
    }
