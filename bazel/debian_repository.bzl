# SPDX-License-Identifier: Apache-2.0
"""A repository made of files that a Debian package installed, and a BUILD file of ours."""

def _debian_repository_impl(repository_ctx):
    for link, candidates in repository_ctx.attr.paths.items():
        present = [path for path in candidates if repository_ctx.path(path).exists]
        if not present:
            fail("none of {} exists: install the Debian package {}".format(
                ", ".join(candidates),
                repository_ctx.attr.package,
            ))
        repository_ctx.symlink(present[0], link)
    repository_ctx.symlink(repository_ctx.attr.build_file, "BUILD.bazel")

debian_repository = repository_rule(
    implementation = _debian_repository_impl,
    attrs = {
        "build_file": attr.label(allow_single_file = True, mandatory = True),
        "package": attr.string(doc = "The Debian package to name when a path is missing."),
        "paths": attr.string_list_dict(
            doc = "Path in the repository to paths on the machine: the first that exists counts.",
        ),
    },
    local = True,
)
