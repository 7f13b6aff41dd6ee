# SPDX-License-Identifier: Apache-2.0
"""What the tests of the sources know about the checkout: its root, its files, its headers."""

import os
import re

# The packages that make up the library, lowest first. What lies elsewhere is tests and programs.
PRODUCT_PACKAGES = ("base", "coroutine", "selector", "channel", "address", "tcp", "udp", "tls")

# Hidden folders hold other programs' state, except this one.
VISITED_HIDDEN_FOLDERS = {".ci"}


def find_root():
    """The checkout's root: of the working directory, or of the real files behind Bazel's links."""
    return os.path.dirname(os.path.realpath("WORKSPACE"))


def list_files(root):
    """The paths of all files, relative to the root and sorted. Follows no links."""
    paths = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [
            name for name in subfolders
            if name not in ("node_modules", "__pycache__")
            and (not name.startswith(".") or name in VISITED_HIDDEN_FOLDERS)
            and not os.path.islink(os.path.join(folder, name))
        ]
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                paths.append(os.path.relpath(path, root))
    return sorted(paths)


def is_public_header(path):
    """Whether users include this file, as "weir/x.h"."""
    return bool(re.fullmatch(r"(%s|simulation)/[a-z0-9_]+\.h" % "|".join(PRODUCT_PACKAGES), path))


def is_product_source(path):
    """Whether this C file becomes part of the library."""
    package = path.split("/")[0]
    return package in PRODUCT_PACKAGES and "/testing/" not in path and path.endswith((".c", ".h"))


def link_public_headers(root, folder, headers):
    """Makes `folder`/weir with a link to each header, as Bazel's include_prefix does."""
    weir = os.path.join(folder, "weir")
    os.mkdir(weir)
    for header in headers:
        os.symlink(os.path.join(root, header), os.path.join(weir, os.path.basename(header)))
