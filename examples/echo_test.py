# SPDX-License-Identifier: Apache-2.0
"""The examples as a user meets them: short, shown by the README, and clear when they fail."""

import os
import re
import socket
import subprocess
import unittest

SERVER = "examples/echo_server"
CLIENT = "examples/echo_client"
USAGE = "usage: {} [--help] [HOST PORT]\n"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def lines_of_code(text):
    """How many lines are neither blank nor comments."""
    lines = [line.strip() for line in text.splitlines()]
    return len([line for line in lines if line and not line.startswith("//")])


def without_header(text):
    """C source behind its first comment."""
    return re.sub(r"\A(//[^\n]*\n)+\n", "", text)


def code_shown(readme):
    """The blocks of C in the section that shows the server."""
    section = re.search(r"## The whole server\n(.*?)\n## ", readme, re.DOTALL).group(1)
    return re.findall(r"```c\n(.*?)```\n", section, re.DOTALL)


class Sources(unittest.TestCase):
    def test_are_short(self):
        server = lines_of_code(read("examples/echo.c") + read("examples/echo_server.c"))
        self.assertLessEqual(server, 50)
        self.assertLessEqual(lines_of_code(read("examples/echo_client.c")), 35)

    def test_the_readme_shows_the_server(self):
        readme = read(os.path.join(os.path.dirname(os.path.realpath("WORKSPACE")), "README.md"))
        sources = ["examples/echo.c", "examples/echo_server.c"]
        self.assertEqual(code_shown(readme), [without_header(read(path)) for path in sources])


class Failures(unittest.TestCase):
    def expect(self, program, words, status, message):
        """Runs until the end, which has to be |message| and nothing else."""
        result = self.run_once(program, words)
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("", message, status))

    def expect_failure(self, program, verb, place, why):
        message = f"{program}: cannot {verb} {place[0]} port {place[1]}: {why}\n"
        self.expect(program, place, 1, message)

    def run_once(self, program, words):
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=20)

    def test_help(self):
        for program in (SERVER, CLIENT):
            result = self.run_once(program, ["--help"])
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout.startswith(USAGE.format(program)))
            self.assertLess(len(result.stdout.splitlines()), 5)

    def test_words_missing_or_too_many(self):
        for program in (SERVER, CLIENT):
            help_text = self.run_once(program, ["--help"]).stdout
            for words in (["127.0.0.1"], ["127.0.0.1", "2323", "more"], ["--what"]):
                self.expect(program, words, 2, help_text)

    def test_neither_address_nor_port(self):
        for place in (["127.0.0.1", "99x"], ["127.0.0.1", "65536"], ["127.0.0.1", ""],
                      ["127.0.0.1", "-1"], ["a b", "2323"], ["127.0.0.256", "2323"]):
            self.expect_failure(SERVER, "serve on", place, "not an IP address and a port")
            self.expect_failure(CLIENT, "talk to", place, "not a host and a port")

    def test_a_name(self):
        place = ["weir.invalid", "2323"]
        self.expect_failure(SERVER, "serve on", place, "not an IP address and a port")
        self.expect_failure(CLIENT, "talk to", place, "host name not found")

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            place = ["127.0.0.1", str(other.getsockname()[1])]
            self.expect_failure(SERVER, "serve on", place, os.strerror(98))

    def test_nobody_listens(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            place = ["127.0.0.1", str(other.getsockname()[1])]
            self.expect_failure(CLIENT, "talk to", place, os.strerror(111))


if __name__ == "__main__":
    unittest.main()
