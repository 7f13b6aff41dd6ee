# SPDX-License-Identifier: Apache-2.0
"""A fuzz test in C++, with the attributes of the macro of this name in rules_fuzzing.

A project that has rules_fuzzing can load that one instead. Ours needs nothing but a compiler.
"""

load("//bazel:cc.bzl", "weir_cc_binary")

# Absolute, so that other workspaces can use the macro.
_ENGINE = str(Label("//fuzz:engine"))
_LIBFUZZER = str(Label("//fuzz:libfuzzer"))

# Runs the program on its corpus, as a test, or fuzzes, when a user runs it and it can.
_LAUNCHER = """#!/bin/sh
set -eu
[ -e '{binary}' ] || cd "$0.runfiles/{workspace}"
runfiles=$PWD
binary=$runfiles/{binary}

# Only `bazel run` sets this; there the arguments are a user's.
if [ -z "${{BUILD_WORKING_DIRECTORY:-}}" ]; then
  exec "$binary" {corpus}
fi
named=
for argument in "$@"; do
  case $argument in
    -*) ;;
    *) named=yes ;;
  esac
done

if [ '{engine}' != libfuzzer ]; then
  if [ -n "$*" ]; then
    cd "$BUILD_WORKING_DIRECTORY"
    exec "$binary" "$@"
  fi
  echo '{name}: replays its corpus; to fuzz, use bazel run --config=fuzz' >&2
  exec "$binary" {corpus}
fi

# Nothing is written to the source tree, unless by the user's own arguments.
output=${{FUZZING_OUTPUT_ROOT:-${{TMPDIR:-/tmp}}/fuzzing_$(id -u)}}/{name}
mkdir -p "$output/artifacts" "$output/corpus"
set -- -timeout=10 -artifact_prefix="$output/artifacts/" "$@"
if [ -n '{dictionary}' ]; then
  set -- -dict="$runfiles/{dictionary}" "$@"
fi
if [ -z "$named" ]; then
  echo '{name}: new inputs go to' "$output" >&2
  set -- "$@" "$output/corpus"
  for folder in {folders}; do
    set -- "$@" "$runfiles/$folder"
  done
fi
cd "$BUILD_WORKING_DIRECTORY"
exec "$binary" "$@"
"""

def _quoted(paths):
    return " ".join(["'" + path + "'" for path in paths])

def _merge_dictionaries(ctx):
    """One file with the entries of all dictionaries, since libFuzzer takes one; or None."""
    if not ctx.files.dicts:
        return None
    merged = ctx.actions.declare_file(ctx.label.name + ".dict")
    ctx.actions.run_shell(
        inputs = ctx.files.dicts,
        outputs = [merged],
        command = "cat \"$@\" > '{}'".format(merged.path),
        arguments = [file.path for file in ctx.files.dicts],
    )
    return merged

def _launched_test_impl(ctx):
    dictionary = _merge_dictionaries(ctx)
    folders = {file.short_path[:file.short_path.rfind("/")]: None for file in ctx.files.corpus}

    # Without any input, libFuzzer would fuzz.
    empty = ctx.actions.declare_file(ctx.label.name + ".empty")
    ctx.actions.write(empty, "")
    inputs = [empty] + ctx.files.corpus
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        launcher,
        _LAUNCHER.format(
            binary = ctx.executable.binary.short_path,
            corpus = _quoted([file.short_path for file in inputs]),
            dictionary = dictionary.short_path if dictionary else "",
            engine = ctx.attr.engine_name,
            folders = _quoted(folders.keys()),
            name = ctx.label.name,
            workspace = ctx.workspace_name,
        ),
        is_executable = True,
    )
    files = inputs + ctx.files.data + ([dictionary] if dictionary else [])
    runfiles = ctx.runfiles(files = files).merge(ctx.attr.binary[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

_launched_test = rule(
    implementation = _launched_test_impl,
    test = True,
    attrs = {
        "binary": attr.label(
            # As for tests, whose programs are built as they themselves are.
            cfg = "target",
            executable = True,
            mandatory = True,
        ),
        "corpus": attr.label_list(allow_files = True),
        "data": attr.label_list(allow_files = True),
        "dicts": attr.label_list(allow_files = True),
        "engine_name": attr.string(mandatory = True),
    },
)

def cc_fuzz_test(
        name,
        srcs,
        corpus = [],
        dicts = [],
        engine = _ENGINE,
        deps = [],
        data = [],
        size = "small",
        tags = [],
        **binary_kwargs):
    """A fuzz target, defined by LLVMFuzzerTestOneInput, that is an ordinary test as well.

    `bazel test` runs it on the empty input and on each file of its corpus. `bazel run` does the
    same or, with `--config=fuzz`, fuzzes: arguments after `--` go to libFuzzer, and the corpus and
    the dictionaries are found by themselves. NAME_bin is the program alone.

    Args:
      name: the test's name.
      srcs: plain list of sources, all C++ (or all C), and headers.
      corpus: files to begin with. The folders they lie in hold nothing else.
      dicts: libFuzzer's dictionaries.
      engine: a library with a main function that calls LLVMFuzzerTestOneInput.
      deps: libraries needed besides the engine.
      data: files that the fuzz target reads.
      size: Bazel's size of the test, which sets its timeout; small is one minute.
      tags: Bazel's tags of the test.
      **binary_kwargs: passed on to weir_cc_binary.
    """
    weir_cc_binary(
        name = name + "_bin",
        srcs = srcs,
        testonly = True,
        deps = deps + [engine],
        **binary_kwargs
    )
    _launched_test(
        name = name,
        size = size,
        binary = ":" + name + "_bin",
        corpus = corpus,
        data = data,
        dicts = dicts,
        engine_name = select({
            _LIBFUZZER: "libfuzzer",
            "//conditions:default": "replay",
        }),
        tags = tags + ["fuzz-test"],
    )
