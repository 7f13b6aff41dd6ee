# SPDX-License-Identifier: Apache-2.0
"""The echo server with TLS, and the client, as their users meet them."""

import os
import re
import socket
import ssl
import threading
import unittest

from testing import programs

SERVER = os.path.abspath("examples/tls_echo_server")
CLIENT = os.path.abspath("examples/tls_client")

certificates = programs.Certificates()


def context_for(certificate="root.pem"):
    return ssl.create_default_context(cafile=certificates.path(certificate))


class EchoServer(programs.Program):
    """One that runs at a port of 127.0.0.1."""

    def __init__(self, certificate="server"):
        super().__init__(SERVER, *certificates.pair(certificate), "127.0.0.1", "0")
        self.port = int(self.find(r"^Started echo server with TLS at 127\.0\.0\.1:(\d+)$")[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), programs.PATIENCE)

    def connect_securely(self, context=None):
        return (context or context_for()).wrap_socket(self.connect(), server_hostname="localhost")


class Messages(unittest.TestCase):
    def expect(self, words, status, message):
        result = programs.run(*words)
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("", message, status))

    def test_help(self):
        for program in (SERVER, CLIENT):
            for word in ("--help", "-h"):
                result = programs.run(program, word)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertTrue(result.stdout.startswith(f"usage: {program} "))

    def test_wrong_words(self):
        for program, *words in ((SERVER,), (SERVER, "a"), (SERVER, "a", "b", "c"),
                                (SERVER, "a", "b", "c", "d", "e"), (SERVER, "--what"),
                                (CLIENT,), (CLIENT, "a", "b", "c", "d"), (CLIENT, "--what")):
            result = programs.run(program, *words)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"usage: {program} ", result.stderr)

    def expect_refused_files(self, chain, key, why):
        self.expect([SERVER, chain, key], 1, f"cannot use {chain} with {key}: {why}\n")

    def test_files_that_a_server_cannot_use(self):
        chain, key = certificates.pair("server")
        missing = certificates.path("missing")
        junk = certificates.write("junk", "-----BEGIN CERTIFICATE-----\njunk")
        no_file = f"cannot read {missing}: {os.strerror(2)}"
        self.expect_refused_files(missing, key, no_file)
        self.expect_refused_files(chain, missing, no_file)
        self.expect_refused_files(chain, certificates.path("client.key"),
                                  "the private key does not belong to the first certificate")
        self.expect_refused_files(key, chain, "there is no certificate in the chain")
        self.expect_refused_files(junk, key, "line 2 of the PEM text: the text ends within a block")

    def test_no_address_to_serve_on(self):
        for host, port in (("127.0.0.1", "99x"), ("weir.invalid", "2324")):
            self.expect([SERVER, *certificates.pair("server"), host, port], 1,
                        f"cannot serve on {host} port {port}: not an IP address and a port\n")
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            self.expect([SERVER, *certificates.pair("server"), "127.0.0.1", port], 1,
                        f"cannot serve on 127.0.0.1 port {port}: {os.strerror(98)}\n")

    def test_nobody_to_talk_to(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            port = str(other.getsockname()[1])
            for host, text, why in (("127.0.0.1", port, os.strerror(111)),
                                    ("weir.invalid", port, "host name not found"),
                                    ("localhost", "99x", "not a host and a port")):
                self.expect([CLIENT, host, text], 1,
                            f"cannot talk to {host} port {text}: {why}\n")

    def test_files_that_a_client_cannot_use(self):
        missing, key = certificates.path("missing"), certificates.path("server.key")
        self.expect([CLIENT, "localhost", "1", missing], 1,
                    f"cannot use {missing}: cannot read {missing}: {os.strerror(2)}\n")
        self.expect([CLIENT, "localhost", "1", key], 1,
                    f"cannot use {key}: block 1 of the roots, in line 1, is \"PRIVATE KEY\" and "
                    "not \"CERTIFICATE\"\n")


class Server(unittest.TestCase):
    def test_lines_come_back(self):
        with EchoServer() as server:
            with server.connect_securely() as client, client.makefile("rw", newline="") as file:
                name = "{}:{}".format(*client.getsockname())
                self.assertEqual(server.line(), f"Socket accepted: {name}")
                for text in ("hello", "Grüße", ""):
                    file.write(text + "\r\n")
                    file.flush()
                    self.assertEqual(file.readline(), text + "\r\n")
                    self.assertEqual(server.line(), f"{name}: {text}")
                client.unwrap()
            self.assertEqual(server.interrupt(), 0)
            self.assertEqual(server.rest(), [])

    def test_several_at_once_and_an_rsa_key(self):
        with EchoServer("rsa") as server:
            clients = [server.connect_securely() for _ in range(20)]
            for i, client in enumerate(clients):
                client.sendall(b"%d\n" % i)
            for i, client in reversed(list(enumerate(clients))):
                self.assertEqual(client.recv(10), b"%d\r\n" % i)
                client.close()
            self.assertEqual(server.interrupt(), 0)

    def test_what_is_no_handshake_is_told(self):
        with EchoServer() as server:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                name = "{}:{}".format(*client.getsockname())
                self.assertEqual(server.line(), f"{name}: peer broke the TLS protocol: "
                                 "the peer speaks plain text; HTTP_REQUEST")
            with server.connect() as client:
                client.shutdown(socket.SHUT_WR)
                while client.recv(1000):
                    pass
                self.assertIn("ended", server.line())
            stranger = context_for("stranger.pem")
            # In TLS 1.3 OpenSSL sends this alert in the clear, so nobody can tell who sent it.
            stranger.maximum_version = ssl.TLSVersion.TLSv1_2
            with self.assertRaisesRegex(ssl.SSLError, "unable to get local issuer"):
                server.connect_securely(stranger)
            self.assertIn("alert received: unknown CA", server.line())
            # The others go on.
            with server.connect_securely() as client:
                client.sendall(b"still there?\n")
                self.assertEqual(client.recv(100), b"still there?\r\n")
            self.assertEqual(server.interrupt(), 0)

    def test_a_stream_that_is_cut_off_is_told(self):
        with EchoServer() as server:
            with server.connect_securely() as client:
                client.sendall(b"hello\n")
                self.assertEqual(client.recv(100), b"hello\r\n")
                server.find(": hello$")
                socket.socket.shutdown(client, socket.SHUT_WR)
                self.assertRegex(server.line(), "cut off|truncated|close_notify")
            self.assertEqual(server.interrupt(), 0)

    def test_an_interrupt_ends_the_clients_in_peace(self):
        with EchoServer() as server:
            with server.connect_securely() as client, server.connect() as silent:
                client.sendall(b"hello\n")
                self.assertEqual(client.recv(100), b"hello\r\n")
                server.process.send_signal(2)
                # Without the server's close_notify this would be an SSLEOFError.
                client.suppress_ragged_eofs = False
                self.assertEqual(client.recv(100), b"")
                self.assertEqual(silent.recv(100), b"")
            self.assertEqual(server.wait(), 0)


class WebServer(threading.Thread):
    """Answers one client over TLS."""

    def __init__(self, answer, certificate="server", secure=True):
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer, self._context = answer, None
        if secure:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificates.pair(certificate))
        self.port = str(self._listener.getsockname()[1])
        self.request = b""
        self.start()

    def run(self):
        with self._listener, self._listener.accept()[0] as client:
            client.settimeout(programs.PATIENCE)
            try:
                if self._context is not None:
                    client = self._context.wrap_socket(client, server_side=True)
                while (more := client.recv(1000)):
                    self.request += more
                    if self._context is None or b"\r\n\r\n" in self.request:
                        break
                client.sendall(self._answer)
                if self._context is not None:
                    client.unwrap()
            except (ssl.SSLError, ConnectionError):
                pass
            finally:
                client.close()


