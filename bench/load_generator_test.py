# SPDX-License-Identifier: Apache-2.0
"""The load generator measures nothing that is wrong: it ends when an echo is not one."""

import contextlib
import socket
import subprocess
import threading
import time
import unittest

GENERATOR = "bench/load_generator"
REFERENCE = "bench/echo_reference"
HOST = "127.0.0.1"


class Faulty:
    """A server that answers each piece of input with what `answer` makes of it."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(ConnectionError):
            count = 0
            while data := client.recv(65536):
                count += 1
                answer = self._answer(data, count)
                if answer is None:
                    return
                client.sendall(answer)


class FaultyDatagrams:
    """A server that answers each datagram with those that `answer` makes of it."""

    def __init__(self, answer):
        self._answer = answer
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        count = 0
        while True:
            data, peer = self._socket.recvfrom(65536)
            count += 1
            for answer in self._answer(data, count):
                self._socket.sendto(answer, peer)


def run(port, orders, *options):
    """The finished generator."""
    return subprocess.run([GENERATOR, f"--port={port}", *options], input=orders,
                          capture_output=True, text=True, timeout=50)


@contextlib.contextmanager
def reference(mode):
    """The reference server; its port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([REFERENCE, mode, HOST, str(port)])
    try:
        give_up = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((HOST, port)).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


class FaultyServers(unittest.TestCase):
    def assert_refused(self, answer, reason, *options):
        result = run(Faulty(answer).port, "rounds 3\n", *options)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn(reason, result.stderr)

    def test_a_right_one(self):
        result = run(Faulty(lambda data, _: data).port, "rounds 3\n")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_changed_byte(self):
        self.assert_refused(lambda data, _: data[:30] + b"\0" + data[31:], "not what was sent")

    def test_the_line_before_again(self):
        seen = []

        def answer(data, _):
            seen.append(data)
            return seen[max(len(seen) - 2, 0)]
        self.assert_refused(answer, "not what was sent")

    def test_lines_swapped(self):
        def answer(data, _):
            return b"".join(reversed(data.splitlines(keepends=True)))
        self.assert_refused(answer, "not what was sent", "--in-flight=2")

    def test_too_much(self):
        self.assert_refused(lambda data, _: data + b"x", "more came back")

    def test_an_early_end(self):
        self.assert_refused(lambda data, count: data if count < 3 else None, "ended a connection")

    def test_a_stream_with_a_hole(self):
        self.assert_refused(lambda data, count: data if count != 2 else data[1:],
                            "not what was sent", "--mode=stream")

    def test_a_sink_that_answers(self):
        self.assert_refused(lambda data, _: b"x", "more came back", "--mode=sink")

    def test_an_idle_connection_that_speaks(self):
        self.assert_refused(lambda data, count: data + b"x" * (count == 2), "", "--mode=idle")


class FaultyServersOfDatagrams(unittest.TestCase):
    def assert_refused(self, answer, reason, *options):
        result = run(FaultyDatagrams(answer).port, "rounds 3\n", "--mode=datagrams", *options)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn(reason, result.stderr)

    def test_a_right_one(self):
        for options in ((), ("--in-flight=32",), ("--connections=3", "--line=1400")):
            result = run(FaultyDatagrams(lambda data, _: [data]).port, "rounds 3\ngo 0.02\n",
                         "--mode=datagrams", *options)
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_changed_byte(self):
        self.assert_refused(lambda data, _: [data[:30] + b"\0" + data[31:]], "not what was sent")

    def test_one_that_is_too_long_or_too_short(self):
        self.assert_refused(lambda data, _: [data + b"x"], "not what was sent")
        self.assert_refused(lambda data, _: [data[:-1]], "not what was sent")

    def test_the_datagram_before_again(self):
        seen = []

        def answer(data, _):
            seen.append(data)
            return [seen[max(len(seen) - 2, 0)]]
        self.assert_refused(answer, "not what was sent")

    def test_one_twice(self):
        self.assert_refused(lambda data, count: [data] * (1 + (count == 2)), "", "--in-flight=2")

    def test_datagrams_swapped(self):
        kept = []

        def answer(data, count):
            kept.append(data)
            return [] if count % 2 else [kept.pop(), kept.pop()]
        self.assert_refused(answer, "not what was sent", "--in-flight=2")

    def test_nobody(self):
        with socket.socket(type=socket.SOCK_DGRAM) as bound:
            bound.bind((HOST, 0))
            port = bound.getsockname()[1]
        result = run(port, "", "--mode=datagrams")
        self.assertEqual(result.returncode, 1)
        self.assertIn("refused", result.stderr)


class Reference(unittest.TestCase):
    def assert_done(self, mode, units, *options):
        with reference(mode) as port:
            result = run(port, "rounds 5\nrounds 1\ngo 0.02\n", f"--port={port}", *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = [line.split()[:2] for line in result.stdout.splitlines()]
        self.assertEqual(lines[:3], [["ready"], ["done", str(5 * units)], ["done", str(units)]])
        self.assertEqual(lines[3][0], "done")
        return int(lines[3][1])

    def test_lines(self):
        self.assert_done("lines", 6, "--connections=3", "--in-flight=2")

    def test_lines_larger_than_any_socket_buffer(self):
        self.assert_done("lines", 2 * 200, "--connections=2", "--line=60000", "--in-flight=200")

    def test_connections(self):
        self.assert_done("lines", 7, "--mode=connect", "--connections=7")

    def test_idle(self):
        with reference("lines") as port:
            result = run(port, "go 0.02\n", "--mode=idle", "--connections=5")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_sink(self):
        self.assert_done("sink", 2 * 65536, "--mode=sink", "--connections=2")

    def test_stream(self):
        self.assert_done("stream", 2 * 65536, "--mode=stream", "--connections=2", "--in-flight=3")


if __name__ == "__main__":
    unittest.main()
