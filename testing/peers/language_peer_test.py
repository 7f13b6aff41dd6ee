# SPDX-License-Identifier: Apache-2.0
"""Weir talks TLS with Go, Java, Node and Python, each as client and as server.

A peer is a program with the folder of certificates as its argument. Each line of its input is a
conversation, in TLS of one version and with the application protocol "weir":

    listen TALK VERSION asks|trusts         a server: the port comes first in its output
    connect TALK VERSION shows|hides PORT   a client

TALK is what weir_peer.c calls so. "asks" requires a certificate of the client, "shows" has one. The
answer is a line of what was agreed on, unless the handshake fails, and then "done" or "failed: "
and why.
"""

import os
import shutil
import tempfile
import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import VERSIONS, certificates

HERE = os.path.abspath("testing/peers")
# What fits what.
OTHER_TALK = {"lines": "lines", "first": "last", "last": "first"}


class Conversations:
    """The tests of one peer; who inherits this knows how to start it."""

    # The versions in which the peer goes on in one direction when the other has ended. RFC 5246
    # (7.2.1) wants that it does not.
    half_close = VERSIONS

    @classmethod
    def prepare(cls):
        """Returns the words that start the peer, without its argument; may raise SkipTest."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.peer = programs.Program(*cls.prepare(), certificates.folder)
        cls.addClassCleanup(cls.peer.__exit__)

    def talks(self, version):
        return OTHER_TALK if version in self.half_close else ["lines"]

    def ask(self, *command):
        self.peer.say(" ".join(command) + "\n")

    def start_peer_server(self, talk, version, asks):
        """Returns its port."""
        self.ask("listen", talk, version, asks)
        port = self.peer.line()
        self.assertTrue(port.isdecimal(), port)
        return port

    def expect_peer(self, version, certificate, protocol="weir"):
        """What a conversation that went well looks like from there."""
        agreed = self.peer.line()
        self.assertEqual(agreed,
                      f"version={version} protocol={protocol} certificate={certificate}")
        self.assertEqual(self.peer.line(), "done")

    def expect_weir(self, version, certificates_shown, lines):
        """And from here."""
        self.assertRegex(lines[0], f"^version={version} protocol=weir name=localhost "
                         f"certificates={certificates_shown} resumed=0$")
        self.assertEqual(lines[1:], ["done"])

    def connect_weir(self, talk, version, certificate, port):
        self.expect_weir(version, 2, weir.run_peer_client(talk, port, certificate))

    def test_weir_is_the_client(self):
        for version in VERSIONS:
            for talk in self.talks(version):
                with self.subTest(version=version, talk=talk):
                    port = self.start_peer_server(OTHER_TALK[talk], version, "trusts")
                    self.connect_weir(talk, version, None, port)
                    self.expect_peer(version, "false")

    def test_weir_is_the_client_and_shows_who_it_is(self):
        for version in VERSIONS:
            for talk in self.talks(version):
                with self.subTest(version=version, talk=talk):
                    port = self.start_peer_server(OTHER_TALK[talk], version, "asks")
                    self.connect_weir(talk, version, "client", port)
                    self.expect_peer(version, "true")

    def serve(self, talk, version, shows, **options):
        """What a weir_peer says that serves the peer once."""
        with weir.start_peer_server(talk, **options) as server:
            self.ask("connect", OTHER_TALK[talk], version, shows, server.line())
            return server.rest()

    def test_weir_is_the_server(self):
        for version in VERSIONS:
            for talk in self.talks(version):
                with self.subTest(version=version, talk=talk):
                    lines = self.serve(talk, version, "hides")
                    self.expect_weir(version, 0, lines)
                    self.expect_peer(version, "true")

    def test_weir_is_the_server_and_asks_who_it_is(self):
        for version in VERSIONS:
            for talk in self.talks(version):
                with self.subTest(version=version, talk=talk):
                    self.expect_weir(version, 2, self.serve(talk, version, "shows", asks=True))
                    self.expect_peer(version, "true")

    # The examples

    def test_the_echo_server(self):
        server, port = weir.start_echo_server()
        with server:
            for version in VERSIONS:
                self.ask("connect", "lines", version, "hides", port)
                self.expect_peer(version, "true", "")
                server.find(": level 2 level$")
            self.assertEqual(server.interrupt(), 0)
            for line in server.rest():
                # It may be interrupted before it has seen that the last one is gone.
                self.assertRegex(line, "accepted|level|cancelled")

    def test_the_client(self):
        for version in VERSIONS:
            port = self.start_peer_server("lines", version, "trusts")
            self.assertEqual(weir.run_client(port), "GET / HTTP/1.1\n")
            self.assertIn(f"version={version}", self.peer.line())
            # What the client did not stay for may be an error there.
            self.assertRegex(self.peer.line(), "^done$|^failed: ")

    # Refusals

    def expect_refusal(self, lines, reason):
        """Of a weir_peer; and the peer has noticed, before or behind the handshake."""
        self.assertRegex(lines[-1], f"^failed: .*({reason})")
        said = self.peer.line()
        if said.startswith("version="):
            said = self.peer.line()
        self.assertRegex(said, "^failed: ")

    def test_who_does_not_show_who_it_is(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.expect_refusal(self.serve("lines", version, "hides", asks=True),
                                    "DID_NOT_RETURN_A_CERTIFICATE")

    def test_weir_does_not_show_who_it_is(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                port = self.start_peer_server("lines", version, "asks")
                self.expect_refusal(weir.run_peer_client("lines", port), "alert received")

    def test_a_server_that_nobody_vouches_for(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                port = self.start_peer_server("lines", version, "trusts")
                lines = weir.run_peer_client("lines", port, roots=certificates.path("stranger.pem"))
                self.expect_refusal(lines, "alert sent: unknown CA")

    def test_no_application_protocol_in_common(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                lines = self.serve("lines", version, "hides", protocol="other")
                self.expect_refusal(lines, "alert sent: no application protocol")


class Python(Conversations, unittest.TestCase):
    @classmethod
    def prepare(cls):
        return ["python3", "-B", os.path.join(HERE, "python_peer.py")]


class Go(Conversations, unittest.TestCase):
    @classmethod
    def prepare(cls):
        go = weir.find_program("go", "/usr/local/go/bin")
        if go is None:
            raise unittest.SkipTest("no go")
        folder = tempfile.mkdtemp(dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        program = os.path.join(folder, "peer")
        settings = {"GOCACHE": os.path.join(folder, "cache"), "GOPATH": folder, "HOME": folder,
                    "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false",
                    "CGO_ENABLED": "0", "PATH": os.environ["PATH"]}
        result = programs.run(go, "build", "-o", program, os.path.join(HERE, "peer.go"),
                              env=settings, timeout=240)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return [program]


class Java(Conversations, unittest.TestCase):
    half_close = ("1.3",)

    @classmethod
    def prepare(cls):
        java = weir.find_program("java")
        if java is None or weir.find_program("javac") is None:
            raise unittest.SkipTest("no java with a compiler")
        # What it shares of its performance in /tmp is named by its process number, which in a
        # sandbox others have as well.
        return [java, "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1",
                os.path.join(HERE, "Peer.java")]


class Node(Conversations, unittest.TestCase):
    @classmethod
    def prepare(cls):
        node = weir.find_program("node")
        if node is None:
            raise unittest.SkipTest("no node")
        return [node, os.path.join(HERE, "peer.js")]


if __name__ == "__main__":
    unittest.main()
