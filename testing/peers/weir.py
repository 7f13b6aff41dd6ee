# SPDX-License-Identifier: Apache-2.0
"""What the tests with somebody else's TLS share: Weir's end, and the certificates of both."""

import os
import shutil

from testing import programs

PEER = os.path.abspath("testing/peers/weir_peer")
ECHO_SERVER = os.path.abspath("examples/tls_echo_server")
CLIENT = os.path.abspath("examples/tls_client")
TERMINATOR = os.path.abspath("examples/tls_terminator")
VERSIONS = ("1.2", "1.3")

certificates = programs.Certificates()


def find_program(name, *places):
    """Its path, or None; the places are further ones where installers leave it."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *places]))


def peer_words(*words, certificate=None, **options):
    """The words of a weir_peer that trusts the authority."""
    chain, key = certificates.pair(certificate) if certificate else (None, None)
    options = {"roots": certificates.root, "name": "localhost", "chain": chain, "key": key,
               "protocol": "weir", **options}
    words = [PEER, *words]
    for name, value in options.items():
        if value is not None:
            words.append(f"--{name}" if value is True else f"--{name}={value}")
    return words


def start_peer_server(talk, certificate="server", **options):
    """A weir_peer that serves; the next line that it says is its port."""
    return programs.Program(*peer_words("listen", talk, certificate=certificate, **options))


def run_peer_client(talk, port, certificate=None, **options):
    """What a weir_peer says that connects to a port, line by line."""
    words = peer_words("connect", talk, port, certificate=certificate, **options)
    return programs.run(*words).stdout.splitlines()


def start_echo_server(certificate="server"):
    """The example, and its port."""
    server = programs.Program(ECHO_SERVER, *certificates.pair(certificate), "127.0.0.1", "0")
    return server, server.find(r":(\d+)$")[1]


def run_client(port):
    """What the example prints of the answer of a server at a port of localhost."""
    result = programs.run(CLIENT, "localhost", port, certificates.root)
    return result.stdout + result.stderr
