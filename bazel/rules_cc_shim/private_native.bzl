# SPDX-License-Identifier: Apache-2.0
"""Bazel's built-in providers under other names: a file cannot rebind a name that it reads."""

# buildifier: disable=native-cc-info
NativeCcInfo = CcInfo
