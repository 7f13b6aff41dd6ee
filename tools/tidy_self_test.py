# SPDX-License-Identifier: Apache-2.0
"""Shows each check of the tidy test at work: on planted violations, and on right text beside."""

import os
import tempfile
import unittest

import tidy_code
import tidy_compile
import tidy_text

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def text_messages(path, text):
    return [finding.message for finding in tidy_text.check(path, text)]


def code_messages(path, text):
    return [finding.message for finding in tidy_code.check(path, text)]


class TextChecks(unittest.TestCase):
    def test_clean_file(self):
        self.assertEqual(text_messages("base/a.c", SPDX + "int x;\n"), [])

    def test_missing_licence(self):
        for path in ("base/a.c", "bazelw", "a/BUILD.bazel", "tools/a.py", ".ci/run", "x.bzl"):
            self.assertIn("no line with", text_messages(path, "x\n")[0], path)
        self.assertEqual(text_messages("README.md", "x\n"), [])

    def test_tabs_and_blanks(self):
        self.assertIn("a tab; use spaces", text_messages("a.md", "a\tb\n"))
        self.assertEqual(text_messages("Makefile", "\ta\n"), [])
        self.assertIn("blanks at the end of the line", text_messages("a.md", "a \n"))
        self.assertIn("no newline at the end of the file", text_messages("a.md", "a"))
        self.assertIn("empty lines at the end of the file", text_messages("a.md", "a\n\n"))

    def test_length(self):
        self.assertIn("101 columns", text_messages("a.c", SPDX + "x" * 101 + "\n")[0])
        self.assertEqual(text_messages("a.c", SPDX + "x" * 100 + "\n"), [])
        findings = tidy_text.check("a.c", SPDX + "x\n" * 500)
        self.assertEqual([finding.is_warning for finding in findings], [True])
        self.assertEqual(tidy_text.check("a.c", SPDX + "x\n" * 499), [])

    def test_todo(self):
        self.assertIn("without its issue", text_messages("a.md", "TODO later\n")[0])
        self.assertEqual(text_messages("a.md", "TODO(#12) later\n"), [])

    def test_spelling(self):
        self.assertIn("BoringSSL", text_messages("a.md", "uses Boringssl\n")[0])
        self.assertEqual(text_messages("a.md", "BoringSSL, Ktor, io_uring, libFuzzer\n"), [])


class CallChecks(unittest.TestCase):
    def test_banned_everywhere(self):
        for name in tidy_code.BANNED_EVERYWHERE:
            for path in ("tcp/a.c", "tcp/a_test.cc", "examples/a.c"):
                message = code_messages(path, f"void f(void) {{ {name}(x); }}\n")
                self.assertEqual(len(message), 1, (name, path))
                self.assertIn("use ", message[0])

    def test_allocation_belongs_to_one_file(self):
        self.assertEqual(len(code_messages("tcp/a.c", "void *p = malloc(1);\n")), 1)
        for path in ("base/memory.c", "tcp/a_test.cc", "examples/a.c", "testing/a.c"):
            self.assertEqual(code_messages(path, "void *p = malloc(1);\n"), [], path)

    def test_system_calls_belong_to_one_file(self):
        call = "int n = (int)recv(fd, p, 1, 0);\n"
        self.assertEqual(len(code_messages("channel/a.c", call)), 1)
        for path in ("selector/system_calls.c", "tcp/a_test.cc", "fuzz/a.c"):
            self.assertEqual(code_messages(path, call), [], path)

    def test_the_product_does_not_print(self):
        self.assertEqual(len(code_messages("tcp/a.c", "  printf(x);\n")), 1)
        self.assertEqual(code_messages("examples/a.c", "  printf(x);\n"), [])

    def test_not_calls(self):
        for line in ("table->read(fd);", "calls.close(fd);", "int (*read)(int fd);", "// read(fd)",
                     'f("read(fd)");', "weir_read(fd);", "int read(int fd);",
                     "/* free(x) */", "ssize_t (*recv)(int);"):
            self.assertEqual(code_messages("tcp/a.c", line + "\n"), [], line)
        self.assertEqual(len(code_messages("tcp/a.c", "  return read(fd);\n")), 1)

    def test_exemption(self):
        code = "// not in the table: handlers only\n  sigaction(1, a, b);\n"
        self.assertEqual(code_messages("tcp/a.c", code), [])

    def test_lines_are_kept(self):
        code = '/* one\ntwo */ f("a");\n  strcpy(a, b);\n'
        self.assertEqual([f.line for f in tidy_code.check("tcp/a.c", code)], [3])


