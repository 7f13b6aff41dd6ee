# SPDX-License-Identifier: Apache-2.0
"""The chat as its users meet it: with nc and socat, 200 clients, and one that does not read."""

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

SERVER = os.path.abspath("examples/chat")
PATIENCE = 60  # seconds
CLIENTS = 200
QUEUE = 256  # lines that a client may be behind
LINE = b"x" * 900 + b"\n"


class Server:
    """A running server, and its address as it tells it."""

    def __init__(self, *words):
        self.process = subprocess.Popen([SERVER, *words], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip().rpartition(" at ")[2]
        self.said = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout))
        self._reader.start()

    def port(self):
        return int(self.address.rpartition(":")[2])

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.status = self.process.wait(PATIENCE)
        self._reader.join()
        self.process.stdout.close()


class Client:
    """One who chats, and has come when this exists."""

    def __init__(self, server, others=(), receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", server.port()))
        self.file = self.socket.makefile("rb")
        self.name = "{}:{}".format(*self.socket.getsockname()).encode()
        for other in others:
            assert other.line() == self.name + b": has come\r\n"

    def say(self, text):
        self.socket.sendall(text)

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.socket.close()


class Chat(unittest.TestCase):
    def test_two_talk_and_quit(self):
        with Server("127.0.0.1", "0") as server:
            first = Client(server)
            second = Client(server, [first])
            second.say("Grüße\n".encode())
            self.assertEqual(first.line(), second.name + ": Grüße\r\n".encode())
            # What is no text, or too long, is passed over.
            second.say(b"\xff\n" + b"x" * 5000 + b"\nthere\r\n")
            self.assertEqual(first.line(), second.name + b": there\r\n")
            first.say(b"bye\n/quit\nunheard\n")
            self.assertEqual(second.line(), first.name + b": bye\r\n")
            self.assertEqual(second.line(), first.name + b": has left\r\n")
            self.assertEqual(first.line(), b"")
            first.close()
            second.close()
        self.assertEqual(server.status, 0)

    def test_two_hundred(self):
        with Server("127.0.0.1", "0") as server:
            clients = []
            for _ in range(CLIENTS):
                clients.append(Client(server, clients))
            for speaker in clients[:5]:
                speaker.say(b"hello all\n")
                for client in clients:
                    if client is not speaker:
                        self.assertEqual(client.line(), speaker.name + b": hello all\r\n")
            for client in clients:
                client.close()
        self.assertEqual(server.status, 0)

    def test_who_does_not_read_is_dropped(self):
        with Server("127.0.0.1", "0") as server:
            slow = Client(server, receive_buffer=4096)
            reader = Client(server, [])
            speaker = Client(server, [reader])
            dropped = slow.name + b": has left\r\n"
            line, count = LINE, 0
            while True:
                speaker.say(line)
                came = reader.line()
                if came == dropped:
                    break
                self.assertEqual(came, speaker.name + b": " + line[:-1] + b"\r\n")
                count += 1
                self.assertLess(count, 100_000)
            # The others go on.
            reader.say(b"where is everybody?\n")
            while (came := speaker.line()) == dropped:
                continue
            self.assertEqual(came, reader.name + b": where is everybody?\r\n")
            for client in (slow, reader, speaker):
                client.close()
        self.assertEqual(server.status, 0)

    def test_a_paste_drops_nobody_who_reads(self):
        with Server("127.0.0.1", "0") as server:
            reader = Client(server)
            speaker = Client(server, [reader])
            speaker.say(b"x\n" * 3000)
            for _ in range(3000):
                self.assertEqual(reader.line(), speaker.name + b": x\r\n")
            reader.close()
            speaker.close()
        self.assertEqual(server.status, 0)

    def test_many_who_leave_at_once_drop_nobody(self):
        with Server("127.0.0.1", "0") as server:
            reader = Client(server)
            others = [Client(server, [reader]) for _ in range(QUEUE + 100)]
            for other in others:
                other.close()
            names = {reader.line() for _ in others}
            self.assertEqual(names, {other.name + b": has left\r\n" for other in others})
            reader.close()
        self.assertEqual(server.status, 0)

    def test_what_would_steer_a_terminal_is_replaced(self):
        with Server("127.0.0.1", "0") as server:
            reader = Client(server)
            speaker = Client(server, [reader])
            speaker.say("a\0b\x1b[2Jc\rd\x7f\u009be\u00e9\n".encode())
            said = speaker.name + ": a?b?[2Jc?d???e\u00e9\r\n".encode()
            self.assertEqual(reader.line(), said)
            reader.close()
            speaker.close()
        self.assertEqual(server.status, 0)

    def lines_until_dropped(self, server, reader, speaker):
        """How many lines it takes until one who does not read is dropped."""
        slow = Client(server, [reader, speaker], receive_buffer=4096)
        count = 0
        while True:
            speaker.say(LINE)
            count += 1
            if reader.line() == slow.name + b": has left\r\n":
                break
        reader.line()
        while speaker.line() != slow.name + b": has left\r\n":
            continue
        slow.close()
        return count

    def test_who_quits_without_reading_is_not_waited_for_long(self):
        with Server("127.0.0.1", "0") as server:
            reader = Client(server)
            speaker = Client(server, [reader])
            count = self.lines_until_dropped(server, reader, speaker)
            silent = Client(server, [reader, speaker], receive_buffer=4096)
            open_before = server.open_files()
            for _ in range(count - QUEUE // 2):
                speaker.say(LINE)
                reader.line()
            silent.say(b"/quit\n")
            for client in (reader, speaker):
                self.assertEqual(client.line(), silent.name + b": has left\r\n")
            deadline = time.monotonic() + PATIENCE
            while server.open_files() == open_before:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            for client in (silent, reader, speaker):
                client.close()
        self.assertEqual(server.status, 0)

    def test_netcat_and_socat(self):
        if shutil.which("nc") is None or shutil.which("socat") is None:
            self.skipTest("no nc or no socat")
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            path = os.path.join(folder, "chat")
            with Server(f"unix:{path}") as server:
                with subprocess.Popen(["socat", "-", f"UNIX-CONNECT:{path}"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first, \
                        subprocess.Popen(["nc", "-U", path], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE) as second:
                    # Whoever came last has been announced to the other.
                    ready = {first.stdout: first, second.stdout: second}
                    listener = self.first_to_hear(ready)
                    speaker = second if listener is first else first
                    speaker.stdin.write(b"hello\n/quit\n")
                    speaker.stdin.flush()
                    for said in (b"hello", b"has left"):
                        line = listener.stdout.readline()
                        self.assertRegex(line, b"^guest [12]: " + said + b"\r\n$")
                    for client in (first, second):
                        client.kill()
            self.assertEqual(server.status, 0)
            self.assertFalse(os.path.exists(path))

    def first_to_hear(self, ready):
        readable, _, _ = select.select(list(ready), [], [], PATIENCE)
        self.assertEqual(readable[0].readline(), b"guest 2: has come\r\n")
        return ready[readable[0]]


class Messages(unittest.TestCase):
    def run_server(self, *words):
        return subprocess.run([SERVER, *words], capture_output=True, text=True, timeout=PATIENCE)

    def test_help(self):
        result = self.run_server("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.startswith(f"usage: {SERVER} "))

    def test_wrong_words(self):
        for words in (("--what",), ("127.0.0.1", "1", "2")):
            result = self.run_server(*words)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"usage: {SERVER} ", result.stderr)

    def test_no_address(self):
        for words, place in ((("127.0.0.1", "99x"), "127.0.0.1 port 99x"), (("here",), "here"),
                             (("127.0.0.1", "-1"), "127.0.0.1 port -1")):
            result = self.run_server(*words)
            self.assertEqual((result.returncode, result.stdout, result.stderr),
                             (1, "", f"{SERVER}: cannot serve on {place}: not an address\n"))


if __name__ == "__main__":
    unittest.main()
