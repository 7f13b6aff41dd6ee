# SPDX-License-Identifier: Apache-2.0
"""Weir talks TLS with gnutls-cli and gnutls-serv.

gnutls-serv listens at every address of the machine, so this test wants a network of its own.
"""

import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import VERSIONS, certificates

CLIENT = weir.find_program("gnutls-cli")
SERVER = weir.find_program("gnutls-serv")


def common_words(name, version):
    words = ["--x509cafile", certificates.root, "--alpn", "weir",
             "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}"]
    if name is not None:
        chain, key = certificates.pair(name)
        words += ["--x509certfile", chain, "--x509keyfile", key]
    return words


def start_client(port, version, *words, certificate=None):
    """It sends its input and prints what comes."""
    return programs.Program(
        CLIENT, "127.0.0.1", "-p", port, "--sni-hostname", "localhost", "--verify-hostname",
        "localhost", *common_words(certificate, version), *words, with_errors=True)


def start_server(version, *words):
    """Returns it and its port."""
    for _ in range(10):
        port = str(programs.free_port())
        server = programs.Program(SERVER, "-p", port, *common_words("server", version), *words,
                                  with_errors=True)
        said = server.line()
        if said is not None and "done" in said:
            return server, port
        with server:
            pass  # somebody else has got the port meanwhile
    raise AssertionError(f"gnutls-serv finds no port: {said}")


@unittest.skipIf(CLIENT is None, "no gnutls-cli")
class Client(unittest.TestCase):
    """gnutls-cli, and Weir's server."""

    def exchange(self, client, *lines):
        for line in lines:
            client.say(line + "\n")
            client.find(f"^{line}$")

    def test_the_echo_server(self):
        for certificate in ("server", "rsa"):
            for version in VERSIONS:
                with self.subTest(version=version, certificate=certificate):
                    server, port = weir.start_echo_server(certificate)
                    with server, start_client(port, version) as client:
                        client.find("^- Status: The certificate is trusted")
                        client.find(rf"^- Description: \(TLS{version}")
                        self.exchange(client, "hello", "Grüße")
                        client.end_input()
                        self.assertEqual(client.wait(), 0)
                        self.assertEqual(server.interrupt(), 0)
                        self.assertNotIn("close_notify", "".join(server.rest()))

    def test_both_show_who_they_are_and_the_client_ends_first(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("last", asks=True) as server, \
                    start_client(server.line(), version, certificate="client") as client:
                client.find("^- Application protocol: weir$")
                client.find("^- Handshake was completed$")
                client.say("one\ntwo\n")
                client.end_input()  # which sends close_notify, and then all comes back
                client.find("^one$")
                client.find("^two$")
                client.find("^- Peer has closed the GnuTLS connection$")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(server.rest(), [f"version={version} protocol=weir name=localhost "
                                                 "certificates=2 resumed=0", "done"])

    def test_resumes_a_session(self):
        for version in VERSIONS:
            wait = ["--waitresumption"] if version == "1.3" else []
            with self.subTest(version=version), \
                    weir.start_peer_server("last", times=2) as server, \
                    start_client(server.line(), version, "--resume", *wait) as client:
                client.find("This is a resumed session")
                client.say("hello\n")
                client.end_input()
                client.find("^hello$")
                lines = server.rest()
                self.assertRegex(lines[0], "resumed=0$")
                self.assertRegex(lines[2], "resumed=1$")
                self.assertEqual([lines[1], lines[3]], ["done", "done"])

    def test_new_keys_in_the_middle(self):
        server, port = weir.start_echo_server()
        with server, start_client(port, "1.3", "--inline-commands") as client:
            for text in ("one", "two"):
                self.exchange(client, text)
                client.say("^rekey^\n")
                client.find("^- Rekey was completed$")
            self.exchange(client, "three")
            client.end_input()
            self.assertEqual(client.wait(), 0)
            self.assertEqual(server.interrupt(), 0)

    def test_refusals(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("lines", asks=True) as server, \
                    start_client(server.line(), version) as client:
                client.find("[Aa]lert|fatal")
                self.assertRegex(server.rest()[-1], "^failed: .*RETURN_A_CERTIFICATE")
            with self.subTest(version=version), \
                    weir.start_peer_server("lines", protocol="other") as server, \
                    start_client(server.line(), version) as client:
                client.find("No supported application protocol")
                self.assertRegex(server.rest()[-1], "alert sent: no application protocol")


@unittest.skipIf(SERVER is None, "no gnutls-serv")
class Server(unittest.TestCase):
    """gnutls-serv, and Weir's client."""

    def test_the_client(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "--http")
                with server:
                    self.assertEqual(weir.run_client(port), "HTTP/1.0 200 OK\n")

    def test_lines(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "--echo", "--crlf", "--disable-client-cert")
                with server:
                    lines = weir.run_peer_client("lines", port, times=2)
                    for resumed in (0, 1):
                        self.assertEqual(lines[2 * resumed:2 * resumed + 2], [
                            f"version={version} protocol=weir name=localhost certificates=2 "
                            f"resumed={resumed}", "done"])

    def test_both_show_who_they_are(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "--echo", "--crlf", "--require-client-cert",
                                            "--verify-client-cert")
                with server:
                    self.assertEqual(weir.run_peer_client("lines", port, "client")[1:], ["done"])
                    server.find("Subject: CN=weir test client$")

    def test_refusals(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "--echo", "--require-client-cert",
                                            "--alpn-fatal")
                with server:
                    self.assertRegex(weir.run_peer_client("lines", port)[-1], "alert received")
                    self.assertRegex(weir.run_peer_client("lines", port, protocol="x")[-1],
                                     "alert received: no application protocol")
                    stranger = certificates.path("stranger.pem")
                    self.assertRegex(weir.run_peer_client("lines", port, roots=stranger)[-1],
                                     "alert sent: unknown CA")


if __name__ == "__main__":
    unittest.main()
