# SPDX-License-Identifier: Apache-2.0
"""Measures Weir's echo server against a hand-written one, and prints one table.

Run it by `./bazelw run -c opt //bench:echo`. docs/performance.md says what the rows mean.
"""

import functools
import os
import resource
import sys
import tempfile

import measurements
import peers
import runner
import workloads

HERE = os.path.dirname(os.path.abspath(__file__))


def parse_arguments():
    """The command line."""
    parser = runner.parser("echo", __doc__)
    parser.add_argument("--peer", choices=peers.NAMES, action="append", default=[],
                        help="measure another library's server, too")
    return parser.parse_args()


def main():
    """Measures the rows of workloads.py, and those of the peers that were asked for."""
    arguments = parse_arguments()
    rows = [(row, None) for row in workloads.ROWS]
    for peer in arguments.peer:
        rows += [(row, peer) for row in peers.rows(peer)]
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with tempfile.TemporaryDirectory() as folder:
        @functools.lru_cache(maxsize=None)
        def server_of(peer):
            return None if peer is None else peers.compile_server(peer, HERE, folder)
        return runner.run(arguments, rows, measurements.Bench, server_of,
                          os.path.join(HERE, "echo_weir"))


if __name__ == "__main__":
    sys.exit(main())
