# SPDX-License-Identifier: Apache-2.0
"""Weir talks TLS with openssl s_client and openssl s_server."""

import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import VERSIONS, certificates

OPENSSL = weir.find_program("openssl")
VERSION_WORDS = {"1.2": "-tls1_2", "1.3": "-tls1_3"}


def pair_words(name):
    chain, key = certificates.pair(name)
    return ["-cert", chain, "-cert_chain", chain, "-key", key]


def start_client(port, version, *words):
    """It sends its input, of which the lines K and k are commands, and prints what comes."""
    return programs.Program(
        OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", certificates.root,
        "-servername", "localhost", "-verify_hostname", "localhost", "-verify_return_error",
        VERSION_WORDS[version], *words, with_errors=True)


def start_server(version, *words):
    """Returns it and its port. It serves one client."""
    server = programs.Program(
        OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-CAfile", certificates.root, "-naccept",
        "1", *pair_words("server"), *VERSION_WORDS[version].split(), *words, with_errors=True)
    return server, server.find(r"^ACCEPT 127\.0\.0\.1:(\d+)$")[1]


@unittest.skipIf(OPENSSL is None, "no openssl")
class Client(unittest.TestCase):
    """s_client, and Weir's server."""

    def exchange(self, client, *lines):
        for line in lines:
            client.say(line + "\n")
            client.find(f"{line}$")  # it may stand behind something that comes from a buffer

    def test_the_echo_server(self):
        for certificate in ("server", "rsa"):
            for version in VERSIONS:
                with self.subTest(version=version, certificate=certificate):
                    server, port = weir.start_echo_server(certificate)
                    with server, start_client(port, version, "-brief") as client:
                        client.find(f"^Protocol version: TLSv{version}$")
                        client.find("^Verification: OK$")
                        self.exchange(client, "hello", "Grüße")
                        client.end_input()
                        self.assertEqual(client.wait(), 0)
                        self.assertEqual(server.interrupt(), 0)
                        self.assertNotIn("close_notify", "".join(server.rest()))

    def test_both_show_who_they_are_and_agree_on_a_protocol(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("lines", asks=True) as server, \
                    start_client(server.line(), version, "-alpn", "weir",
                                 *pair_words("client")) as client:
                client.find("^ALPN protocol: weir$")
                self.exchange(client, "hello")
                client.end_input()
                self.assertEqual(client.wait(), 0)
                # s_client shows the root as well.
                self.assertEqual(server.rest(), [f"version={version} protocol=weir name=localhost "
                                                 "certificates=3 resumed=0", "done"])

    def test_weir_ends_first(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", ends=True) as server, \
                    start_client(server.line(), version, "-quiet") as client:
                client.say("GET / HTTP/1.0\n\n")
                client.find("^hello$")
                self.assertEqual(client.wait(), 0)
                self.assertEqual(server.rest()[-1], "done")

    def test_resumes_a_session(self):
        session = certificates.path("session")
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("lines", times=2) as server:
                port = server.line()
                for how, resumed in (("-sess_out", 0), ("-sess_in", 1)):
                    with start_client(port, version, how, session) as client:
                        client.find("^Reused, " if resumed else "^New, ")
                        self.exchange(client, "hello")
                        client.end_input()
                        self.assertEqual(client.wait(), 0)
                    self.assertRegex(server.line(), f"^version={version} .*resumed={resumed}$")
                    self.assertEqual(server.line(), "done")

    def test_new_keys_in_the_middle(self):
        server, port = weir.start_echo_server()
        with server, start_client(port, "1.3", "-brief") as client:
            self.exchange(client, "hello")
            for command in ("K", "k", "K"):
                client.say(command + "\n")
                client.find("KEYUPDATE")
                self.exchange(client, f"behind {command}")
            client.end_input()
            self.assertEqual(client.wait(), 0)
            self.assertEqual(server.interrupt(), 0)

    def test_small_records(self):
        server, port = weir.start_echo_server()
        line = "x" * 5000
        with server, start_client(port, "1.3", "-brief", "-max_send_frag", "512") as client:
            self.exchange(client, line, line)
            client.end_input()
            self.assertEqual(client.wait(), 0)

    def test_refusals(self):
        for version in VERSIONS:
            for what, words, options, said, here in (
                    ("no certificate", [], {"asks": True}, "alert", "RETURN_A_CERTIFICATE"),
                    ("unknown CA", pair_words("stranger"), {"asks": True}, "unknown ca",
                     "alert sent: unknown CA"),
                    ("no protocol", ["-alpn", "x"], {}, "no application protocol",
                     "alert sent: no application protocol")):
                with self.subTest(version=version, what=what), \
                        weir.start_peer_server("lines", **options) as server, \
                        start_client(server.line(), version, *words) as client:
                    client.find(said)
                    self.assertRegex(server.rest()[-1], f"^failed: .*{here}")

    def test_what_is_out_of_date(self):
        for words in (["-tls1_1"], ["-tls1"], ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
                      ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
                      ["-tls1_2", "-sigalgs", "ECDSA+SHA1"], ["-sigalgs", "ECDSA+SHA224"]):
            with self.subTest(words=words), weir.start_peer_server("lines") as server:
                result = programs.run(
                    OPENSSL, "s_client", "-connect", f"127.0.0.1:{server.line()}", "-cipher",
                    "ALL:@SECLEVEL=0", *words)
                self.assertRegex(result.stderr, "alert (protocol version|handshake failure)")
                self.assertRegex(server.rest()[-1], "^failed: ")


@unittest.skipIf(OPENSSL is None, "no openssl")
class Server(unittest.TestCase):
    """s_server, and Weir's client."""

    def test_the_client(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "-www")
                with server:
                    self.assertEqual(weir.run_client(port), "HTTP/1.0 200 ok\n")

    def test_lines(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "-rev", "-alpn", "weir")
                with server:
                    self.assertEqual(weir.run_peer_client("lines", port), [
                        f"version={version} protocol=weir name=localhost certificates=3 resumed=0",
                        "done"])
                    server.find("^CONNECTION CLOSED$")

    def test_weir_ends_first(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "-rev", "-alpn", "weir")
                with server:
                    lines = weir.run_peer_client("lines", port, ends=True)
                    self.assertEqual(lines[1:], ["done"])

    def test_both_show_who_they_are(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "-rev", "-alpn", "weir", "-Verify", "2",
                                            "-verify_return_error")
                with server:
                    lines = weir.run_peer_client("lines", port, "client")
                    self.assertEqual(lines[1:], ["done"])
                    server.find("^Peer certificate: CN = weir test client$")

    def test_resumes_a_session(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                server, port = start_server(version, "-rev", "-naccept", "2")
                with server:
                    lines = weir.run_peer_client("lines", port, protocol=None, times=2)
                    self.assertEqual([line[-len("resumed=0"):] for line in lines],
                                     ["resumed=0", "done", "resumed=1", "done"])

    def test_small_records(self):
        server, port = start_server("1.3", "-rev", "-max_send_frag", "512", "-alpn", "weir")
        with server:
            self.assertEqual(weir.run_peer_client("lines", port)[1:], ["done"])

    def test_refusals(self):
        for version in VERSIONS:
            for what, words, options, said, here in (
                    ("no certificate", ["-Verify", "2"], {}, "peer did not return a certificate",
                     "alert received"),
                    ("unknown CA", [], {"roots": certificates.path("stranger.pem")}, "unknown ca",
                     "alert sent: unknown CA"),
                    ("another name", [], {"name": "other.test"}, "alert", "alert sent"),
                    ("no protocol", ["-alpn", "x"], {}, "no application protocol",
                     "alert received: no application protocol")):
                with self.subTest(version=version, what=what):
                    server, port = start_server(version, "-rev", "-alpn", "weir", *words)
                    with server:
                        lines = weir.run_peer_client("lines", port, **options)
                        self.assertRegex(lines[-1], f"^failed: .*{here}")
                        server.find(said)


if __name__ == "__main__":
    unittest.main()