class Client(unittest.TestCase):
    def ask(self, answer=b"", roots="root.pem", host="localhost", **how):
        """What the client makes of an answer."""
        server = WebServer(answer, **how)
        result = programs.run(CLIENT, host, server.port, certificates.path(roots))
        server.join()
        self.request = server.request
        self.port = server.port
        return result

    def expect_failure(self, result, why, host="localhost"):
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, f"^cannot talk to {host} port {self.port}: {why}\n$")

    def test_prints_the_status_line(self):
        result = self.ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        self.assertEqual((result.stdout, result.stderr, result.returncode),
                         ("HTTP/1.1 200 OK\n", "", 0))
        self.assertEqual(self.request, (f"GET / HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
                                        "Connection: close\r\n\r\n").encode())

    def test_an_address_is_checked_too(self):
        result = self.ask(b"HTTP/1.1 204 No Content\r\n\r\n", host="127.0.0.1")
        self.assertEqual((result.stdout, result.stderr), ("HTTP/1.1 204 No Content\n", ""))

    def test_a_server_that_nobody_vouches_for(self):
        result = self.ask(certificate="stranger")
        self.expect_failure(result, ".*(issuer|root|vouch).*")
        self.assertEqual(self.request, b"")

    def test_plain_text(self):
        self.expect_failure(self.ask(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50, secure=False),
                            ".*plain text.*")

    def test_no_answer(self):
        self.expect_failure(self.ask(b""), "end of stream")


class Together(unittest.TestCase):
    def test_the_client_asks_the_echo_server(self):
        with EchoServer() as server:
            result = programs.run(CLIENT, "localhost", str(server.port), certificates.root)
            self.assertEqual((result.stdout, result.stderr, result.returncode),
                             ("GET / HTTP/1.1\n", "", 0))
            self.assertEqual(server.interrupt(), 0)

    def test_the_systems_roots_vouch_for_no_test(self):
        with EchoServer() as server:
            result = programs.run(CLIENT, "localhost", str(server.port))
            self.assertEqual((result.stdout, result.returncode), ("", 1))
            self.assertTrue(re.match("cannot talk to localhost port ", result.stderr))
            self.assertEqual(server.interrupt(), 0)


if __name__ == "__main__":
    unittest.main()
