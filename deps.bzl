# SPDX-License-Identifier: Apache-2.0
"""The repositories Weir needs, for workspaces that use a WORKSPACE file.

A user's WORKSPACE calls weir_deps(), or weir_debian_deps() to build offline from Debian's packages.
Each repository is declared only if it does not exist yet: what the user declares first wins.

weir_deps() declares no @rules_cc. Weir loads its C++ rules from @weir_rules_cc, which hands out
those built into Bazel, so a user may have any rules_cc, of any release, before or after, or none.
"""

load("@bazel_tools//tools/build_defs/repo:git.bzl", "git_repository", "new_git_repository")
load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")
load("//bazel:debian_repository.bzl", "debian_repository")
load("//bazel:rules_cc_shim.bzl", "rules_cc_shim")

def weir_deps():
    """What the library itself needs, from upstream."""
    maybe(rules_cc_shim, name = "weir_rules_cc")

    # 23 May 2024: the last commit of the branch main-with-bazel whose BUILD files Bazel 4 reads.
    # A commit's hash proves its content by itself.
    maybe(
        git_repository,
        name = "boringssl",
        commit = "bd78925c7f9e2e8cb65faa67cb106a052f6d713d",
        remote = "https://boringssl.googlesource.com/boringssl",
    )

def weir_dev_deps():
    """What only Weir's own tests need. Users never fetch these."""

    # Release 1.14.0, the last whose BUILD files Bazel 4 reads.
    maybe(
        git_repository,
        name = "googletest",
        commit = "f8d7d77c06936315286eb55f8de22cd23c188571",
        remote = "https://github.com/google/googletest.git",
    )

    # Release 1.3.1, which has no BUILD file for Bazel.
    maybe(
        new_git_repository,
        name = "zlib",
        build_file = Label("//bazel:zlib.BUILD"),
        commit = "51b7f2abdade71cd9bb0e7a373ef2610ec6f9daf",
        remote = "https://github.com/madler/zlib.git",
    )

def weir_debian_deps():
    """Everything from Debian's packages, tests included; see ./bazelw for their names.

    Good for trying out and for continuous integration without a network. Not for production:
    Debian ships its BoringSSL for the Android tools only, and it is old and unpatched.
    """
    maybe(rules_cc_shim, name = "weir_rules_cc")

    # Bazel 4 declares these itself, with downloads, unless they exist. Debian's own rules_cc does
    # not load under it.
    maybe(rules_cc_shim, name = "rules_cc")
    for name, path in {
        "bazel_skylib": "/usr/share/bazel/tools/skylib",
        "platforms": "/usr/share/bazel/tools/platforms",
        "rules_java": "/usr/share/bazel/rules/java",
        "rules_proto": "/usr/share/bazel/rules/proto",
    }.items():
        maybe(native.local_repository, name = name, path = path)
    maybe(
        debian_repository,
        name = "remote_coverage_tools",
        build_file = Label("//bazel/debian:remote_coverage_tools.BUILD"),
    )
    maybe(
        debian_repository,
        name = "boringssl",
        build_file = Label("//bazel/debian:boringssl.BUILD"),
        package = "android-libboringssl-dev",
        paths = {
            "include/openssl": ["/usr/include/android/openssl"],
            "lib": [
                "/usr/lib/x86_64-linux-gnu/android",
                "/usr/lib/aarch64-linux-gnu/android",
            ],
        },
    )
    maybe(
        debian_repository,
        name = "googletest",
        build_file = Label("//bazel/debian:googletest.BUILD"),
        package = "googletest",
        paths = {
            "googlemock": ["/usr/src/googletest/googlemock"],
            "googletest": ["/usr/src/googletest/googletest"],
        },
    )
    maybe(
        debian_repository,
        name = "zlib",
        build_file = Label("//bazel/debian:zlib.BUILD"),
        package = "zlib1g-dev",
        paths = {"include/zlib.h": ["/usr/include/zlib.h"]},
    )
