# SPDX-License-Identifier: Apache-2.0
"""A peer of Weir's in Python's ssl, which is OpenSSL; language_peer_test.py says what peers do."""

import os
import socket
import ssl
import sys

MUCH = bytes(ord("a") + i % 23 for i in range(300_000))
LINES = 3
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Connection:
    """A secure connection that can be ended in one direction, which ssl.SSLSocket cannot: it reads
    at once behind its close_notify, and takes offence at data."""

    def __init__(self, plain, terms, **how):
        self._plain, self._incoming, self._outgoing = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = terms.wrap_bio(self._incoming, self._outgoing, **how)
        self._do(self.session.do_handshake)

    def _send(self):
        self._plain.sendall(self._outgoing.read())

    def _do(self, operation, *arguments):
        while True:
            try:
                return operation(*arguments)
            except ssl.SSLWantReadError:
                self._send()
                if data := self._plain.recv(1 << 16):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            finally:
                self._send()

    def write(self, data):
        while data:
            data = data[self._do(self.session.write, data):]

    def read(self):
        """What there is; nothing at the end."""
        try:
            return self._do(self.session.read, 1 << 16)
        except ssl.SSLZeroReturnError:
            return b""  # how the peer's close_notify is told behind one's own

    def read_all(self):
        return b"".join(iter(self.read, b""))

    def end_stream(self):
        try:
            self.session.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._send()


def end_first(connection):
    connection.write(MUCH)
    connection.end_stream()
    if connection.read_all() != MUCH:
        raise ValueError("something else came back")


def end_last(connection):
    connection.write(connection.read_all())
    connection.end_stream()


def send_lines(connection):
    for i in range(LINES):
        line, back = b"level %d level\r\n" % i, b""
        connection.write(line)
        while len(back) < len(line) and (more := connection.read()):
            back += more
        if back != line:
            raise ValueError("another line came back")
    connection.end_stream()


def send_lines_back(connection):
    while data := connection.read():
        connection.write(data)
    connection.end_stream()


def context(folder, role, version):
    if role == "listen":
        result = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH,
                                            cafile=os.path.join(folder, "root.pem"))
    else:
        result = ssl.create_default_context(cafile=os.path.join(folder, "root.pem"))
    result.minimum_version = result.maximum_version = VERSIONS[version]
    result.set_alpn_protocols(["weir"])
    return result


def load(target, folder, name):
    target.load_cert_chain(os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key"))


def listen(folder, talk, version, asks):
    server = context(folder, "listen", version)
    load(server, folder, "server")
    if asks == "asks":
        server.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        plain, _ = listener.accept()
    with plain:
        converse(Connection(plain, server, server_side=True), talk, send_lines_back)


def connect(folder, talk, version, shows, port):
    client = context(folder, "connect", version)
    if shows == "shows":
        load(client, folder, "client")
    with socket.create_connection(("127.0.0.1", int(port))) as plain:
        converse(Connection(plain, client, server_hostname="localhost"), talk, send_lines)


def converse(connection, talk, lines):
    session = connection.session
    print(f"version={session.version()[4:]}", f"protocol={session.selected_alpn_protocol() or ''}",
          f"certificate={session.getpeercert() is not None}".lower(), flush=True)
    {"first": end_first, "last": end_last, "lines": lines}[talk](connection)


def main():
    for command in sys.stdin:
        role, *words = command.split()
        try:
            (listen if role == "listen" else connect)(sys.argv[1], *words)
            print("done", flush=True)
        except (OSError, ValueError) as error:
            print("failed:", error, flush=True)


if __name__ == "__main__":
    main()
