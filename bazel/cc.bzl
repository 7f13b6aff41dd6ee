# SPDX-License-Identifier: Apache-2.0
"""The C and C++ rules of this repository: our compile options are set here, once.

The options are in the targets themselves, so a user's build compiles Weir as ours does. -Werror is
not among them: only our own .bazelrc adds it, since a user's compiler may warn about other things.

Every target holds one language, C or C++: Bazel has one list of options for both, and compilers
reject some options in the wrong one.
"""

load("@weir_rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@weir_rules_cc//cc:cc_library.bzl", "cc_library")
load("@weir_rules_cc//cc:cc_test.bzl", "cc_test")

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wcast-qual",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wformat=2",
    "-Wimplicit-fallthrough",
    "-Wpointer-arith",
    "-Wredundant-decls",
    "-Wshadow",
    "-Wundef",
    "-Wvla",
    "-Wwrite-strings",
]

_C_OPTIONS = ["-std=c11"] + _WARNINGS + [
    "-Wmissing-prototypes",
    "-Wnested-externs",
    "-Wold-style-definition",
    "-Wstrict-prototypes",
]

# C++ is for tests, where options structs leave most fields out and counts are small and positive.
_CXX_OPTIONS = ["-std=c++17"] + _WARNINGS + [
    "-Wno-missing-field-initializers",
    "-Wno-sign-conversion",
]

_C_EXTENSIONS = (".c", ".S")
_CXX_EXTENSIONS = (".cc",)

def _is_cxx(name, srcs):
    """Whether the sources are C++; they must all be of one language."""
    cxx = [src for src in srcs if src.endswith(_CXX_EXTENSIONS)]
    c = [src for src in srcs if src.endswith(_C_EXTENSIONS)]
    if c and cxx:
        fail("{} mixes C ({}) and C++ ({}): make two targets".format(name, c[0], cxx[0]))
    return bool(cxx)

def _language(name, srcs, copts, local_defines):
    """The attributes that decide how the sources are compiled."""
    if _is_cxx(name, srcs):
        return {"copts": _CXX_OPTIONS + copts, "local_defines": local_defines}
    return {"copts": _C_OPTIONS + copts, "local_defines": ["_GNU_SOURCE"] + local_defines}

def weir_cc_library(
        name,
        srcs = [],
        hdrs = [],
        internal_hdrs = [],
        internal_visibility = [],
        deps = [],
        visibility = None,
        copts = [],
        local_defines = [],
        platform_srcs = [],
        **kwargs):
    """A library, and the target `:internal` for its internal headers if it has any.

    Args:
      name: the library's name; a package's public library is named like its folder.
      srcs: plain list of sources, all C (and assembly) or all C++.
      hdrs: public headers; included as "weir/x.h".
      internal_hdrs: headers for this repository only; included as "<package>/internal/x.h". They
        are offered by the target `:internal`, which contains the library too.
      internal_visibility: the other packages that may use `:internal`, like "//tcp"; each one that
        does is named, and no other.
      deps: libraries needed.
      visibility: public if there are public headers, otherwise this package only.
      copts: further compile options.
      local_defines: further macro definitions for these sources.
      platform_srcs: a select() of further sources in the language of srcs.
      **kwargs: passed on to cc_library.
    """
    if visibility == None:
        visibility = ["//visibility:public" if hdrs else "//visibility:private"]
    public_headers = {
        "include_prefix": "weir",
        "strip_include_prefix": "/" + native.package_name(),
    } if hdrs else {}
    attributes = dict(kwargs)
    attributes.update(public_headers)
    attributes.update(_language(name, srcs, copts, local_defines))
    cc_library(
        name = name,
        srcs = srcs + internal_hdrs + platform_srcs,
        hdrs = hdrs,
        visibility = visibility,
        deps = deps,
        **attributes
    )
    if internal_hdrs:
        cc_library(
            name = "internal",
            testonly = kwargs.get("testonly", False),
            hdrs = internal_hdrs,
            visibility = [package + ":__pkg__" for package in internal_visibility] or
                         ["//visibility:private"],
            deps = [":" + name] + deps,
        )

def weir_cc_binary(name, srcs, deps = [], copts = [], local_defines = [], linkopts = [], **kwargs):
    """A program, linked with all symbols bound at its start.

    Binding them at their first call, as is the default, takes 3 KB of the calling coroutine's
    stack.

    Args:
      name: the program's name.
      srcs: plain list of sources, all C or all C++.
      deps: libraries needed.
      copts: further compile options.
      local_defines: further macro definitions for these sources.
      linkopts: further link options.
      **kwargs: passed on to cc_binary.
    """
    attributes = dict(kwargs)
    attributes.update(_language(name, srcs, copts, local_defines))
    cc_binary(
        name = name,
        srcs = srcs,
        linkopts = ["-Wl,-z,now"] + linkopts,
        deps = deps,
        **attributes
    )

def weir_cc_test(name, srcs, deps = [], copts = [], local_defines = [], size = "small", **kwargs):
    """A test; one in C++ gets googletest and its main function.

    Args:
      name: the test's name.
      srcs: plain list of sources, all C or all C++.
      deps: libraries needed besides googletest.
      copts: further compile options.
      local_defines: further macro definitions for these sources.
      size: Bazel's size of the test, which sets its timeout; small is one minute.
      **kwargs: passed on to cc_test.
    """
    attributes = dict(kwargs)
    attributes.update(_language(name, srcs, copts, local_defines))
    googletest = ["@googletest//:gtest_main"] if _is_cxx(name, srcs) else []
    cc_test(
        name = name,
        size = size,
        srcs = srcs,
        deps = deps + googletest,
        **attributes
    )
