# SPDX-License-Identifier: Apache-2.0
"""A stand-in for rules_cc that hands out Bazel's native C++ rules.

Our BUILD files load one symbol per file, as Bazel 9 demands. The releases of rules_cc that have
those files do not load under Bazel 4, while the Bazels that read our WORKSPACE file have the rules
built in: so there a repository that only names them is enough. Ours is called @weir_rules_cc, so
that it never stands in the way of the @rules_cc that a user's other dependencies load.
"""

_FILES = {
    "BUILD.bazel": "empty.BUILD",
    "cc/BUILD.bazel": "empty.BUILD",
    "cc/cc_binary.bzl": "cc_binary.bzl",
    "cc/cc_import.bzl": "cc_import.bzl",
    "cc/cc_library.bzl": "cc_library.bzl",
    "cc/cc_test.bzl": "cc_test.bzl",
    "cc/common/BUILD.bazel": "empty.BUILD",
    "cc/common/cc_info.bzl": "cc_info.bzl",
    "cc/defs.bzl": "defs.bzl",
    "cc/private_native.bzl": "private_native.bzl",
}

def _rules_cc_shim_impl(repository_ctx):
    for path, source in _FILES.items():
        repository_ctx.symlink(Label("//bazel/rules_cc_shim:" + source), path)

rules_cc_shim = repository_rule(implementation = _rules_cc_shim_impl, local = True)
