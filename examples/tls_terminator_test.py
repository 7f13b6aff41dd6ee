# SPDX-License-Identifier: Apache-2.0
"""The TLS terminator as a user meets it: in front of a server that knows nothing of TLS."""

import os
import shutil
import signal
import socket
import ssl
import struct
import unittest

from testing import programs

TERMINATOR = os.path.abspath("examples/tls_terminator")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

certificates = programs.Certificates()


def client_context(protocols=()):
    context = ssl.create_default_context(cafile=certificates.root)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def end_stream(client):
    """Sends close_notify and goes on reading, which Python's ssl has no call for."""
    client.setblocking(False)
    try:
        client.unwrap()
    except ssl.SSLWantReadError:
        pass  # it would wait for the answer
    client.settimeout(programs.PATIENCE)


def read_all(connection):
    data = b""
    try:
        while more := connection.recv(1 << 16):
            data += more
    except ssl.SSLZeroReturnError:
        pass  # the peer's close_notify behind one's own
    return data


class House:
    """A terminator, and the listener of the plain server behind it."""

    def __init__(self, *options, pair=None, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.behind = socket.create_server((host, 0), family=family)
        self.behind.settimeout(programs.PATIENCE)
        server_port = str(self.behind.getsockname()[1])
        self.program = programs.Program(
            TERMINATOR, *options, *(pair or certificates.pair("server")), host, "0", host,
            server_port)
        started = self.program.find(r"^Started at (.*):(\d+), for (.*) port (\d+)$")
        self.place = (host, int(started[2]))
        assert started[3] == host and started[4] == server_port

    def connect(self):
        return socket.create_connection(self.place, programs.PATIENCE)

    def connect_securely(self, *protocols, name="localhost"):
        client = client_context(protocols).wrap_socket(self.connect(), server_hostname=name)
        client.suppress_ragged_eofs = False
        return client

    def accept(self):
        server, _ = self.behind.accept()
        server.settimeout(programs.PATIENCE)
        return server

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.behind.close()
        with self.program:
            if kind is None:
                assert self.program.interrupt() == 0


class Messages(unittest.TestCase):
    def expect(self, words, status, message):
        result = programs.run(TERMINATOR, *words)
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("", message, status))

    def test_help(self):
        for words in (("--help",), ("-h",), ("--proxy", "--help")):
            result = programs.run(TERMINATOR, *words)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout.startswith(f"usage: {TERMINATOR} "))

    def test_wrong_words(self):
        six = ["chain", "key", "127.0.0.1", "0", "127.0.0.1", "1"]
        for words in ([], six[:5], six + ["more"], ["--what"] + six, six + ["--alpn"],
                      six[:4] + ["", "1"],
                      ["--alpn", "x"] * 17 + six):
            result = programs.run(TERMINATOR, *words)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"usage: {TERMINATOR} ", result.stderr)

    def test_files_that_cannot_be_used(self):
        chain, key = certificates.pair("server")
        other, missing = certificates.path("client.key"), certificates.path("missing")
        place = ["127.0.0.1", "0", "127.0.0.1", "1"]
        self.expect([chain, other, *place], 1, f"cannot use {chain} with {other}: the private key "
                    "does not belong to the first certificate\n")
        self.expect([missing, key, *place], 1, f"cannot use {missing} with {key}: cannot read "
                    f"{missing}: {os.strerror(2)}\n")
        self.expect(["--alpn", "", chain, key, *place], 1, f"cannot use {chain} with {key}: "
                    "application protocol 1 has 0 bytes, not 1 to 255\n")

    def test_wrong_places(self):
        pair = certificates.pair("server")
        why = "not an address and a port\n"
        self.expect([*pair, "127.0.0.1", "x", "127.0.0.1", "1"], 1,
                    f"cannot serve on 127.0.0.1 port x: {why}")
        self.expect([*pair, "weir.invalid", "0", "127.0.0.1", "1"], 1,
                    f"cannot serve on weir.invalid port 0: {why}")
        self.expect([*pair, "127.0.0.1", "0", "127.0.0.1", "x"], 1,
                    f"cannot pass on to 127.0.0.1 port x: {why}")


