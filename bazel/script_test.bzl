# SPDX-License-Identifier: Apache-2.0
"""A test that is a Python program.

Bazel 4 has rules for scripts built in, Bazel 9 has them in other repositories. This one needs
neither, only python3 in PATH. It can also hand C libraries to the program, which no rule for
scripts does.
"""

load("@weir_rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _library_files(target):
    """The files that a program must link to use a C library, dependents before dependencies."""
    files = []
    for linker_input in target[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            files.append(
                library.pic_static_library or library.static_library or library.dynamic_library,
            )
    return files

def _script_test_impl(ctx):
    libraries = []
    for target in ctx.attr.libraries:
        libraries += _library_files(target)
    launcher = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        launcher,
        "#!/bin/sh\nexport PYTHONPATH=. WEIR_LIBRARIES='{}'\nexec python3 -B {} \"$@\"\n".format(
            " ".join([file.short_path for file in libraries]),
            ctx.file.script.short_path,
        ),
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = [ctx.file.script] + ctx.files.data + libraries)
    for target in ctx.attr.data:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

script_test = rule(
    implementation = _script_test_impl,
    test = True,
    attrs = {
        "data": attr.label_list(
            allow_files = True,
            doc = "Files the program reads or imports, found from its working directory: " +
                  "testing/programs.py is the module testing.programs.",
        ),
        "libraries": attr.label_list(
            providers = [CcInfo],
            doc = "C libraries. WEIR_LIBRARIES lists what to link, in order.",
        ),
        "script": attr.label(
            allow_single_file = [".py"],
            mandatory = True,
        ),
    },
)
