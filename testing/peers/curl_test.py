# SPDX-License-Identifier: Apache-2.0
"""curl asks Weir for pages: the terminator with a plain web server behind it, and a server that
asks who it is."""

import http.server
import threading
import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import VERSIONS, certificates

CURL = weir.find_program("curl")
PAGE = b"hello " * 100_000


class Pages(http.server.BaseHTTPRequestHandler):
    """A plain web server's: the page, or what was sent to it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(PAGE)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def ask(port, *words, text=""):
    """Runs curl, and returns what it has got and said."""
    return programs.run(
        CURL, "--disable", "--silent", "--show-error", "--verbose", "--noproxy", "*", "--cacert",
        certificates.root, *words, f"https://localhost:{port}/", text=text)


@unittest.skipIf(CURL is None, "no curl")
class Terminator(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=self.server.serve_forever).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.terminator = programs.Program(
            weir.TERMINATOR, "--alpn", "http/1.1", *certificates.pair("server"), "127.0.0.1", "0",
            "127.0.0.1", str(self.server.server_port))
        self.addCleanup(self.terminator.__exit__)
        self.port = self.terminator.find(r"^Started at 127\.0\.0\.1:(\d+),")[1]

    def test_a_page(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                result = ask(self.port, f"--tlsv{version}", "--tls-max", version)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(result.stdout, PAGE.decode())
                self.assertIn(f"SSL connection using TLSv{version}", result.stderr)
                self.assertIn("server accepted http/1.1", result.stderr)
                self.assertIn("SSL certificate verify ok", result.stderr)

    def test_what_is_sent(self):
        result = ask(self.port, "--data-binary", "@-", text=PAGE.decode())
        self.assertEqual((result.returncode, result.stdout), (0, PAGE.decode()))

    def test_who_trusts_somebody_else(self):
        result = ask(self.port, "--cacert", certificates.path("stranger.pem"), "--tls-max", "1.2")
        self.assertEqual(result.returncode, 60)
        self.terminator.find("no handshake: .*alert received: unknown CA")


@unittest.skipIf(CURL is None, "no curl")
class Endings(unittest.TestCase):
    def test_a_page_that_ends_with_the_stream(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", protocol=None, ends=True) as server:
                result = ask(server.line(), "--tls-max", version)
                self.assertEqual((result.returncode, result.stdout), (0, "hello"), result.stderr)
                self.assertEqual(server.rest()[-1], "done")

    def test_no_protocol_in_common(self):
        for version in VERSIONS:
            with self.subTest(version=version), weir.start_peer_server("page") as server:
                result = ask(server.line(), "--tls-max", version)
                self.assertEqual(result.returncode, 35)
                self.assertIn("alert no application protocol", result.stderr)
                self.assertRegex(server.rest()[-1],
                                 "^failed: .*alert sent: no application protocol")


@unittest.skipIf(CURL is None, "no curl")
class Credentials(unittest.TestCase):
    def test_both_show_who_they_are(self):
        chain, key = certificates.pair("client")
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", protocol="http/1.1", asks=True) as server:
                result = ask(server.line(), "--tls-max", version, "--cert", chain, "--key", key)
                self.assertEqual((result.returncode, result.stdout), (0, "hello"), result.stderr)
                self.assertEqual(server.rest(), [f"version={version} protocol=http/1.1 "
                                                 "name=localhost certificates=2 resumed=0", "done"])

    def test_who_does_not_say_who_it_is(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", protocol="http/1.1", asks=True) as server:
                self.assertNotEqual(ask(server.line(), "--tls-max", version).returncode, 0)
                self.assertRegex(server.rest()[-1], "^failed: .*RETURN_A_CERTIFICATE")


if __name__ == "__main__":
    unittest.main()
