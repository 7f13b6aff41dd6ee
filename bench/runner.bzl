# SPDX-License-Identifier: Apache-2.0
"""The programs in Python that measure, for `bazel run`.

As with //bazel:script_test.bzl, no rules that one of the Bazels lacks are needed, only python3.
"""

load("//bazel:script_test.bzl", "script_test")

def _script_binary_impl(ctx):
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        launcher,
        """#!/bin/sh
here=${{RUNFILES_DIR:-$0.runfiles}}/{workspace}
[ -d "$here" ] || here=.
exec python3 -B "$here/{script}" "$@"
""".format(workspace = ctx.workspace_name, script = ctx.file.script.short_path),
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = [ctx.file.script] + ctx.files.data)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

_script_binary = rule(
    implementation = _script_binary_impl,
    attrs = {
        "data": attr.label_list(
            allow_files = True,
            doc = "Files that the program imports or runs, found beside it.",
        ),
        "script": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
    },
    executable = True,
)

def runner(name, data, script = None, test_data = []):
    """A runner, and `<name>_smoke_test`, which tests that it runs.

    Args:
      name: what the user says: `bazel run -c opt //bench:<name>`.
      data: the modules that it imports, and the programs that it measures.
      script: its file, if that is not `<name>.py`.
      test_data: what the test reads besides.
    """
    script = script or name + ".py"
    _script_binary(
        name = name,
        data = data,
        script = script,
    )
    script_test(
        name = name + "_smoke_test",
        size = "small",
        data = [script] + test_data + data,
        script = name + "_smoke_test.py",
    )
