# SPDX-License-Identifier: Apache-2.0
"""Shows how code is found in documents and headers, and what programs are made of it."""

import unittest

import snippets

DOCUMENT = """# Title

```c
int x = 1;
```

```c run coroutine
int y;
```

```c ignore
nonsense
```

```text
no code
```

```sh
# a comment
./bazelw run //examples:echo_server
$ printf 'Hello; | World\\n' | nc -N 127.0.0.1 2323
A=1 git clone x && cd x
```
"""

HEADER = """// SPDX-License-Identifier: Apache-2.0
//
// weir/a.h: words.
//
// Example:
//   static int child(void *argument) {
//     return 0;
//   }
//
//   assert(child(NULL) == 0);
//
// More words.
#ifndef A
"""


class Finding(unittest.TestCase):
    def test_document(self):
        found = snippets.in_document("README.md", DOCUMENT)
        self.assertEqual([(s.line, s.code, s.run, s.coroutine) for s in found],
                         [(4, "int x = 1;\n", False, False), (8, "int y;\n", True, True)])

    def test_header(self):
        (found,) = snippets.in_header("a/a.h", HEADER)
        self.assertEqual(found.line, 6)
        self.assertTrue(found.run)
        self.assertFalse(found.coroutine)
        self.assertTrue(found.code.startswith("static int child(void *argument) {\n  return 0;\n"))
        inside = HEADER.replace("Example:", "Example, in a coroutine:")
        self.assertTrue(snippets.in_header("a/a.h", inside)[0].coroutine)

    def test_a_command_on_several_lines(self):
        text = "```sh\nmake all \\\n    -j 2\nls\n```\n"
        self.assertEqual(snippets.shell_commands(text), [(2, "make"), (4, "ls")])

    def test_shell_commands(self):
        self.assertEqual(snippets.shell_commands(DOCUMENT), [
            (21, "./bazelw"), (22, "printf"), (22, "nc"), (23, "git"), (23, "cd")])


class Making(unittest.TestCase):
    def make(self, code, **options):
        return snippets.make_program(snippets.Snippet("a.md", 1, code, **options), ["a.h"])

    def test_whole_program(self):
        program = self.make("int main(void) { return 0; }\n")
        self.assertEqual(program, '#line 1 "a.md"\nint main(void) { return 0; }\n')

    def test_statements_go_inside(self):
        program = self.make("int x = f(1);\nif (x) {\n  g();\n}\n")
        self.assertIn('#include "weir/a.h"', program)
        self.assertGreater(program.index("int x"), program.index("static int example"))
        self.assertIn("return example(NULL) == 0", program)

    def test_definitions_go_outside(self):
        code = ("#include <time.h>\nstruct s {\n  int a;\n};\nstatic int f(int a,\n"
                "             int b) {\n  return a;\n}\nint g(void) { return 1; }\n"
                "struct s x = {f(1, 2)};\nfor (;;) {\n  break;\n}\n")
        program = self.make(code)
        example = program.index("static int example")
        for part in ("#include <time.h>", "struct s {", "int b)", "return a;", "int g(void)"):
            self.assertLess(program.index(part), example, part)
        for part in ("struct s x", "for (;;)"):
            self.assertGreater(program.index(part), example, part)

    def test_coroutine(self):
        program = self.make("weir_yield();\n", coroutine=True)
        self.assertIn("weir_run(NULL, example, NULL)", program)


if __name__ == "__main__":
    unittest.main()
