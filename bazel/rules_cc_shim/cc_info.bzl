# SPDX-License-Identifier: Apache-2.0
"""Bazel's built-in CcInfo."""

load("//cc:private_native.bzl", "NativeCcInfo")

CcInfo = NativeCcInfo