class PassingOn(unittest.TestCase):
    def test_both_ways_and_both_ends(self):
        much = os.urandom(1 << 20)
        with House() as house:
            with house.connect_securely() as client, house.accept() as server:
                client.sendall(b"hello")
                self.assertEqual(server.recv(100), b"hello")
                server.sendall(b"hello you")
                self.assertEqual(client.recv(100), b"hello you")
                # The client ends first, and still gets all.
                end_stream(client)
                self.assertEqual(server.recv(100), b"")
                server.sendall(much)
                server.close()
                self.assertEqual(read_all(client), much)
            with house.connect_securely() as client, house.accept() as server:
                server.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100), b"")
                client.sendall(much)
                client.unwrap()
                self.assertEqual(read_all(server), much)

    def test_a_server_that_is_not_there(self):
        with House() as house:
            place = house.behind.getsockname()
            house.behind.close()
            with self.assertRaises((ConnectionError, ssl.SSLError)):
                with house.connect_securely() as client:
                    client.recv(100)
            self.assertRegex(house.program.line(), f"cannot pass it on: {os.strerror(111)}$")
            house.behind = socket.create_server(place)
            with house.connect_securely() as client, house.accept() as server:
                client.sendall(b"hello")
                self.assertEqual(server.recv(100), b"hello")

    def test_plain_text(self):
        with House() as house:
            with house.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                self.assertRegex(house.program.line(), "no handshake: .*plain text")
                self.assertEqual(client.recv(1), b"")
            house.behind.setblocking(False)
            with self.assertRaises(BlockingIOError):
                house.accept()

    def test_what_is_cut_off_ends_for_neither_in_peace(self):
        with House() as house:
            with house.connect_securely() as client, house.accept() as server:
                client.sendall(b"half of it")
                self.assertEqual(server.recv(100), b"half of it")
                socket.socket.shutdown(client, socket.SHUT_WR)
                with self.assertRaises(ConnectionResetError):
                    server.recv(100)
                house.program.find("cannot pass it on: .*close_notify")
            with house.connect_securely() as client, house.accept() as server:
                server.sendall(b"half of it")
                self.assertEqual(client.recv(100), b"half of it")
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                server.close()
                with self.assertRaises((ConnectionResetError, ssl.SSLEOFError)):
                    client.recv(100)
                house.program.find(f"cannot pass it on: {os.strerror(104)}")

    def test_an_interrupt_ends_it_while_a_client_is_there(self):
        with House() as house:
            with house.connect_securely() as client, house.accept() as server:
                client.sendall(b"hello")
                self.assertEqual(server.recv(100), b"hello")
                self.assertEqual(house.program.interrupt(), 0)


class Protocols(unittest.TestCase):
    def test_are_agreed_on(self):
        with House("--alpn", "h2", "--alpn", "http/1.1") as house:
            for offered, chosen in ((["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"),
                                    (["x", "h2"], "h2"), ([], None)):
                with house.connect_securely(*offered) as client:
                    self.assertEqual(client.selected_alpn_protocol(), chosen)
            for client in range(4):
                house.accept().close()
            with self.assertRaisesRegex(ssl.SSLError, "no application protocol"):
                house.connect_securely("smtp")
            house.program.find("no handshake: .*no application protocol")


class ProxyHeader(unittest.TestCase):
    def header(self, client, family, fields):
        """The header of version 2 that tells of a client."""
        ends = [client.getsockname(), client.getpeername()]
        addresses = b"".join(socket.inet_pton(client.family, end[0]) for end in ends)
        addresses += b"".join(struct.pack(">H", end[1]) for end in ends)
        texts = b"".join(struct.pack(">BH", kind, len(text)) + text for kind, text in fields)
        size = struct.pack(">H", len(addresses) + len(texts))
        return SIGNATURE + bytes([0x21, family]) + size + addresses + texts

    def expect_header(self, house, client, family, fields):
        header = self.header(client, family, fields)
        with client, house.accept() as server:
            client.sendall(b"hello")
            end_stream(client)
            self.assertEqual(read_all(server), header + b"hello")

    def test_tells_the_server_of_the_client(self):
        with House("--proxy", "--alpn", "smtp") as house:
            self.expect_header(house, house.connect_securely("smtp"), 0x11,
                               [(1, b"smtp"), (2, b"localhost")])
            # An address is no name to send.
            self.expect_header(house, house.connect_securely(name="127.0.0.1"), 0x11, [])

    def test_over_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6")
        with House("--proxy", host="::1") as house:
            self.expect_header(house, house.connect_securely(), 0x21, [(2, b"localhost")])

    def test_comes_before_the_client_has_said_anything(self):
        with House("--proxy") as house:
            with house.connect_securely() as client, house.accept() as server:
                header = self.header(client, 0x11, [(2, b"localhost")])
                self.assertEqual(server.recv(len(header), socket.MSG_WAITALL), header)
                server.sendall(b"220 hello\r\n")
                self.assertEqual(client.recv(100), b"220 hello\r\n")


class Certificate(unittest.TestCase):
    def shown(self, house):
        """The certificate that the terminator shows."""
        with house.connect_securely() as client, house.accept():
            return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True))

    def use(self, name):
        for ending in (".pem", ".key"):
            shutil.copyfile(certificates.path(name + ending), certificates.path("used" + ending))

    def hang_up(self, house, answer):
        house.program.process.send_signal(signal.SIGHUP)
        house.program.find(answer)

    def test_is_loaded_anew_after_a_hangup(self):
        self.use("server")
        chain = certificates.path("used.pem")
        with House(pair=certificates.pair("used")) as house:
            first = self.shown(house)
            self.assertIn(first, certificates.read("server.pem"))
            with house.connect_securely() as client, house.accept() as server:
                self.use("renewed")
                self.assertEqual(self.shown(house), first)
                self.hang_up(house, f"^{chain}: loaded anew$")
                second = self.shown(house)
                self.assertNotEqual(second, first)
                self.assertIn(second, certificates.read("renewed.pem"))
                # One that does not fit changes nothing.
                shutil.copyfile(certificates.path("server.key"), certificates.path("used.key"))
                self.hang_up(house, f"^{chain}: the private key does not belong to")
                self.assertEqual(self.shown(house), second)
                # Who was there before goes on.
                client.sendall(b"hello")
                self.assertEqual(server.recv(100), b"hello")


if __name__ == "__main__":
    unittest.main()
