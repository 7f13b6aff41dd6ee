# SPDX-License-Identifier: Apache-2.0
"""Bazel's native cc_binary."""

cc_binary = native.cc_binary
