# SPDX-License-Identifier: Apache-2.0
"""The measured server is the example server without its log lines, and nothing else."""

import re
import unittest

# What only serves the log lines.
LOG_STATEMENTS = [
    re.compile(r"(if \(.*\) )?printf\("),
    re.compile(r"const char \*name = weir_remote_address\(client\);"),
    re.compile(r"setvbuf\(stdout\b"),
]


def statements(text):
    """The statements and preprocessor lines of C, each in one line, without comments."""
    found, current, depth = [], "", 0
    for token in re.findall(r'//[^\n]*|#[^\n]*|"(?:\\.|[^"\\])*"|\s+|.', text):
        if token.startswith("//"):
            continue
        if token.startswith("#"):
            found.append(token)
            continue
        current += " " if token.isspace() else token
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token in ";{}":
            found.append(" ".join(current.split()))
            current = ""
    return found


def without_log(text):
    """The statements that remain when the log lines are taken out."""
    return [statement for statement in statements(text)
            if not any(pattern.match(statement) for pattern in LOG_STATEMENTS)]


def code(found):
    """The statements without the preprocessor lines."""
    return [statement for statement in found if not statement.startswith("#")]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class EchoWeir(unittest.TestCase):
    def test_is_the_example(self):
        handler = code(without_log(read("examples/echo.c")))
        server = code(without_log(read("examples/echo_server.c")))
        handler[0] = "static " + handler[0]
        self.assertEqual(handler + server, code(statements(read("bench/echo_weir.c"))))

    def test_logs_nothing(self):
        text = read("bench/echo_weir.c")
        self.assertEqual(without_log(text), statements(text))

    def test_log_lines_alone_are_taken_out(self):
        text = 'int f(void) {\n  // printf(x);\n  if (a(b) != c)\n    printf("%s; {\\"",\n x);\n' \
               '  fprintf(stderr, "x");\n  g(";"); }\n'
        self.assertEqual(without_log(text),
                         ["int f(void) {", 'fprintf(stderr, "x");', 'g(";");', "}"])


if __name__ == "__main__":
    unittest.main()
