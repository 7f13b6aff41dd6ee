# SPDX-License-Identifier: Apache-2.0
"""Programs that a test starts, talks to and ends, and certificates for them."""

import atexit
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

PATIENCE = 60  # seconds
WRITE_CERTIFICATES = os.path.abspath("testing/write_certificates")


class Certificates:
    """A folder with what write_certificates.cc makes, gone when the test ends."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(dir="/tmp")
        atexit.register(shutil.rmtree, self.folder)
        subprocess.run([WRITE_CERTIFICATES, self.folder], check=True, timeout=PATIENCE)
        self.root = self.path("root.pem")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """Writes a file and returns its path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def pair(self, name):
        """The paths of a chain and its key."""
        return [self.path(name + ".pem"), self.path(name + ".key")]


class Program:
    """A running program. Its standard output, and errors if they are wanted there, come by lines;
    what nobody has asked for is kept. It is killed at the end of the `with` if it still runs."""

    def __init__(self, *words, with_errors=False, **options):
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if with_errors else None, **options)
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode(errors="replace").rstrip("\r\n"))
        self._lines.put(None)

    def line(self):
        """The next line without its end; None behind the last."""
        try:
            return self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.process.args[0]} says nothing") from None

    def find(self, pattern):
        """Reads up to a line in which the pattern is, and returns the match."""
        passed = []
        while (line := self.line()) is not None:
            match = re.search(pattern, line)
            if match:
                return match
            passed.append(line)
        raise AssertionError(f"{self.process.args[0]} said nothing like {pattern}, but {passed}")

    def rest(self):
        """All lines up to the end."""
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
        return lines

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end_input(self):
        self.process.stdin.close()

    def wait(self):
        """The status with which it ended by itself."""
        return self.process.wait(PATIENCE)

    def interrupt(self):
        """Ends it as Ctrl-C does, and returns its status."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for file in (self.process.stdin, self.process.stdout):
            try:
                file.close()
            except BrokenPipeError:
                pass  # it had not read all it was told


def run(*words, text=""):
    """Runs a program to its end."""
    return subprocess.run(words, input=text, capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def free_port():
    """A port of 127.0.0.1 that is free now, for programs that take no open socket and no port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
