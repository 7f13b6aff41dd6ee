# SPDX-License-Identifier: Apache-2.0
"""A program in Python, for `bazel run`.

As with //bazel:script_test.bzl, no rules that one of the Bazels lacks are needed, only python3.
"""

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

script_binary = rule(
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