class PublicNameChecks(unittest.TestCase):
    HEADER = """
#ifndef WEIR_A_H
#define WEIR_A_H
#include <stddef.h>
#define WEIR_LONG(x) \\
  do_something(x)
#ifdef __cplusplus
extern "C" {
#endif
// A comment with other(names);
enum weir_color { WEIR_RED = 1, WEIR_BLUE };
struct weir_inner { int a; int (*f)(int b); };
typedef struct weir_outer weir_outer;
typedef struct weir_value { size_t size; struct { int x; } y; } weir_value;
typedef int (*weir_callback)(void *argument);
int weir_f(weir_outer *outer, struct sockaddr *address, int (*function)(void *)) WEIR_MUST_USE;
static inline int weir_g(int a) { if (a) { return other(a); } return 0; }
extern const int weir_h;
const char *weir_i(void) __attribute__((warn_unused_result));
#ifdef __cplusplus
}
#endif
#endif
"""

    def test_right_names(self):
        self.assertEqual(code_messages("tcp/a.h", self.HEADER), [])
        names = {name for _, name in tidy_code.public_names(self.HEADER)}
        self.assertLessEqual({"WEIR_LONG", "weir_color", "WEIR_BLUE", "weir_inner", "weir_outer",
                              "weir_value", "weir_callback", "weir_f", "weir_g", "weir_i"}, names)

    def test_wrong_names(self):
        for line in ("#define LONG 1", "enum weir_c { WEIR_A, B };", "enum color { WEIR_A };",
                     "struct inner { int a; };", "typedef struct weir_o outer;",
                     "typedef int (*callback)(void *weir_a);", "int f(int weir_a);",
                     "static inline int g(void) { return 0; }", "char *h(void);",
                     "typedef int number;"):
            wrong = self.HEADER.replace("int weir_f(", line + "\nint weir_f(")
            self.assertEqual(len(code_messages("tcp/a.h", wrong)), 1, line)
            self.assertEqual(code_messages("tcp/internal/a.h", wrong), [], line)


class CompileChecks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        os.makedirs(os.path.join(self.root, "tcp/internal"))
        self.write(".clang-format", "BasedOnStyle: Google\n")

    def write(self, path, text):
        with open(os.path.join(self.root, path), "w", encoding="utf-8") as file:
            file.write(text)

    def test_format(self):
        self.write("tcp/a.c", "int a;\n")
        self.write("tcp/b.c", "int   b  ;\n")
        findings = tidy_compile.check_format(self.root, ["tcp/a.c", "tcp/b.c"])
        self.assertEqual({finding.path for finding in findings}, {"tcp/b.c"})

    def headers(self, text):
        self.write("tcp/a.h", text)
        return [f.message for f in tidy_compile.check_headers(self.root, ["tcp/a.h"])]

    def test_headers_stand_alone(self):
        guard = "#ifndef WEIR_A_H\n#define WEIR_A_H\n%s\n#endif\n"
        self.assertEqual(self.headers(guard % "#include <stddef.h>\nsize_t weir_f(void);"), [])
        self.assertEqual(len(self.headers(guard % "size_t weir_f(void);")), 2)
        self.assertEqual(len(self.headers(guard % "int weir_f(int class);")), 1)
        self.assertEqual(len(self.headers("enum weir_e { WEIR_X };")), 2)

    def test_internal_headers_include_public_ones(self):
        self.write("tcp/a.h", "#pragma once\ntypedef int weir_t;\n")
        self.write("tcp/internal/b.h", '#pragma once\n#include "weir/a.h"\nextern weir_t x;\n')
        paths = ["tcp/a.h", "tcp/internal/b.h"]
        self.assertEqual(tidy_compile.check_headers(self.root, paths), [])


if __name__ == "__main__":
    unittest.main()
