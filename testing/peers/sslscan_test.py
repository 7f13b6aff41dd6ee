# SPDX-License-Identifier: Apache-2.0
"""sslscan finds no weakness in what the example of a server offers by default."""

import unittest
import xml.etree.ElementTree

from testing import programs
from testing.peers import weir

SSLSCAN = weir.find_program("sslscan")


@unittest.skipIf(SSLSCAN is None, "no sslscan")
class Defaults(unittest.TestCase):
    @classmethod
    def scan(cls, certificate):
        """What sslscan says of the server with this certificate."""
        server, port = weir.start_echo_server(certificate)
        with server:
            result = programs.run(SSLSCAN, "--no-colour", "--xml=-", "--sni-name=localhost",
                                  f"127.0.0.1:{port}")
            if server.interrupt() != 0:
                raise AssertionError("the server has not ended well")
        return xml.etree.ElementTree.fromstring(result.stdout).find("ssltest")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ecdsa, cls.rsa = cls.scan("server"), cls.scan("rsa")

    def test_only_the_versions_of_today(self):
        for found in (self.ecdsa, self.rsa):
            enabled = {(item.get("type"), item.get("version")): item.get("enabled") == "1"
                       for item in found.iter("protocol")}
            self.assertEqual(enabled, {
                ("ssl", "2"): False, ("ssl", "3"): False, ("tls", "1.0"): False,
                ("tls", "1.1"): False, ("tls", "1.2"): True, ("tls", "1.3"): True})

    def test_only_forward_secrecy_and_authenticated_encryption(self):
        of_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                  "TLS_CHACHA20_POLY1305_SHA256"}
        for found, key in ((self.ecdsa, "ECDSA"), (self.rsa, "RSA")):
            suites = {item.get("cipher") for item in found.iter("cipher")}
            self.assertEqual(suites, of_1_3 | {f"ECDHE-{key}-{cipher}" for cipher in (
                "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")})
            self.assertLessEqual({item.get("strength") for item in found.iter("cipher")},
                                 {"acceptable", "strong"})

    def test_only_strong_groups(self):
        for found in (self.ecdsa, self.rsa):
            groups = {item.get("name").split()[0] for item in found.iter("group")}
            self.assertLessEqual({"x25519", "secp256r1", "secp384r1"}, groups)
            self.assertFalse({name for name in groups if name in ("x448", "secp192r1", "secp224r1")
                              or name.startswith(("sect", "ffdhe"))})

    def test_nothing_that_has_turned_out_to_be_a_mistake(self):
        for found in (self.ecdsa, self.rsa):
            self.assertEqual([item.get("supported") for item in found.iter("renegotiation")], ["0"])
            self.assertEqual({item.get("vulnerable") for item in found.iter("heartbleed")}, {"0"})
            self.assertFalse([item for item in found.iter("compression")
                              if item.get("supported") == "1"])
            self.assertFalse([item for item in found.iter("fallback")
                              if item.get("supported") == "0"])

    def test_the_certificate_is_the_one_that_was_given(self):
        for found, kind in ((self.ecdsa, "EC"), (self.rsa, "RSA")):
            self.assertEqual(found.find(".//certificate/pk").get("type"), kind)
            self.assertEqual(found.findtext(".//certificate/subject"), "weir test server")


if __name__ == "__main__":
    unittest.main()
