# SPDX-License-Identifier: Apache-2.0
"""Bazel's native cc_import."""

cc_import = native.cc_import
