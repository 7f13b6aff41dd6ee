# SPDX-License-Identifier: Apache-2.0
"""Bazel's native cc_library."""

cc_library = native.cc_library
