# SPDX-License-Identifier: Apache-2.0
"""nginx as a server for Weir's client, and as a client that asks Weir's server for pages."""

import http.client
import os
import socket
import tempfile
import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import VERSIONS, certificates

NGINX = weir.find_program("nginx", "/usr/sbin")

# Its listening sockets are handed to it, so that no port is taken in between. {tls} and {plain} are
# their ports.
CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {server_chain};
    ssl_certificate_key {server_key};
    ssl_protocols TLSv{version};
    ssl_session_cache shared:tests:1m;
    ssl_client_certificate {root};
    ssl_verify_depth 3;
    ssl_verify_client {asks};
    location / {{ return 200 "$ssl_client_s_dn $ssl_session_reused"; }}
  }}
  server {{
    listen 127.0.0.1:{plain};
    location / {{
      proxy_pass https://127.0.0.1:{weir}/;
      proxy_ssl_protocols TLSv{version};
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 3;
      proxy_ssl_trusted_certificate {root};
      proxy_ssl_certificate {client_chain};
      proxy_ssl_certificate_key {client_key};
    }}
  }}
}}
"""

# What Weir says of the end of nginx' stream when its own has ended first.
NO_CLOSE_NOTIFY = "failed: secure stream ended without close_notify"

# Its workers are not to be the user that Debian made for it, who may not read our files.
USER = "user root;" if os.geteuid() == 0 else ""


class Nginx:
    """A running one, for TLS of one version."""

    def __init__(self, version, asks="off", behind="1"):
        self._folder = tempfile.TemporaryDirectory(dir="/tmp")
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        tls, plain = [listener.getsockname()[1] for listener in sockets]
        self.tls, self.plain = str(tls), plain
        server_chain, server_key = certificates.pair("server")
        client_chain, client_key = certificates.pair("client")
        path = os.path.join(self._folder.name, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(
                folder=self._folder.name, user=USER, root=certificates.root,
                server_chain=server_chain, server_key=server_key, client_chain=client_chain,
                client_key=client_key, tls=tls, plain=plain, version=version, asks=asks,
                weir=behind))
        descriptors = [listener.fileno() for listener in sockets]
        self._program = programs.Program(
            NGINX, "-c", path, "-p", self._folder.name, "-e", "stderr", with_errors=True,
            pass_fds=descriptors,
            env={"NGINX": "".join(f"{number};" for number in descriptors)})
        for listener in sockets:
            listener.close()

    def fetch(self):
        """The page that it gets from behind: status and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, programs.PATIENCE)
        connection.request("GET", "/")
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._program:
            self._program.process.terminate()
            self._program.rest()
        self._folder.cleanup()


@unittest.skipIf(NGINX is None, "no nginx")
class Server(unittest.TestCase):
    def test_the_client(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version) as nginx:
                self.assertEqual(weir.run_client(nginx.tls), "HTTP/1.1 200 OK\n")

    def ask(self, nginx, *arguments, **options):
        return weir.run_peer_client("page", nginx.tls, *arguments, protocol="http/1.1", **options)

    def test_agrees_on_a_protocol_and_resumes(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version) as nginx:
                agreed = f"version={version} protocol=http/1.1 name=localhost certificates=2"
                self.assertEqual(self.ask(nginx, times=2), [
                    f"{agreed} resumed=0", "HTTP/1.1 200 OK", "done",
                    f"{agreed} resumed=1", "HTTP/1.1 200 OK", "done"])

    def test_asks_who_weir_is(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version, asks="on") as nginx:
                self.assertEqual(self.ask(nginx, "client")[1:], ["HTTP/1.1 200 OK", "done"])
                # It says so by HTTP.
                self.assertEqual(self.ask(nginx)[1:], ["HTTP/1.1 400 Bad Request", "done"])

    def test_weir_ends_first(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version) as nginx:
                self.assertEqual(self.ask(nginx, ends=True)[1:],
                                 ["HTTP/1.1 200 OK", NO_CLOSE_NOTIFY])

    def test_no_protocol_in_common(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version) as nginx:
                lines = weir.run_peer_client("page", nginx.tls)
                self.assertRegex(lines[-1], "^failed: .*alert received: no application protocol")

    def test_nobody_vouches_for_it(self):
        for version in VERSIONS:
            with self.subTest(version=version), Nginx(version) as nginx:
                lines = self.ask(nginx, roots=certificates.path("stranger.pem"))
                self.assertRegex(lines[-1], "^failed: .*alert sent: unknown CA")


@unittest.skipIf(NGINX is None, "no nginx")
class Client(unittest.TestCase):
    def test_both_show_who_they_are(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", asks=True, times=2) as server, \
                    Nginx(version, behind=server.line()) as nginx:
                for resumed in (0, 1):
                    self.assertEqual(nginx.fetch(), (200, b"hello"))
                    self.assertEqual(server.line(), f"version={version} protocol= name=localhost "
                                     f"certificates=2 resumed={resumed}")
                    self.assertEqual(server.line(), "done")

    def test_weir_ends_first(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", ends=True) as server, \
                    Nginx(version, behind=server.line()) as nginx:
                self.assertEqual(nginx.fetch(), (200, b"hello"))
                self.assertEqual(server.rest()[-1], NO_CLOSE_NOTIFY)

    def test_nobody_vouches_for_weir(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    weir.start_peer_server("page", certificate="stranger") as server, \
                    Nginx(version, behind=server.line()) as nginx:
                self.assertEqual(nginx.fetch()[0], 502)
                server.find("^failed: ")


if __name__ == "__main__":
    unittest.main()
