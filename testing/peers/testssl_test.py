# SPDX-License-Identifier: Apache-2.0
"""testssl.sh finds no weakness in what the example of a server offers by default. It takes a
minute or two, so it is run only when asked for."""

import json
import unittest

from testing import programs
from testing.peers import weir
from testing.peers.weir import certificates

TESTSSL = weir.find_program("testssl") or weir.find_program("testssl.sh")
OPENSSL = weir.find_program("openssl")
FINE = {"OK", "INFO", "DEBUG"}
# What it says against every server like this one, and why it is no weakness of its defaults.
NO_WEAKNESS = {
    "cipher_order": "all suites are strong, and clients know best which of them their machine is "
                    "good at",
    "cert_expirationStatus": "the certificate was made for this test",
    "cert_notAfter": "the same",
    "cert_revocation": "the same",
    "sessionresumption_ticket": "its client often leaves before a ticket of TLS 1.3 has come, and "
                                "then has none; openssl_test and others resume",
    "engine_problem": "it is about the client's OpenSSL",
}


@unittest.skipIf(TESTSSL is None or OPENSSL is None, "no testssl.sh or no openssl")
class Defaults(unittest.TestCase):
    def findings(self, certificate):
        """Triples of what, how bad, and the words."""
        report = certificates.path(certificate + ".json")
        server, port = weir.start_echo_server(certificate)
        with server:
            result = programs.run(
                TESTSSL, "--openssl", OPENSSL, "--warnings", "off", "--color", "0", "--nodns",
                "none", "--add-ca", certificates.root, "--jsonfile", report, "--ip", "127.0.0.1",
                f"localhost:{port}", timeout=600)
            print(result.stdout)
            self.assertEqual(server.interrupt(), 0)
        with open(report, encoding="utf-8") as file:
            return [(item["id"], item["severity"], item["finding"]) for item in json.load(file)]

    def test_have_no_weakness(self):
        for certificate in ("server", "rsa"):
            with self.subTest(certificate=certificate):
                findings = self.findings(certificate)
                self.assertEqual([], [finding for finding in findings if finding[1] not in FINE
                                      and finding[0] not in NO_WEAKNESS])
                # It has really looked.
                names = {finding[0] for finding in findings}
                self.assertLessEqual({"SSLv3", "TLS1_3", "heartbleed", "ROBOT", "LUCKY13", "RC4",
                                      "cert_chain_of_trust", "secure_client_renego"}, names)


if __name__ == "__main__":
    unittest.main()
