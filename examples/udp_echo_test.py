# SPDX-License-Identifier: Apache-2.0
"""The UDP echo server as a user meets it: with nc and socat, in bursts, and when it fails."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

SERVER = os.path.abspath("examples/udp_echo")
PATIENCE = 30  # seconds


def kernel_drops(port):
    """How many datagrams the kernel has dropped in front of the sockets on a port."""
    with open("/proc/net/udp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


class Server:
    """A running server, and its address as it tells it."""

    def __init__(self, *words):
        self.process = subprocess.Popen([SERVER, *words], stdout=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline().strip()
        self.address = self.line.rpartition(" at ")[2]
        self.port = int(self.address.rpartition(":")[2]) if ":@" not in self.address \
            and not self.address.startswith("unix:") else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.status = self.process.wait(PATIENCE)
        self.process.stdout.close()


class Echo(unittest.TestCase):
    def expect_all_back(self, total, burst):
        """Sends so many; what does not come back is what the kernel says it has dropped."""
        with Server("127.0.0.1", "0") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.port))
            client.settimeout(0.1)
            ports = (server.port, client.getsockname()[1])
            back, drops = set(), 0
            for sent in range(burst, total + 1, burst):
                for number in range(sent - burst, sent):
                    client.send(number.to_bytes(4, "big") * 16)
                give_up = time.monotonic() + PATIENCE
                while len(back) < sent - drops:
                    try:
                        data = client.recv(100)
                    except TimeoutError:
                        self.assertLess(time.monotonic(), give_up, "some were lost")
                        drops = sum(map(kernel_drops, ports))
                        continue
                    number = int.from_bytes(data[:4], "big")
                    self.assertEqual(data, number.to_bytes(4, "big") * 16)
                    self.assertNotIn(number, back)
                    back.add(number)
            drops = sum(map(kernel_drops, ports))
            self.assertEqual(len(back) + drops, total)
            print(f"{total} datagrams sent, {len(back)} back, {drops} dropped by the kernel")

    def test_bursts_lose_nothing_but_what_the_kernel_drops(self):
        self.expect_all_back(100_000, 32)

    def test_bursts_that_no_queue_holds(self):
        self.expect_all_back(20_000, 1_000)

    def test_empty_and_large_ones(self):
        with Server("127.0.0.1", "0") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.port))
            client.settimeout(PATIENCE)
            for data in (b"", b"x", bytes(65507), b""):
                client.send(data)
                self.assertEqual(client.recv(65536), data)

    def test_a_client_that_is_gone_does_not_deafen_it(self):
        with Server("127.0.0.1", "0") as server:
            for _ in range(3):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
                    gone.sendto(b"bye", ("127.0.0.1", server.port))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(PATIENCE)
                client.sendto(b"still there?", ("127.0.0.1", server.port))
                self.assertEqual(client.recv(100), b"still there?")
        self.assertEqual(server.status, 0)

    def test_netcat(self):
        if shutil.which("nc") is None:
            self.skipTest("no nc")
        with Server("127.0.0.1", "0") as server:
            with subprocess.Popen(["nc", "-u", "-w", "5", "127.0.0.1", str(server.port)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                for text in (b"Hello\n", "Grüße\n".encode()):
                    client.stdin.write(text)
                    client.stdin.flush()
                    self.assertEqual(client.stdout.readline(), text)
                client.kill()

    def test_socat(self):
        if shutil.which("socat") is None:
            self.skipTest("no socat")
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            path = os.path.join(folder, "echo")
            for words, place in ((("::1", "0"), None), ((f"unix:{path}",), path)):
                with Server(*words) as server:
                    there = f"UDP6:[::1]:{server.port}" if place is None else \
                        f"UNIX-SENDTO:{path},bind={path}-client"
                    with subprocess.Popen(["socat", "-", there], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE) as client:
                        client.stdin.write(b"hello\n")
                        client.stdin.flush()
                        self.assertEqual(client.stdout.readline(), b"hello\n")
                        client.kill()
                self.assertEqual(server.status, 0)
            self.assertFalse(os.path.exists(path))


class Silence(unittest.TestCase):
    def test_a_client_that_does_not_read_stops_nobody_else(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            place = os.path.join(folder, "echo")
            with Server(f"unix:{place}") as server, \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as silent, \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                silent.bind(os.path.join(folder, "silent"))
                client.bind(os.path.join(folder, "client"))
                for end in (silent, client):
                    end.settimeout(PATIENCE)
                for _ in range(200):
                    silent.sendto(b"anybody?", place)
                client.sendto(b"hello", place)
                self.assertEqual(client.recv(10), b"hello")
            self.assertEqual(server.status, 0)


class Messages(unittest.TestCase):
    def run_server(self, *words):
        return subprocess.run([SERVER, *words], capture_output=True, text=True, timeout=PATIENCE)

    def test_help(self):
        for word in ("--help", "-h"):
            result = self.run_server(word)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout.startswith(f"usage: {SERVER} "))

    def test_wrong_words(self):
        for words in (("--what",), ("127.0.0.1", "1", "2")):
            result = self.run_server(*words)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"usage: {SERVER} ", result.stderr)

    def expect(self, words, place, why):
        result = self.run_server(*words)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", f"{SERVER}: cannot serve on {place}: {why}\n"))

    def test_no_address(self):
        for words in (("127.0.0.1", "99x"), ("127.0.0.256", "2323"), ("127.0.0.1", "65536"),
                      ("127.0.0.1", "-1")):
            self.expect(words, f"{words[0]} port {words[1]}", "not an address")
        self.expect(("here",), "here", "not an address")
        long_path = "unix:/" + "x" * 200
        self.expect((long_path,), long_path, os.strerror(36))

    def test_in_use(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = str(other.getsockname()[1])
            self.expect(("127.0.0.1", port), f"127.0.0.1 port {port}", os.strerror(98))


if __name__ == "__main__":
    unittest.main()
